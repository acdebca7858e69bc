/* The parameters of a network: torch's names in order, shapes, the packed copy, first values. */
#include "fpenv.h"
#include "layout.h"

#include <math.h>

ptrdiff_t rnn_hidden_out(const struct rnn_net *net)
{
    return net->proj_size ? net->proj_size : net->hidden_size;
}

static ptrdiff_t params_per_direction(const struct rnn_net *net)
{
    return 2 + (net->bias ? 2 : 0) + (net->proj_size ? 1 : 0);
}

ptrdiff_t rnn_param_count(const struct rnn_net *net)
{
    return net->num_layers * net->num_directions * params_per_direction(net);
}

ptrdiff_t layer_input_size(const struct rnn_net *net, ptrdiff_t layer)
{
    return layer == 0 ? net->input_size : net->num_directions * rnn_hidden_out(net);
}

/* Elements of one direction's parameters in `layer`. */
static ptrdiff_t direction_size(const struct rnn_net *net, ptrdiff_t layer)
{
    const ptrdiff_t gates = LSTM_GATES * net->hidden_size;

    return gates * (layer_input_size(net, layer) + rnn_hidden_out(net) + (net->bias ? 2 : 0)) +
           net->proj_size * net->hidden_size;
}

struct rnn_param rnn_param_at(const struct rnn_net *net, ptrdiff_t index)
{
    const ptrdiff_t group = params_per_direction(net);
    const ptrdiff_t which = index / group;
    const ptrdiff_t layer = which / net->num_directions;
    const int direction = (int)(which % net->num_directions);
    const ptrdiff_t gates = LSTM_GATES * net->hidden_size;
    struct rnn_param param = {
        .kind = WEIGHT_IH, .layer = layer, .direction = direction, .ndim = 2, .rows = gates};
    ptrdiff_t sizes[5]; /* elements of each kind */

    param.offset = direction * direction_size(net, layer);
    if (layer > 0) {
        param.offset += net->num_directions * direction_size(net, 0);
        param.offset += (layer - 1) * net->num_directions * direction_size(net, 1);
    }
    sizes[WEIGHT_IH] = gates * layer_input_size(net, layer);
    sizes[WEIGHT_HH] = gates * rnn_hidden_out(net);
    sizes[BIAS_IH] = sizes[BIAS_HH] = gates;
    sizes[WEIGHT_HR] = net->proj_size * net->hidden_size;
    for (ptrdiff_t before = index % group; param.kind < WEIGHT_HR; param.kind++) {
        if (!net->bias && (param.kind == BIAS_IH || param.kind == BIAS_HH))
            continue;
        if (before-- == 0)
            break;
        param.offset += sizes[param.kind];
    }
    switch (param.kind) {
    case WEIGHT_IH:
        param.cols = layer_input_size(net, layer);
        break;
    case WEIGHT_HH:
        param.cols = rnn_hidden_out(net);
        break;
    case WEIGHT_HR:
        param.rows = net->proj_size;
        param.cols = net->hidden_size;
        break;
    case BIAS_IH:
    case BIAS_HH:
        param.ndim = 1;
        param.cols = 1;
        break;
    }
    return param;
}

/* Sizes are checked in double first: exact far beyond any size that memory can hold. */
static bool fits(const struct rnn_net *net)
{
    const double hidden = (double)net->hidden_size + 64;
    const double input = (double)net->input_size + net->num_directions * hidden + 64;
    const double layers = (double)net->num_layers * net->num_directions;

    return layers * 8 * hidden * (input + hidden) * 8 < (double)PTRDIFF_MAX / 4;
}

ptrdiff_t rnn_params_size(const struct rnn_net *net)
{
    if (!fits(net))
        return -1;
    return net->num_directions *
           (direction_size(net, 0) + (net->num_layers - 1) * direction_size(net, 1));
}

ptrdiff_t rnn_packed_size(const struct rnn_net *net)
{
    if (!fits(net))
        return -1;
    return direction_offset(net, net->num_layers * net->num_directions);
}

void rnn_reset_parameters(const struct rnn_net *net, struct generator *rng, void *params)
{
    const fpenv_t saved = fpenv_enter();
    const ptrdiff_t count = rnn_params_size(net);

    if (net->hidden_size > 0) {
        const double limit = 1.0 / sqrt((double)net->hidden_size);
        if (net->kernels->dtype == DTYPE_FLOAT32)
            generator_uniform_f32(rng, -limit, limit, params, count);
        else
            generator_uniform_f64(rng, -limit, limit, params, count);
    }
    fpenv_leave(saved);
}

#include "params.h"

#include "../simd/storage.h"
#include "fpenv.h"
#include "layout.h"

#include <math.h>

ptrdiff_t rnn_params_per_direction(const struct rnn_net *net)
{
    if (net->is_linear)
        return 1 + (net->bias ? 1 : 0);
    return 2 + (net->bias ? 2 : 0) + (net->proj_size ? 1 : 0) + (net->variant.peepholes ? 3 : 0);
}

ptrdiff_t rnn_param_count(const struct rnn_net *net)
{
    return net->num_layers * net->num_directions * rnn_params_per_direction(net);
}

/* Elements of one direction's parameters in `layer`. */
static ptrdiff_t direction_size(const struct rnn_net *net, ptrdiff_t layer)
{
    const ptrdiff_t gates = rnn_gate_rows(net);

    if (net->is_linear)
        return gates * (net->input_size + (net->bias ? 1 : 0));
    return gates * (layer_input_size(net, layer) + rnn_hidden_out(net) + (net->bias ? 2 : 0)) +
           net->proj_size * net->hidden_size + (net->variant.peepholes ? 3 * net->hidden_size : 0);
}

/* Sets the shape of a parameter by its kind. Returns whether the network has such a parameter. */
static bool set_shape(const struct rnn_net *net, struct rnn_param *param)
{
    const bool is_bias = param->kind == BIAS_IH || param->kind == BIAS_HH;
    const bool is_peephole = param->kind >= WEIGHT_PI;

    param->ndim = is_bias || is_peephole ? 1 : 2;
    param->rows = param->kind == WEIGHT_HR ? net->proj_size : rnn_gate_rows(net);
    param->cols = 1;
    if (net->is_linear && param->kind != WEIGHT_IH)
        return param->kind == BIAS_IH && net->bias;
    if (net->kernel)
        param->ndim = 3;
    if (is_peephole) {
        param->rows = net->hidden_size;
        return net->variant.peepholes;
    }
    if (param->kind == WEIGHT_IH)
        param->cols = layer_input_size(net, param->layer);
    else if (param->kind == WEIGHT_HH)
        param->cols = rnn_hidden_out(net);
    else if (param->kind == WEIGHT_HR)
        param->cols = net->hidden_size;
    return is_bias ? net->bias : param->kind != WEIGHT_HR || net->proj_size > 0;
}

struct rnn_param rnn_param_at(const struct rnn_net *net, ptrdiff_t index)
{
    const ptrdiff_t group = rnn_params_per_direction(net);
    const ptrdiff_t layer = index / group / net->num_directions;
    struct rnn_param param = {
        .layer = layer,
        .direction = (int)(index / group % net->num_directions),
    };
    ptrdiff_t before = index % group; /* parameters of this direction in front of it */

    param.offset = param.direction * direction_size(net, layer);
    if (layer > 0) /* all layers but the first are of one size */
        param.offset +=
            net->num_directions * (direction_size(net, 0) + (layer - 1) * direction_size(net, 1));
    for (param.kind = WEIGHT_IH; param.kind < PARAM_KINDS; param.kind++) {
        if (!set_shape(net, &param))
            continue;
        if (before-- == 0)
            break;
        param.offset += param.rows * param.cols;
    }
    return param;
}

ptrdiff_t rnn_params_size(const struct rnn_net *net)
{
    if (!layout_fits(net))
        return -1;
    return net->num_directions *
           (direction_size(net, 0) + (net->num_layers - 1) * direction_size(net, 1));
}

/* Like rnn_stored_at(), from where the parameter before it ends. */
static struct rnn_stored stored_behind(const struct rnn_net *net, size_t end, ptrdiff_t index)
{
    const struct rnn_param param = rnn_param_at(net, index);
    const struct storage_format *storage = net->kernels->storage;
    struct rnn_stored at = {.values = end, .compressed = param.ndim == 2};

    at.scales = end + (size_t)(param.rows * param.cols) *
                          (at.compressed ? storage->itemsize : net->kernels->itemsize);
    at.scales = (at.scales + 3) / 4 * 4; /* floats follow */
    at.end = at.scales;
    if (at.compressed && storage_is_integer(storage))
        at.end += (size_t)param.rows * sizeof(float);
    return at;
}

/* Where parameter `index`, one of the first direction of its layer, stands behind the start of that. */
static struct rnn_stored stored_in_direction(const struct rnn_net *net, ptrdiff_t index)
{
    struct rnn_stored at = {0};

    for (ptrdiff_t i = index - index % rnn_params_per_direction(net); i <= index; i++)
        at = stored_behind(net, at.end, i);
    return at;
}

struct rnn_stored rnn_stored_at(const struct rnn_net *net, ptrdiff_t index)
{
    const ptrdiff_t group = rnn_params_per_direction(net), direction = index / group;
    size_t before = 0;

    if (net->kernels->storage->itemsize == 0) {
        const struct rnn_param param = rnn_param_at(net, index);
        const size_t values = (size_t)param.offset * net->kernels->itemsize;
        const size_t end = values + (size_t)(param.rows * param.cols) * net->kernels->itemsize;
        return (struct rnn_stored){values, end, end, false};
    }
    /* All layers but the first are of one size, as are the directions of a layer. */
    if (direction >= net->num_directions)
        before = (size_t)(direction - net->num_directions) *
                     stored_in_direction(net, (net->num_directions + 1) * group - 1).end +
                 (size_t)(net->num_directions - 1) * stored_in_direction(net, group - 1).end;
    if (direction > 0)
        before += stored_in_direction(net, group - 1).end;
    struct rnn_stored at = stored_in_direction(net, index);
    return (struct rnn_stored){before + at.values, before + at.scales, before + at.end,
                               at.compressed};
}

ptrdiff_t rnn_stored_size(const struct rnn_net *net)
{
    if (!layout_fits(net))
        return -1;
    return (ptrdiff_t)rnn_stored_at(net, rnn_param_count(net) - 1).end;
}

/* Draws `count` values from U(-limit, limit) to element `first` of the parameters. Of a limit of 0 the
 * lower bound is +0, as torch has it. */
static void draw(const struct rnn_net *net, struct generator *rng, double limit, void *params,
                 ptrdiff_t first, ptrdiff_t count)
{
    if (net->kernels->dtype == DTYPE_FLOAT32)
        generator_uniform_f32(rng, 0.0 - limit, limit, (float *)params + first, count);
    else
        generator_uniform_f64(rng, 0.0 - limit, limit, (double *)params + first, count);
}

/* torch.nn.init.kaiming_uniform_() with a = sqrt(5), operation by operation, then the bias. */
static void reset_linear(const struct rnn_net *net, struct generator *rng, void *params)
{
    const ptrdiff_t weights = net->hidden_size * net->input_size;
    const double a = sqrt(5.0), gain = sqrt(2.0 / (1.0 + a * a));
    const double root = sqrt((double)net->input_size);

    if (weights > 0)
        draw(net, rng, sqrt(3.0) * (gain / root), params, 0, weights);
    if (net->bias)
        draw(net, rng, net->input_size > 0 ? 1.0 / root : 0.0, params, weights, net->hidden_size);
}

void rnn_reset_parameters(const struct rnn_net *net, struct generator *rng, void *params)
{
    const fpenv_t saved = fpenv_enter();
    const ptrdiff_t count = rnn_params_size(net);

    if (net->is_linear)
        reset_linear(net, rng, params);
    else if (net->hidden_size > 0)
        draw(net, rng, 1.0 / sqrt((double)net->hidden_size), params, 0, count);
    fpenv_leave(saved);
}

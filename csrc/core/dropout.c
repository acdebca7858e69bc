#include "dropout.h"

#include "sequence.h"

/* One factor: 0 or 1/(1-p). torch draws a double whatever the dtype, and draws none for p = 1. */
static double draw(const struct rnn_call *call)
{
    const double keep = 1.0 - call->dropout;

    return keep > 0 && generator_uniform(call->rng) < keep ? 1.0 : 0.0;
}

static void drop_f32(const struct rnn_call *call, float *y, ptrdiff_t count)
{
    const float scale = call->dropout < 1 ? 1.0F / (float)(1.0 - call->dropout) : 0.0F;

    for (ptrdiff_t i = 0; i < count; i++)
        y[i] *= draw(call) > 0 ? scale : 0.0F;
}

static void drop_f64(const struct rnn_call *call, double *y, ptrdiff_t count)
{
    const double scale = call->dropout < 1 ? 1.0 / (1.0 - call->dropout) : 0.0;

    for (ptrdiff_t i = 0; i < count; i++)
        y[i] *= draw(call) > 0 ? scale : 0.0;
}

void dropout_apply(const struct rnn_net *net, const struct rnn_call *call, void *y,
                   ptrdiff_t y_step, ptrdiff_t y_row)
{
    const ptrdiff_t width = net->num_directions * rnn_hidden_out(net);
    const int64_t *order = sequence_order(call);
    struct sequence at = sequence_begin(call, false);

    for (; !sequence_ended(&at); sequence_next(&at))
        for (ptrdiff_t row = 0; row < at.rows; row++) {
            const ptrdiff_t place = order ? (ptrdiff_t)order[row] : row;
            const ptrdiff_t first = sequence_offset(&at, y_step, y_row) + place * y_row;
            if (net->kernels->dtype == DTYPE_FLOAT32)
                drop_f32(call, (float *)y + first, width);
            else
                drop_f64(call, (double *)y + first, width);
        }
}

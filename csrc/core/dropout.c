#include "dropout.h"

#include "sequence.h"

/* True if a number is kept. torch draws a double whatever the dtype, and draws none for p = 1. */
static bool keeps(struct generator *rng, double p)
{
    const double keep = 1.0 - p;

    return keep > 0 && generator_uniform(rng) < keep;
}

void dropout_f32(struct generator *rng, double p, float *y, ptrdiff_t count)
{
    const float scale = p < 1 ? 1.0F / (float)(1.0 - p) : 0.0F;

    for (ptrdiff_t i = 0; i < count; i++)
        y[i] *= keeps(rng, p) ? scale : 0.0F;
}

void dropout_f64(struct generator *rng, double p, double *y, ptrdiff_t count)
{
    const double scale = p < 1 ? 1.0 / (1.0 - p) : 0.0;

    for (ptrdiff_t i = 0; i < count; i++)
        y[i] *= keeps(rng, p) ? scale : 0.0;
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
                dropout_f32(call->rng, call->dropout, (float *)y + first, width);
            else
                dropout_f64(call->rng, call->dropout, (double *)y + first, width);
        }
}

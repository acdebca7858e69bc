/* The way of small calls: at hidden sizes of a few dozen, what rnn_forward does around one
 * step costs as much as the step. */
#include "single_step.h"

#include "../simd/storage.h"
#include "layout.h"

#include <string.h>

bool single_step_suits(const struct rnn_net *net, const struct rnn_call *call)
{
    return call->within == NULL && call->steps == 1 &&
           (net->num_layers | net->num_directions) == 1 && net->kernels->storage->sum_terms == 0 &&
           net->proj_size == 0 && !net->variant.reset_before && call->batch_sizes == NULL &&
           (call->h0 != NULL || call->finite_weights);
}

void single_step(const struct rnn_net *net, const void *packed, const struct rnn_call *call)
{
    const ptrdiff_t itemsize = (ptrdiff_t)net->kernels->itemsize;
    struct direction_layout at;
    const char *weights = packed;
    const size_t row_bytes = (size_t)net->hidden_size * net->kernels->itemsize;
    const char *y = call->y;
    char *h_n = call->h_n;
    struct rnn_step step;

    direction_layout_of_step(net, &at);
    /* One by one, not as an initialiser: clearing the whole costs more than the fields. */
    step.rows = call->batch;
    step.hidden = net->hidden_size;
    step.first = 0;
    step.end = net->hidden_size;
    step.init = weights + at.bias * itemsize;
    step.init_stride = 0;
    step.wx = weights + at.weight_ih * itemsize;
    step.depth_x = net->input_size;
    step.x = call->x;
    step.x_stride = call->x_row;
    step.bias_h = weights + at.bias_h * itemsize;
    step.wh = weights + at.weight_hh * itemsize;
    step.depth_h = net->hidden_size;
    step.h = call->h0;
    step.h_stride = call->h0_row;
    step.c = call->c0;
    step.c_stride = call->c0_row;
    step.c_out = call->c_n;
    step.c_out_stride = net->hidden_size;
    step.h_out = call->y;
    step.h_out_stride = call->y_row;
    step.descending = false;
    if (at.step >= CELL_KINDS)
        layout_set_variant(net, &at, packed, NULL, &step);
    net->kernels->step[at.step](&step);

    if (y == h_n) /* a cell has no other output */
        return;
    for (ptrdiff_t row = 0; row < call->batch; row++)
        memcpy(h_n + (size_t)row * row_bytes, y + row * call->y_row * itemsize, row_bytes);
}

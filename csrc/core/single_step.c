/* The way of small calls: at hidden sizes of a few dozen, what rnn_forward does around one
 * step costs as much as the step. */
#include "single_step.h"

#include "../simd/compiler.h"
#include "../simd/storage.h"
#include "layout.h"

#include <string.h>

/* Rows of integers up to this many bytes stand on the stack. */
enum { MOST_INTEGERS = 16384 };

/* Bytes of a row of integers, of x or of h. */
static ptrdiff_t row_size(const struct rnn_net *net, bool of_x)
{
    const struct storage_format *storage = net->kernels->storage;

    return storage_row_size(storage, of_x ? net->input_size : net->hidden_size,
                            of_x ? storage->planes_x : storage->planes_h);
}

bool single_step_has_room(const struct rnn_net *net, const struct rnn_call *call)
{
    const ptrdiff_t size = row_size(net, true) + row_size(net, false);

    return size == 0 || (size <= MOST_INTEGERS && call->batch <= MOST_INTEGERS / size);
}

/* The step, with `integers` where values are integers; `depth` is that of the packed weight_ih. */
INLINE void run(const struct rnn_net *net, const void *packed, const struct rnn_call *call,
                ptrdiff_t depth, char *integers)
{
    const ptrdiff_t itemsize = (ptrdiff_t)net->kernels->itemsize;
    struct direction_layout at;
    const char *weights = packed;
    const size_t row_bytes = (size_t)net->hidden_size * net->kernels->itemsize;
    const char *y = call->y;
    char *h_n = call->h_n;
    struct rnn_step step;

    direction_layout_of_step(net, depth, &at);
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
    step.descending = call->descending;
    if (integers) {
        step.rows_x = (struct integer_rows){integers, net->kernels->storage->planes_x, false};
        step.rows_h = (struct integer_rows){integers + call->batch * row_size(net, true),
                                            net->kernels->storage->planes_h, rnn_is_bounded(net)};
    }
    if (at.step >= CELL_KINDS)
        layout_set_variant(net, &at, packed, NULL, &step);
    net->kernels->step[at.step](&step);

    if (y == h_n) /* a cell has no other output */
        return;
    for (ptrdiff_t row = 0; row < call->batch; row++)
        memcpy(h_n + (size_t)row * row_bytes, y + row * call->y_row * itemsize, row_bytes);
}

static NOINLINE bool run_compressed(const struct rnn_net *net, const void *packed,
                                    const struct rnn_call *call)
{
    ALIGNED char integers[MOST_INTEGERS];

    if (!single_step_has_room(net, call))
        return false;
    run(net, packed, call, storage_packed_depth(net->kernels->storage, net->input_size), integers);
    return true;
}

bool single_step(const struct rnn_net *net, const void *packed, const struct rnn_call *call)
{
    if (rnn_is_compressed(net))
        return run_compressed(net, packed, call);
    run(net, packed, call, net->input_size, NULL);
    return true;
}

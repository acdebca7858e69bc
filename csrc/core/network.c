/* The scans of a network: layers, directions and rows, alone.
 *
 * Layers write to `y` and one scratch buffer in turn.
 */
#include "../simd/storage.h"
#include "dropout.h"
#include "fpenv.h"
#include "precompute.h"
#include "network.h"
#include "single_step.h"

#include <string.h>

/* Takes "rows" times "columns" elements from the workspace; a size that overflows stays at -1. */
static ptrdiff_t take(const struct rnn_net *net, ptrdiff_t *size, ptrdiff_t rows, ptrdiff_t columns)
{
    const ptrdiff_t begin = *size;
    const double bytes = (double)rows * (double)columns * (double)net->kernels->itemsize;

    if (begin < 0 || bytes > (double)(PTRDIFF_MAX / 4) - (double)begin)
        *size = -1;
    else
        *size = layout_align(begin + rows * columns * (ptrdiff_t)net->kernels->itemsize, 64);
    return begin;
}

ptrdiff_t layer_buffer_size(const struct rnn_net *net, const struct rnn_call *call)
{
    const ptrdiff_t rows = net->num_layers > 1 ? sequence_total_rows(call) : 0;
    ptrdiff_t size = 0;

    take(net, &size, rows, net->num_directions * rnn_hidden_out(net));
    return size;
}

/* The widest rows that weight_ih multiplies. */
static ptrdiff_t widest_input(const struct rnn_net *net)
{
    const ptrdiff_t later = net->num_layers > 1 ? layer_input_size(net, 1) : 0;

    return net->input_size > later ? net->input_size : later;
}

/* Takes what a call needs that has something inside its sequences. */
static void take_within(const struct rnn_net *net, const struct rnn_call *call, ptrdiff_t rows,
                        struct scratch *space)
{
    const bool ordered = sequence_order(call) != NULL;
    const bool resets = call->within && call->within->reset;
    const ptrdiff_t together = precompute_rows(net, call, rows);

    space->gathered = take(net, &space->size, ordered ? (together > rows ? together : rows) : 0,
                           widest_input(net));
    space->states = take(net, &space->size,
                         ordered  ? 2 * rows
                         : resets ? rows
                                  : 0,
                         rnn_hidden_out(net));
    space->c = take(net, &space->size, ordered && rnn_has_c(net) ? rows : 0, net->hidden_size);
    space->gates =
        take(net, &space->size, ordered && rnn_is_traced(call) ? PANEL_VECTORS * rows : 0,
             net->hidden_size);
}

/* Bytes of the integers of a row of inputs, or of a row of h or of h before a projection. */
static ptrdiff_t integer_row_size(const struct rnn_net *net, bool input)
{
    const struct storage_format *storage = net->kernels->storage;

    return storage_row_size(storage, input ? widest_input(net) : net->hidden_size,
                            input ? storage->planes_x : storage->planes_h);
}

/* Takes the rows of integers of a step or of a gemm of inputs. */
static void take_integers(const struct rnn_net *net, const struct rnn_call *call, ptrdiff_t rows,
                          struct scratch *space)
{
    const ptrdiff_t itemsize = (ptrdiff_t)net->kernels->itemsize;
    const ptrdiff_t together = precompute_rows(net, call, rows);

    space->integers = take(net, &space->size, together > rows ? together : rows,
                           integer_row_size(net, true) / itemsize);
    take(net, &space->size, rows, integer_row_size(net, false) / itemsize);
}

/* Points a scan at its rows of integers. */
static void set_integers(const struct rnn_net *net, const struct rnn_call *call, char *memory,
                         ptrdiff_t rows, struct scan *scan)
{
    const struct storage_format *storage = net->kernels->storage;
    const ptrdiff_t together = precompute_rows(net, call, rows);
    const bool bounded = rnn_is_bounded(net);

    scan->rows_x = (struct integer_rows){.memory = memory, .planes = storage->planes_x};
    memory += (together > rows ? together : rows) * integer_row_size(net, true);
    scan->rows_h = (struct integer_rows){memory, storage->planes_h, bounded && !net->proj_size};
    scan->rows_hidden = (struct integer_rows){memory, storage->planes_h, bounded};
}

struct scratch scratch_layout(const struct rnn_net *net, const struct rnn_call *call,
                              ptrdiff_t rows)
{
    const struct direction_layout at = direction_layout(net, 0);
    const ptrdiff_t projected = net->proj_size ? rows : 0;
    const ptrdiff_t hidden = net->proj_size || net->variant.reset_before ? rows : 0;
    const ptrdiff_t zeros = call->h0 || call->finite_weights ? 0 : 1;
    struct scratch space = {.size = 0};

    space.input_gates =
        take(net, &space.size, precompute_rows(net, call, rows), layout_totals(at.padded_units));
    space.zeros = take(net, &space.size, zeros, rnn_hidden_out(net));
    space.hidden = take(net, &space.size, hidden, net->hidden_size);
    space.projected = take(net, &space.size, projected, layout_totals(at.proj_units));
    take_within(net, call, rows, &space);
    if (storage_is_integer(net->kernels->storage))
        take_integers(net, call, rows, &space);
    return space;
}

ptrdiff_t rnn_workspace_size(const struct rnn_net *net, const struct rnn_call *call)
{
    if (call->batch == 0 || (single_step_suits(net, call) && single_step_has_room(net, call)))
        return 0;
    const ptrdiff_t buffer = layer_buffer_size(net, call);
    const ptrdiff_t scratch = scratch_layout(net, call, call->batch).size;
    return buffer < 0 || scratch < 0 || scratch > PTRDIFF_MAX - buffer ? -1 : buffer + scratch;
}

/* Points "scan" at the matrices of direction "direction" of layer "layer". */
static void set_direction(const struct slice *slice, struct scan *scan, ptrdiff_t layer,
                          int direction, const char *y)
{
    const struct rnn_net *net = slice->net;
    const struct rnn_call *call = slice->call;
    const ptrdiff_t index = layer * net->num_directions + direction;
    const ptrdiff_t out = rnn_hidden_out(net), first = scan->order ? 0 : slice->first_row;
    const ptrdiff_t row = index * call->batch + first;

    scan->index = index;
    scan->packed = scan_offset(scan, slice->packed, direction_offset(net, index));
    scan->reverse = direction == 1 || net->reverse;
    scan->y = scan_offset(scan, y, direction * out + first * scan->y_row);
    scan->h0 = call->h0 ? scan_offset(scan, call->h0, index * call->h0_layer + first * call->h0_row)
                        : NULL;
    scan->c0 = call->c0 ? scan_offset(scan, call->c0, index * call->c0_layer + first * call->c0_row)
                        : NULL;
    scan->h_n = scan_offset(scan, call->h_n, row * out);
    scan->c_n = call->c_n ? scan_offset(scan, call->c_n, row * net->hidden_size) : NULL;
    if (scan->order == NULL)
        scan->c = scan->c_n;
}

/* Where layer "layer" writes: the last to y, the one before to the buffer, and so on in turn. */
static struct matrix layer_output(const struct slice *slice, ptrdiff_t layer)
{
    const struct rnn_net *net = slice->net;
    const struct rnn_call *call = slice->call;
    const ptrdiff_t width = net->num_directions * rnn_hidden_out(net);

    if ((net->num_layers - 1 - layer) % 2)
        return (struct matrix){slice->buffer, call->batch * width, width};
    return (struct matrix){call->y, call->y_step, call->y_row};
}

static bool run_layer(const struct slice *slice, struct scan *scan, ptrdiff_t layer)
{
    const struct rnn_net *net = slice->net;
    const struct rnn_call *call = slice->call;
    const struct matrix y = layer_output(slice, layer);
    struct matrix x = {call->x, call->x_step, call->x_row};

    if (layer > 0)
        x = layer_output(slice, layer - 1);
    scan->at = direction_layout(net, layer);
    scan->kernel = scan->traced && scan->at.step < CELL_KINDS
                       ? net->kernels->traced_step[scan->at.step]
                       : net->kernels->step[scan->at.step];
    scan->rows_x.bounded = layer > 0 && scan->rows_h.bounded && call->dropout == 0;
    scan->x = scan_offset(scan, x.data, scan->order ? 0 : slice->first_row * x.row);
    scan->x_step = x.step;
    scan->x_row = x.row;
    scan->y_step = y.step;
    scan->y_row = y.row;
    scan->h_row = scan->order ? rnn_hidden_out(net) : y.row;
    for (int direction = slice->first_direction; direction < slice->end_direction; direction++) {
        set_direction(slice, scan, layer, direction, y.data);
        if (!scan_run(scan))
            return false;
    }
    if (layer < net->num_layers - 1 && call->dropout > 0)
        dropout_apply(net, call, scan_offset(scan, y.data, 0), y.step, y.row);
    return true;
}

bool slice_run(const struct slice *slice, const struct rnn_stop *stop, struct rnn_share *share)
{
    const struct scratch space = scratch_layout(slice->net, slice->call, slice->rows);
    const int64_t *order = sequence_order(slice->call);
    struct scan scan = {
        .net = slice->net,
        .call = slice->call,
        .first_row = slice->first_row,
        .rows = slice->rows,
        .order = order ? order + slice->first_row : NULL,
        .input_gates = slice->scratch + space.input_gates,
        .zeros = slice->scratch + space.zeros,
        .hidden = slice->scratch + space.hidden,
        .projected = slice->scratch + space.projected,
        .traced = rnn_is_traced(slice->call),
        .gathered = slice->scratch + space.gathered,
        .states = slice->scratch + space.states,
        .c = order && rnn_has_c(slice->net) ? slice->scratch + space.c : NULL,
        .gates = slice->scratch + space.gates,
        .share = share,
        .stop = stop,
    };

    if (space.hidden > space.zeros)
        memset(scan.zeros, 0, (size_t)(space.hidden - space.zeros));
    if (storage_is_integer(slice->net->kernels->storage))
        set_integers(slice->net, slice->call, slice->scratch + space.integers, slice->rows, &scan);
    for (ptrdiff_t layer = slice->first_layer; layer < slice->end_layer; layer++)
        if (!run_layer(slice, &scan, layer))
            return false;
    return true;
}

struct slice whole_slice(const struct rnn_net *net, const void *packed, const struct rnn_call *call,
                         void *workspace)
{
    return (struct slice){
        .net = net,
        .packed = packed,
        .call = call,
        .end_layer = net->num_layers,
        .end_direction = net->num_directions,
        .rows = call->batch,
        .buffer = workspace,
        .scratch = (char *)workspace + layer_buffer_size(net, call),
    };
}

bool rnn_forward_single(const struct rnn_net *net, const void *packed, const struct rnn_call *call)
{
    if (!single_step_suits(net, call) || call->batch == 0 || net->hidden_size == 0)
        return false;
    const fpenv_t saved = fpenv_enter();
    const bool done = single_step(net, packed, call);
    fpenv_leave(saved);
    return done;
}

bool rnn_forward(const struct rnn_net *net, const void *packed, const struct rnn_call *call,
                 void *workspace)
{
    if (call->batch == 0 || net->hidden_size == 0 || rnn_forward_single(net, packed, call))
        return true;
    const fpenv_t saved = fpenv_enter();
    const struct slice slice = whole_slice(net, packed, call, workspace);
    const bool finished = slice_run(&slice, call->stop, NULL);
    fpenv_leave(saved);
    return finished;
}

double rnn_row_work(const struct rnn_net *net)
{
    const double out = (double)rnn_hidden_out(net);
    const double hidden = (double)net->hidden_size;

    if (net->is_linear)
        return hidden * (double)net->input_size;
    const double first = (double)net->input_size + out;
    const double later = net->num_directions * out + out;
    const double weights =
        (double)rnn_gate_rows(net) * (first + (double)(net->num_layers - 1) * later) +
        (double)net->num_layers * (double)net->proj_size * hidden;

    return weights * net->num_directions;
}

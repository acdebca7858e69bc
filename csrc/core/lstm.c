/* The pass over a sequence: layers, directions, steps.
 *
 * A step reads h from where the step before wrote its output and updates c in place in c_n, so
 * nothing is copied from step to step. Layers write to `y` and one scratch buffer in turn.
 */
#include "dropout.h"
#include "fpenv.h"
#include "layout.h"
#include "single.h"

#include <string.h>

enum { CHUNK_STEPS = 24, LEAST_CHUNK = 8 }; /* the time is flat from 8 to 48 steps */

/* One direction of one layer: all that stays the same over its steps. */
struct pass {
    const struct lstm_net *net;
    const struct lstm_call *call;
    struct direction_layout at;
    const char *packed; /* this direction's part */
    bool reverse;

    const char *x;
    ptrdiff_t x_step, x_row;
    char *y; /* this direction's columns */
    ptrdiff_t y_step, y_row;
    const char *h0, *c0; /* NULL: zeros */
    char *h_n, *c_n;

    char *chunk;     /* [steps, rows, totals] input parts computed ahead */
    char *zeros;     /* [Hout] */
    char *hidden;    /* [N, H] h before the projection */
    char *projected; /* [N, totals] and after it */
};

/* Where each piece of the workspace begins, in bytes, and its whole size. */
struct workspace {
    ptrdiff_t layer, chunk, zeros, hidden, projected, size;
};

static ptrdiff_t padded_totals(ptrdiff_t padded_units)
{
    return align_up(LSTM_GATES * padded_units, PIECE_ALIGN);
}

static ptrdiff_t rows_at(const struct lstm_call *call, ptrdiff_t step)
{
    return call->batch_sizes ? (ptrdiff_t)call->batch_sizes[step] : call->batch;
}

static ptrdiff_t total_rows(const struct lstm_call *call)
{
    ptrdiff_t total = 0;

    if (!call->batch_sizes)
        return call->steps * call->batch;
    for (ptrdiff_t step = 0; step < call->steps; step++)
        total += rows_at(call, step);
    return total;
}

/* Most rows of input parts that are ever computed ahead. */
static ptrdiff_t chunk_rows(const struct lstm_net *net, const struct lstm_call *call)
{
    const ptrdiff_t most_rows = net->kernels->hoist_rows - 1;
    const ptrdiff_t rows = call->batch < most_rows ? call->batch : most_rows;
    const ptrdiff_t most = LEAST_CHUNK * rows > CHUNK_STEPS ? LEAST_CHUNK * rows : CHUNK_STEPS;

    if (call->steps == 1 || (call->batch > most_rows && !call->batch_sizes))
        return 0;
    return call->steps < most / rows ? call->steps * rows : most;
}

/* Takes `count` elements from the workspace; a size that overflows stays at -1. */
static ptrdiff_t take(const struct lstm_net *net, ptrdiff_t *size, ptrdiff_t rows,
                      ptrdiff_t columns)
{
    const ptrdiff_t begin = *size;
    const double bytes = (double)rows * (double)columns * (double)net->kernels->itemsize;

    if (begin < 0 || bytes > (double)(PTRDIFF_MAX / 4) - (double)begin)
        *size = -1;
    else
        *size = align_up(begin + rows * columns * (ptrdiff_t)net->kernels->itemsize, 64);
    return begin;
}

static struct workspace workspace_layout(const struct lstm_net *net, const struct lstm_call *call)
{
    const struct direction_layout at = direction_layout(net, 0);
    const ptrdiff_t out = lstm_hidden_out(net);
    const ptrdiff_t rows = net->num_layers > 1 ? total_rows(call) : 0;
    const ptrdiff_t projected = net->proj_size ? call->batch : 0;
    struct workspace space = {.size = 0};

    if (call->batch == 0)
        return space;

    space.layer = take(net, &space.size, rows, net->num_directions * out);
    space.chunk = take(net, &space.size, chunk_rows(net, call), padded_totals(at.padded_units));
    space.zeros = take(net, &space.size, call->h0 || call->finite_weights ? 0 : 1, out);
    space.hidden = take(net, &space.size, projected, net->hidden_size);
    space.projected = take(net, &space.size, projected, padded_totals(at.proj_units));
    return space;
}

ptrdiff_t lstm_workspace_size(const struct lstm_net *net, const struct lstm_call *call)
{
    return single_step_suits(net, call) ? 0 : workspace_layout(net, call).size;
}

/* `count` elements on from p. */
static char *offset(const struct pass *pass, const void *p, ptrdiff_t count)
{
    return (char *)(uintptr_t)p + count * (ptrdiff_t)pass->net->kernels->itemsize;
}

/* Rows of h after the cell to rows of y, through weight_hr. */
static void project(const struct pass *pass, char *y, ptrdiff_t rows)
{
    const struct lstm_net *net = pass->net;
    const ptrdiff_t totals = padded_totals(pass->at.proj_units);
    const struct lstm_product product = {
        .rows = rows,
        .units = (net->proj_size + 3) / LSTM_GATES,
        .w = offset(pass, pass->packed, pass->at.weight_hr),
        .depth = net->hidden_size,
        .x = pass->hidden,
        .x_stride = net->hidden_size,
        .out = pass->projected,
        .out_stride = totals,
    };

    net->kernels->product(&product);
    for (ptrdiff_t row = 0; row < rows; row++)
        memcpy(offset(pass, y, row * pass->y_row), offset(pass, pass->projected, row * totals),
               (size_t)net->proj_size * net->kernels->itemsize);
}

/* Rows [first, end) of one step. `init` is the packed bias or that row's input part; h and c
 * are the states before the step, already at row `first`. */
static void run_rows(const struct pass *pass, struct lstm_step *step, const char *x, char *y,
                     ptrdiff_t first, ptrdiff_t end)
{
    const struct lstm_net *net = pass->net;

    step->rows = end - first;
    step->x = x ? offset(pass, x, first * pass->x_row) : NULL;
    y = offset(pass, y, first * pass->y_row);
    step->c_out = offset(pass, pass->c_n, first * net->hidden_size);
    step->h_out = net->proj_size ? pass->hidden : y;
    step->h_out_stride = net->proj_size ? net->hidden_size : pass->y_row;
    net->kernels->step(step);
    if (net->proj_size)
        project(pass, y, step->rows);
}

/* Points h and c of a step at the initial states, from row `first` on. */
static void start_states(const struct pass *pass, struct lstm_step *step, ptrdiff_t first)
{
    const struct lstm_call *call = pass->call;

    step->h_stride = call->h0_row;
    step->h = pass->h0 ? offset(pass, pass->h0, first * call->h0_row) : NULL;
    if (!pass->h0 && !call->finite_weights) {
        step->h = pass->zeros;
        step->h_stride = 0;
    }
    step->c_stride = call->c0_row;
    step->c = pass->c0 ? offset(pass, pass->c0, first * call->c0_row) : NULL;
}

/* One step on `rows` rows, of which the first `known` have states from the step before, whose
 * output is at `before`; the others begin here. */
static void run_step(const struct pass *pass, struct lstm_step *step, const char *x, char *y,
                     const char *before, ptrdiff_t known, ptrdiff_t rows)
{
    const char *init = step->init;

    if (known > 0) {
        step->h = before;
        step->h_stride = pass->y_row;
        step->c = pass->c_n;
        step->c_stride = pass->net->hidden_size;
        run_rows(pass, step, x, y, 0, known);
        step->init = offset(pass, init, known * step->init_stride);
    }
    if (known < rows) {
        start_states(pass, step, known);
        run_rows(pass, step, x, y, known, rows);
    }
    step->init = init;
}

/* Rows [first, end) of the output at y are the last of their sequences: keep them as h_n. */
static void finish_rows(const struct pass *pass, const char *y, ptrdiff_t first, ptrdiff_t end)
{
    const ptrdiff_t out = lstm_hidden_out(pass->net);

    for (ptrdiff_t row = first; row < end; row++)
        memcpy(offset(pass, pass->h_n, row * out), offset(pass, y, row * pass->y_row),
               (size_t)out * pass->net->kernels->itemsize);
}

/* How many steps from `step` on (in the pass's direction) have their input part computed ahead
 * together: 0 where that does not pay, else steps of equal row counts. */
static ptrdiff_t chunk_length(const struct pass *pass, ptrdiff_t done, ptrdiff_t rows)
{
    const struct lstm_call *call = pass->call;
    const ptrdiff_t most = CHUNK_STEPS / rows > LEAST_CHUNK ? CHUNK_STEPS / rows : LEAST_CHUNK;
    ptrdiff_t length = 1;

    if (rows >= pass->net->kernels->hoist_rows || call->steps == 1)
        return 0;
    while (length < most && done + length < call->steps) {
        const ptrdiff_t next = done + length;
        if (rows_at(call, pass->reverse ? call->steps - 1 - next : next) != rows)
            break;
        length++;
    }
    return length;
}

/* The input parts of `length` steps from x on, to [length, rows, totals] in pass->chunk. */
static void fill_chunk(const struct pass *pass, const char *x, ptrdiff_t length, ptrdiff_t rows)
{
    const ptrdiff_t totals = padded_totals(pass->at.padded_units);
    const ptrdiff_t step = pass->call->batch_sizes ? rows * pass->x_row : pass->x_step;
    struct lstm_product product = {
        .rows = length,
        .units = pass->net->hidden_size,
        .init = offset(pass, pass->packed, pass->at.bias),
        .w = offset(pass, pass->packed, pass->at.weight_ih),
        .depth = pass->at.input_size,
        .x_stride = pass->reverse ? -step : step,
        .out_stride = rows * totals,
    };

    for (ptrdiff_t row = 0; row < rows; row++) {
        product.x = offset(pass, x, row * pass->x_row);
        product.out = offset(pass, pass->chunk, row * totals);
        pass->net->kernels->product(&product);
    }
}

static void run_direction(const struct pass *pass)
{
    const struct lstm_call *call = pass->call;
    const ptrdiff_t totals = padded_totals(pass->at.padded_units);
    struct lstm_step step = {
        .hidden = pass->net->hidden_size,
        .depth_x = pass->at.input_size,
        .x_stride = pass->x_row,
        .wh = offset(pass, pass->packed, pass->at.weight_hh),
        .depth_h = lstm_hidden_out(pass->net),
        .c_out_stride = pass->net->hidden_size,
    };
    ptrdiff_t position = pass->reverse && call->batch_sizes ? total_rows(call) : 0;
    ptrdiff_t ahead = 0, chunk = 0; /* steps left in the chunk, and its length */
    ptrdiff_t known = 0;
    const char *before = NULL;

    for (ptrdiff_t done = 0; done < call->steps; done++) {
        const ptrdiff_t t = pass->reverse ? call->steps - 1 - done : done;
        const ptrdiff_t rows = rows_at(call, t);
        const bool packed = call->batch_sizes != NULL;
        if (pass->reverse)
            position -= rows;
        const char *x = offset(pass, pass->x, packed ? position * pass->x_row : t * pass->x_step);
        char *y = offset(pass, pass->y, packed ? position * pass->y_row : t * pass->y_step);

        if (ahead == 0) {
            ahead = chunk = chunk_length(pass, done, rows);
            if (chunk)
                fill_chunk(pass, x, chunk, rows);
        }
        if (chunk) {
            step.wx = NULL;
            step.init = offset(pass, pass->chunk, (chunk - ahead) * rows * totals);
            step.init_stride = totals;
            ahead--;
        } else {
            step.wx = offset(pass, pass->packed, pass->at.weight_ih);
            step.init = offset(pass, pass->packed, pass->at.bias);
            step.init_stride = 0;
        }
        if (known > rows) {
            finish_rows(pass, before, rows, known);
            known = rows;
        }
        step.backwards = done & 1;
        run_step(pass, &step, chunk ? NULL : x, y, before, known, rows);
        known = rows;
        before = y;
        if (!pass->reverse)
            position += rows;
    }
    finish_rows(pass, before, 0, known);
}

/* Layer `layer` from pass->x to pass->y, both directions. */
static void run_layer(struct pass *pass, const void *packed, ptrdiff_t layer, void *y)
{
    const struct lstm_net *net = pass->net;
    const struct lstm_call *call = pass->call;
    const ptrdiff_t out = lstm_hidden_out(net);

    pass->at = direction_layout(net, layer);
    for (int direction = 0; direction < net->num_directions; direction++) {
        const ptrdiff_t index = layer * net->num_directions + direction;
        pass->packed = offset(pass, packed, direction_offset(net, index));
        pass->reverse = direction == 1;
        pass->y = offset(pass, y, direction * out);
        pass->h0 = call->h0 ? offset(pass, call->h0, index * call->h0_layer) : NULL;
        pass->c0 = call->c0 ? offset(pass, call->c0, index * call->c0_layer) : NULL;
        pass->h_n = offset(pass, call->h_n, index * call->batch * out);
        pass->c_n = offset(pass, call->c_n, index * call->batch * net->hidden_size);
        run_direction(pass);
    }
}

static void run_layers(const struct lstm_net *net, const void *packed, const struct lstm_call *call,
                       void *workspace)
{
    const struct workspace space = workspace_layout(net, call);
    const ptrdiff_t width = net->num_directions * lstm_hidden_out(net);
    char *memory = workspace;
    struct pass pass = {
        .net = net,
        .call = call,
        .x = call->x,
        .x_step = call->x_step,
        .x_row = call->x_row,
        .chunk = memory + space.chunk,
        .zeros = memory + space.zeros,
        .hidden = memory + space.hidden,
        .projected = memory + space.projected,
    };

    if (space.hidden > space.zeros)
        memset(pass.zeros, 0, (size_t)(space.hidden - space.zeros));
    for (ptrdiff_t layer = 0; layer < net->num_layers; layer++) {
        const ptrdiff_t after = net->num_layers - 1 - layer; /* y and scratch take turns */
        void *y = after % 2 ? (void *)(memory + space.layer) : call->y;
        pass.y_row = after % 2 ? width : call->y_row;
        pass.y_step = after % 2 ? call->batch * width : call->y_step;
        run_layer(&pass, packed, layer, y);
        if (after && call->dropout > 0)
            dropout_apply(net, call, y, pass.y_step, pass.y_row);
        pass.x = y;
        pass.x_step = pass.y_step;
        pass.x_row = pass.y_row;
    }
}

void lstm_forward(const struct lstm_net *net, const void *packed, const struct lstm_call *call,
                  void *workspace)
{
    if (call->batch == 0 || net->hidden_size == 0)
        return;
    const fpenv_t saved = fpenv_enter();
    if (single_step_suits(net, call))
        single_step(net, packed, call);
    else
        run_layers(net, packed, call, workspace);
    fpenv_leave(saved);
}

double lstm_work(const struct lstm_net *net, const struct lstm_call *call)
{
    const double out = (double)lstm_hidden_out(net);
    const double hidden = (double)net->hidden_size;
    const double first = (double)net->input_size + out;
    const double later = net->num_directions * out + out;
    const double weights = 4 * hidden * (first + (double)(net->num_layers - 1) * later) +
                           (double)net->num_layers * (double)net->proj_size * hidden;

    return weights * net->num_directions * (double)call->steps * (double)call->batch;
}

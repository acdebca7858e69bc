/* One direction of one layer, step by step.
 *
 * A step reads h from where the step before wrote its output and updates c in place in c_n, so
 * nothing is copied from step to step.
 */
#include "scan.h"

#include <string.h>

/* Of the input gates that are computed ahead: so many rows, or else so many steps, and no more
 * than so many bytes. The time is flat from 8 to 48 steps of one row, and 4 to 32 of eight.
 * More rows than kernels->hoist_rows save the cache weight_ih, which pays where that is large. */
enum { CHUNK_ROWS = 24, CHUNK_STEPS = 4, CHUNK_BYTES = 1 << 19 };
enum { MOST_ROWS_AHEAD = 16, LARGE_WEIGHTS = 1 << 18 };

ptrdiff_t scan_totals(ptrdiff_t padded_units)
{
    /* An odd number of cache lines, or pairs of them: rows then lie in different sets of a cache. */
    return layout_align(LSTM_GATES * padded_units, PIECE_ALIGN) | PIECE_ALIGN;
}

/* Rows of a step, of all the batch. */
static ptrdiff_t all_rows(const struct rnn_call *call, ptrdiff_t step)
{
    return call->batch_sizes ? (ptrdiff_t)call->batch_sizes[step] : call->batch;
}

static ptrdiff_t rows_at(const struct scan *scan, ptrdiff_t step)
{
    const ptrdiff_t rows = all_rows(scan->call, step) - scan->first_row;

    return rows < 0 ? 0 : rows < scan->rows ? rows : scan->rows;
}

ptrdiff_t scan_total_rows(const struct rnn_call *call)
{
    ptrdiff_t total = 0;

    if (!call->batch_sizes)
        return call->steps * call->batch;
    for (ptrdiff_t step = 0; step < call->steps; step++)
        total += all_rows(call, step);
    return total;
}

/* Steps of `rows` rows that have their input gates computed ahead together: 0 where that does not
 * pay. */
static ptrdiff_t chunk_steps(const struct rnn_kernels *kernels, ptrdiff_t padded_units,
                             ptrdiff_t input_size, ptrdiff_t rows)
{
    const ptrdiff_t bytes = scan_totals(padded_units) * (ptrdiff_t)kernels->itemsize;

    if (rows == 0 || (rows >= kernels->hoist_rows &&
                      (rows > MOST_ROWS_AHEAD || input_size * bytes < LARGE_WEIGHTS)))
        return 0;
    const ptrdiff_t steps = CHUNK_ROWS / rows > CHUNK_STEPS ? CHUNK_ROWS / rows : CHUNK_STEPS;
    const ptrdiff_t most = CHUNK_BYTES / (rows * bytes);
    return most < 2 ? 0 : steps < most ? steps : most;
}

ptrdiff_t scan_chunk_rows(const struct rnn_net *net, const struct rnn_call *call, ptrdiff_t batch)
{
    const ptrdiff_t padded_units = kernels_padded_units(net->kernels, net->hidden_size);
    ptrdiff_t most = 0;

    if (call->steps == 1)
        return 0;
    /* Of packed sequences, fewer and fewer rows take slice. */
    for (ptrdiff_t rows = call->batch_sizes ? 1 : batch; rows <= batch && rows <= MOST_ROWS_AHEAD;
         rows++)
        for (ptrdiff_t layer = 0; layer < net->num_layers && layer < 2; layer++) {
            const ptrdiff_t steps =
                chunk_steps(net->kernels, padded_units, layer_input_size(net, layer), rows);
            const ptrdiff_t all = rows * (steps < call->steps ? steps : call->steps);
            most = all > most ? all : most;
        }
    return most;
}

/* Rows of h after the cell to rows of y, through weight_hr. */
static void project(const struct scan *scan, char *y, ptrdiff_t rows)
{
    const struct rnn_net *net = scan->net;
    const ptrdiff_t totals = scan_totals(scan->at.proj_units);
    const struct gemm gemm = {
        .rows = rows,
        .groups = 1,
        .units = (net->proj_size + 3) / LSTM_GATES,
        .w = scan_offset(scan, scan->packed, scan->at.weight_hr),
        .depth = net->hidden_size,
        .x = scan->hidden,
        .x_stride = net->hidden_size,
        .out = scan->projected,
        .out_stride = totals,
    };

    net->kernels->gemm(&gemm);
    for (ptrdiff_t row = 0; row < rows; row++)
        memcpy(scan_offset(scan, y, row * scan->y_row),
               scan_offset(scan, scan->projected, row * totals),
               (size_t)net->proj_size * net->kernels->itemsize);
}

/* Rows [first, end) of one step. `init` is the packed bias or that row's input gates; h and c
 * are the states before the step, already at row `first`. */
static void run_rows(const struct scan *scan, struct lstm_step *step, const char *x, char *y,
                     ptrdiff_t first, ptrdiff_t end)
{
    const struct rnn_net *net = scan->net;

    step->rows = end - first;
    step->x = x ? scan_offset(scan, x, first * scan->x_row) : NULL;
    y = scan_offset(scan, y, first * scan->y_row);
    step->c_out = scan_offset(scan, scan->c_n, first * net->hidden_size);
    step->h_out = net->proj_size ? scan->hidden : y;
    step->h_out_stride = net->proj_size ? net->hidden_size : scan->y_row;
    net->kernels->step(step);
    if (net->proj_size)
        project(scan, y, step->rows);
}

/* Points h and c of a step at the initial states, from row `first` on. */
static void start_states(const struct scan *scan, struct lstm_step *step, ptrdiff_t first)
{
    const struct rnn_call *call = scan->call;

    step->h_stride = call->h0_row;
    step->h = scan->h0 ? scan_offset(scan, scan->h0, first * call->h0_row) : NULL;
    if (!scan->h0 && !call->finite_weights) {
        step->h = scan->zeros;
        step->h_stride = 0;
    }
    step->c_stride = call->c0_row;
    step->c = scan->c0 ? scan_offset(scan, scan->c0, first * call->c0_row) : NULL;
}

/* One step on `rows` rows, of which the first `known` have states from the step before, whose
 * output is at `before`; the others begin here. */
static void run_step(const struct scan *scan, struct lstm_step *step, const char *x, char *y,
                     const char *before, ptrdiff_t known, ptrdiff_t rows)
{
    const char *init = step->init;

    if (known > 0) {
        step->h = before;
        step->h_stride = scan->y_row;
        step->c = scan->c_n;
        step->c_stride = scan->net->hidden_size;
        run_rows(scan, step, x, y, 0, known);
        step->init = scan_offset(scan, init, known * step->init_stride);
    }
    if (known < rows) {
        start_states(scan, step, known);
        run_rows(scan, step, x, y, known, rows);
    }
    step->init = init;
}

/* Rows [first, end) of the output at y are the last of their sequences: keep them as h_n. */
static void finish_rows(const struct scan *scan, const char *y, ptrdiff_t first, ptrdiff_t end)
{
    const ptrdiff_t out = rnn_hidden_out(scan->net);

    if (scan->share && !scan->share->leads)
        return;
    for (ptrdiff_t row = first; row < end; row++)
        memcpy(scan_offset(scan, scan->h_n, row * out), scan_offset(scan, y, row * scan->y_row),
               (size_t)out * scan->net->kernels->itemsize);
}

/* A step in the making, and what the next one needs to know of it. */
struct walk {
    struct lstm_step step;
    ptrdiff_t all_rows;     /* of this step, the rows of other scans included */
    ptrdiff_t position;     /* packed: rows in memory before those of this step */
    ptrdiff_t ahead, chunk; /* steps left in the chunk, and its length */
    ptrdiff_t known;        /* rows that have states from the step before, whose output is */
    const char *before;     /* here */
};

/* The step that comes after "done" others. */
static ptrdiff_t step_number(const struct scan *scan, ptrdiff_t done)
{
    return scan->reverse ? scan->call->steps - 1 - done : done;
}

/* How many steps from "done" on, of equal row counts, are one chunk. Where a chunk ends does not
 * depend on where it began: of two threads that share steps, none waits for the other's chunk. */
static ptrdiff_t chunk_length(const struct scan *scan, ptrdiff_t done, ptrdiff_t rows)
{
    const struct rnn_call *call = scan->call;
    const ptrdiff_t all = all_rows(call, step_number(scan, done));
    ptrdiff_t most = 0, length = 1;

    if (call->steps > 1)
        most = chunk_steps(scan->net->kernels, scan->at.padded_units, scan->at.input_size, rows);
    if (scan->share && scan->share->alone) /* a helper that comes soon finds work left */
        most = rows >= scan->net->kernels->hoist_rows ? 0 : most < CHUNK_STEPS ? most : CHUNK_STEPS;
    if (most == 0)
        return 0;
    while ((done + length) % most != 0 && done + length < call->steps &&
           all_rows(call, step_number(scan, done + length)) == all)
        length++;
    return length;
}

/* The input gates of the chunk's steps, of which the first is at x, to [chunk, rows, totals] in
 * scan->chunk: the steps as they lie in memory, and the longer runs of rows at once. */
static void fill_chunk(const struct scan *scan, const struct walk *walk, const char *x,
                       ptrdiff_t rows)
{
    const ptrdiff_t totals = scan_totals(scan->at.padded_units);
    const ptrdiff_t step = scan->call->batch_sizes ? walk->all_rows * scan->x_row : scan->x_step;
    const ptrdiff_t first = LSTM_GATES * walk->step.first;
    struct gemm gemm = {
        .rows = walk->chunk,
        .groups = rows,
        .units = walk->step.end - walk->step.first,
        .init = scan_offset(scan, scan->packed, scan->at.bias + first),
        .w = scan_offset(scan, scan->packed, scan->at.weight_ih + first * scan->at.input_size),
        .depth = scan->at.input_size,
        .x = scan_offset(scan, x, scan->reverse ? (1 - walk->chunk) * step : 0),
        .x_stride = step,
        .x_group = scan->x_row,
        .out = scan_offset(scan, scan->chunk, first),
        .out_stride = rows * totals,
        .out_group = totals,
    };

    if (rows > walk->chunk || step == rows * scan->x_row) {
        gemm.rows = rows;
        gemm.groups = walk->chunk;
        gemm.x_stride = scan->x_row;
        gemm.x_group = step;
        gemm.out_stride = totals;
        gemm.out_group = rows * totals;
    }
    if (step == rows * scan->x_row) { /* all rows of all steps are one matrix */
        gemm.rows *= gemm.groups;
        gemm.groups = 1;
    }
    scan->net->kernels->gemm(&gemm);
}

/* Where the sums of a step begin: at an input gates that was computed ahead, or at the bias. */
static void start_totals(const struct scan *scan, struct walk *walk, ptrdiff_t done, const char *x,
                         ptrdiff_t rows)
{
    const ptrdiff_t totals = scan_totals(scan->at.padded_units);
    struct lstm_step *step = &walk->step;

    if (walk->ahead == 0) {
        walk->ahead = walk->chunk = chunk_length(scan, done, rows);
        if (walk->chunk)
            fill_chunk(scan, walk, x, rows);
    }
    if (walk->chunk) {
        const ptrdiff_t place = scan->reverse ? walk->ahead - 1 : walk->chunk - walk->ahead;
        step->wx = NULL;
        step->init = scan_offset(scan, scan->chunk, place * rows * totals);
        step->init_stride = totals;
        walk->ahead--;
    } else {
        step->wx = scan_offset(scan, scan->packed, scan->at.weight_ih);
        step->init = scan_offset(scan, scan->packed, scan->at.bias);
        step->init_stride = 0;
    }
}

/* True if this thread takes part in the step. Then "step" says which units are its own. */
static bool takes_step(const struct scan *scan, struct lstm_step *step, ptrdiff_t done)
{
    struct rnn_share *share = scan->share;

    return share == NULL ||
           share->take(share, scan->index * scan->call->steps + done, &step->first, &step->end);
}

/* One step on "rows" rows, at x and y. Returns false where the scan was stopped. */
static bool walk_step(const struct scan *scan, struct walk *walk, ptrdiff_t done, const char *x,
                      char *y, ptrdiff_t rows)
{
    if (takes_step(scan, &walk->step, done)) {
        start_totals(scan, walk, done, x, rows);
        if (walk->known > rows) {
            finish_rows(scan, walk->before, rows, walk->known);
            walk->known = rows;
        }
        walk->step.descending = done & 1;
        run_step(scan, &walk->step, walk->chunk ? NULL : x, y, walk->before, walk->known, rows);
        if (scan->share && !scan->share->wait(scan->share, scan->stop))
            return false;
    }
    walk->known = rows;
    walk->before = y;
    return scan->stop == NULL || !scan->stop->asked(scan->stop->data);
}

bool scan_run(const struct scan *scan)
{
    const struct rnn_call *call = scan->call;
    const bool packed = call->batch_sizes != NULL;
    struct walk walk = {
        .step =
            {
                .hidden = scan->net->hidden_size,
                .end = scan->net->hidden_size,
                .depth_x = scan->at.input_size,
                .x_stride = scan->x_row,
                .wh = scan_offset(scan, scan->packed, scan->at.weight_hh),
                .depth_h = rnn_hidden_out(scan->net),
                .c_out_stride = scan->net->hidden_size,
            },
        .position = packed && scan->reverse ? scan_total_rows(call) : 0,
    };

    for (ptrdiff_t done = 0; done < call->steps; done++) {
        const ptrdiff_t t = step_number(scan, done);
        const ptrdiff_t rows = rows_at(scan, t);
        walk.all_rows = all_rows(call, t);
        if (scan->reverse)
            walk.position -= walk.all_rows;
        const ptrdiff_t x = packed ? walk.position * scan->x_row : t * scan->x_step;
        const ptrdiff_t y = packed ? walk.position * scan->y_row : t * scan->y_step;
        if (rows > 0 && !walk_step(scan, &walk, done, scan_offset(scan, scan->x, x),
                                   scan_offset(scan, scan->y, y), rows))
            return false;
        if (!scan->reverse)
            walk.position += walk.all_rows;
    }
    finish_rows(scan, walk.before, 0, walk.known);
    return true;
}

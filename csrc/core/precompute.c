#include "precompute.h"

#include "../simd/storage.h"
#include "gather.h"

/* So many rows are precomputed together, or else so many steps, and no more than so many bytes.
 * The time is flat from 8 to 48 steps of one row, and 4 to 32 of eight. More rows than
 * kernels->precompute_rows leave the caches to weight_hh, which pays where weight_ih is large. */
enum { ROWS_TOGETHER = 24, STEPS_TOGETHER = 4, MOST_BYTES = 1 << 19 };
enum { MOST_ROWS = 16, LARGE_WEIGHTS = 1 << 18 };

/* How many steps of `rows` rows are precomputed together: 0 where that does not pay. */
static ptrdiff_t steps_together(const struct rnn_kernels *kernels, ptrdiff_t padded_units,
                                ptrdiff_t input_size, ptrdiff_t rows)
{
    const ptrdiff_t bytes = layout_totals(padded_units) * (ptrdiff_t)kernels->itemsize;

    if (rows == 0 || (rows >= kernels->precompute_rows &&
                      (rows > MOST_ROWS || input_size * bytes < LARGE_WEIGHTS)))
        return 0;
    const ptrdiff_t steps =
        ROWS_TOGETHER / rows > STEPS_TOGETHER ? ROWS_TOGETHER / rows : STEPS_TOGETHER;
    const ptrdiff_t most = MOST_BYTES / (rows * bytes);
    return most < 2 ? 0 : steps < most ? steps : most;
}

ptrdiff_t precompute_rows(const struct rnn_net *net, const struct rnn_call *call, ptrdiff_t batch)
{
    const ptrdiff_t padded_units = direction_layout(net, 0).padded_units;
    ptrdiff_t most = 0;

    if (call->steps == 1)
        return 0;
    /* Packed sequences and those with lengths have fewer and fewer rows. */
    for (ptrdiff_t rows = sequence_sizes(call) ? 1 : batch; rows <= batch && rows <= MOST_ROWS;
         rows++)
        for (ptrdiff_t layer = 0; layer < net->num_layers && layer < 2; layer++) {
            const ptrdiff_t steps =
                steps_together(net->kernels, padded_units, layer_input_size(net, layer), rows);
            const ptrdiff_t all = rows * (steps < call->steps ? steps : call->steps);
            most = all > most ? all : most;
        }
    return most;
}

/* How many steps, of equal row counts, are precomputed from this one on. Where they end does not
 * depend on where they begin: of two threads that share units, none waits for the other's gemm. */
static ptrdiff_t count_steps(const struct scan *scan, const struct sequence *at, ptrdiff_t rows)
{
    const struct rnn_call *call = scan->call;
    ptrdiff_t most = 0, steps = 1;

    if (call->steps > 1)
        most = steps_together(scan->net->kernels, scan->at.padded_units, scan->at.input_size, rows);
    if (scan->share && scan->share->alone) /* a helper that comes soon finds work left */
        most = rows >= scan->net->kernels->precompute_rows ? 0
               : most < STEPS_TOGETHER                     ? most
                                                           : STEPS_TOGETHER;
    if (most == 0)
        return 0;
    while ((at->done + steps) % most != 0 && at->done + steps < call->steps &&
           sequence_rows(at, at->done + steps) == at->rows)
        steps++;
    return steps;
}

/* Computes the input gates of "steps" steps of "rows" rows, those of a piece, to scan->input_gates
 * [steps, rows, totals]: in the order of time, and the longer runs of rows at once. The step that is
 * taken first has its rows at x->data. */
static void fill(const struct scan *scan, const struct matrix *x, ptrdiff_t rows, ptrdiff_t steps,
                 const struct rnn_step *step, const struct piece *piece)
{
    const ptrdiff_t totals = layout_totals(scan->at.padded_units);
    const ptrdiff_t first = piece->column + layout_columns(scan->net, piece->gates, 0, step->first);
    const ptrdiff_t columns = layout_columns(scan->net, piece->gates, step->first, step->end);
    struct gemm gemm = {
        .rows = steps,
        .groups = rows,
        .units = (columns + PANEL_VECTORS - 1) / PANEL_VECTORS,
        .init = scan_offset(scan, scan->packed, scan->at.bias + first),
        .w = scan_offset(
            scan, scan->packed,
            scan->at.weight_ih +
                first * storage_packed_depth(scan->net->kernels->storage, scan->at.input_size)),
        .depth = scan->at.input_size,
        .x = scan_offset(scan, x->data, scan->reverse ? (1 - steps) * x->step : 0),
        .x_stride = x->step,
        .x_group = x->row,
        .out = scan_offset(scan, scan->input_gates, first),
        .out_stride = rows * totals,
        .out_group = totals,
        .rows_x = step->rows_x,
    };

    if (rows > steps || x->step == rows * x->row) {
        gemm.rows = rows;
        gemm.groups = steps;
        gemm.x_stride = x->row;
        gemm.x_group = x->step;
        gemm.out_stride = totals;
        gemm.out_group = rows * totals;
    }
    if (x->step == rows * x->row) { /* all rows of all steps are one matrix */
        gemm.rows *= gemm.groups;
        gemm.groups = 1;
    }
    scan->net->kernels->gemm(&gemm);
}

void precompute_begin(const struct scan *scan, struct precompute *precompute,
                      const struct sequence *at, const char *x, ptrdiff_t rows,
                      struct rnn_step *step)
{
    const ptrdiff_t totals = layout_totals(scan->at.padded_units);
    const ptrdiff_t steps = count_steps(scan, at, rows);
    struct matrix inputs = {x, sequence_stride(at, scan->x_step, scan->x_row), scan->x_row};

    precompute->left = steps;
    if (steps == 0) {
        step->wx = scan_offset(scan, scan->packed, scan->at.weight_ih);
        step->init = scan_offset(scan, scan->packed, scan->at.bias);
        step->init_stride = 0;
        return;
    }
    if (scan->order)
        inputs = gather_inputs(scan, at, rows, steps);
    for (int index = 0; index < layout_pieces(scan->net); index++) {
        const struct piece piece = layout_piece(scan->net, index);
        fill(scan, &inputs, rows, steps, step, &piece);
    }
    step->wx = NULL;
    step->init_stride = totals;
    precompute->next =
        scan_offset(scan, scan->input_gates, scan->reverse ? (steps - 1) * rows * totals : 0);
    precompute->stride = (scan->reverse ? -rows : rows) * totals;
}

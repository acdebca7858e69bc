#include "scan.h"

#include "gather.h"
#include "precompute.h"
#include "reset.h"
#include "sequence.h"
#include "step.h"
#include "trace.h"

#include <string.h>

/* A scan on its way. */
struct walk {
    struct sequence at;
    struct rnn_step step;
    struct precompute precomputed;
    struct before before;
    ptrdiff_t plain; /* steps that are done when the next one comes that is no plain one */
    struct gate_trace trace;
};

/* Rows of the step that belong to the scan. */
static ptrdiff_t rows_of(const struct scan *scan, const struct sequence *at)
{
    const ptrdiff_t rows = at->rows - scan->first_row;

    return rows < 0 ? 0 : rows < scan->rows ? rows : scan->rows;
}

/* Keeps rows [first, end) of "h", the last of their sequences, as h_n. */
static void finish_rows(const struct scan *scan, const char *h, ptrdiff_t first, ptrdiff_t end)
{
    const ptrdiff_t out = rnn_hidden_out(scan->net);

    if (scan->share && !scan->share->leads)
        return;
    if (scan->order) {
        scatter_states(scan, h, first, end);
        return;
    }
    for (ptrdiff_t row = first; row < end; row++)
        memcpy(scan_offset(scan, scan->h_n, row * out), scan_offset(scan, h, row * scan->h_row),
               (size_t)out * scan->net->kernels->itemsize);
}

/* True if this thread takes part in the step. Then "step" says which units are its own. */
static bool takes_step(const struct scan *scan, struct walk *walk)
{
    struct rnn_share *share = scan->share;

    return share == NULL || share->take(share, scan->index * scan->call->steps + walk->at.done,
                                        &walk->step.first, &walk->step.end);
}

/* Takes a step of a call with something inside its sequences: like scan_step(), but "x" is its first row
 * in any case. Returns where its h is: at "h", or in scratch memory where there is an order. */
static char *take_step_within(const struct scan *scan, struct walk *walk, const char *x, char *h,
                              bool precomputed, ptrdiff_t rows)
{
    struct before before = walk->before;

    if (scan->order) {
        if (!precomputed)
            x = gather_inputs(scan, &walk->at, rows, 1).data;
        h = gather_place(scan, before.h);
        gather_states(scan, before.h, before.known, rows);
        before.known = rows;
    } else {
        reset_states(scan, &walk->at, &walk->step, &before, rows);
        if (!scan->traced)
            walk->plain = reset_next(scan, &walk->at);
    }
    if (scan->traced) {
        trace_begin(scan, &walk->at, &walk->trace);
        walk->step.trace = &walk->trace;
    }
    scan_step(scan, &walk->step, precomputed ? NULL : x, h, &before, rows);
    if (scan->traced)
        trace_end(scan, &walk->at, &walk->step, h, rows);
    if (scan->order)
        scatter_output(scan, &walk->at, h, rows);
    return h;
}

/* One step on "rows" rows. Returns false where the scan was stopped. */
static bool walk_step(const struct scan *scan, struct walk *walk, ptrdiff_t rows)
{
    const char *x =
        scan_offset(scan, scan->x, sequence_offset(&walk->at, scan->x_step, scan->x_row));
    char *h = scan_offset(scan, scan->y, sequence_offset(&walk->at, scan->y_step, scan->y_row));

    if (takes_step(scan, walk)) {
        const bool precomputed =
            precompute_step(scan, &walk->precomputed, &walk->at, x, rows, &walk->step);
        if (walk->before.known > rows) {
            finish_rows(scan, walk->before.h, rows, walk->before.known);
            walk->before.known = rows;
        }
        walk->step.descending = (walk->at.done & 1) != scan->call->descending;
        if (walk->at.done >= walk->plain)
            h = take_step_within(scan, walk, x, h, precomputed, rows);
        else
            scan_step(scan, &walk->step, precomputed ? NULL : x, h, &walk->before, rows);
        if (scan->share && !scan->share->wait(scan->share, scan->stop))
            return false;
    }
    walk->before.known = rows;
    walk->before.h = h;
    return scan->stop == NULL || !scan->stop->asked(scan->stop->data);
}

bool scan_run(const struct scan *scan)
{
    struct walk walk = {
        .at = sequence_begin(scan->call, scan->reverse),
        .step =
            {
                .hidden = scan->net->hidden_size,
                .end = scan->net->hidden_size,
                .depth_x = scan->at.input_size,
                .x_stride = scan->order ? scan->at.input_size : scan->x_row,
                .bias_h = scan_offset(scan, scan->packed, scan->at.bias_h),
                .wh = scan_offset(scan, scan->packed, scan->at.weight_hh),
                .depth_h = rnn_hidden_out(scan->net),
                .c_out_stride = scan->net->hidden_size,
                .rows_x = scan->rows_x,
                .rows_h = scan->rows_h,
            },
        .before = {.h = scan->order ? scan->states : NULL, .row = scan->h_row},
        .plain = scan->call->within ? 0 : scan->call->steps,
    };

    if (scan->at.step >= CELL_KINDS)
        layout_set_variant(scan->net, &scan->at, scan->packed, scan->hidden, &walk.step);
    for (; !sequence_ended(&walk.at); sequence_next(&walk.at)) {
        const ptrdiff_t rows = rows_of(scan, &walk.at);
        if (rows > 0 && !walk_step(scan, &walk, rows))
            return false;
    }
    finish_rows(scan, walk.before.h, 0, walk.before.known);
    return true;
}

#include "scan.h"

#include "precompute.h"
#include "sequence.h"
#include "step.h"

#include <string.h>

/* A scan on its way. */
struct walk {
    struct sequence at;
    struct rnn_step step;
    struct precompute precomputed;
    ptrdiff_t known;    /* rows that have states from the step before, whose output is */
    const char *before; /* here */
};

/* Rows of the step that belong to the scan. */
static ptrdiff_t rows_of(const struct scan *scan, const struct sequence *at)
{
    const ptrdiff_t rows = at->rows - scan->first_row;

    return rows < 0 ? 0 : rows < scan->rows ? rows : scan->rows;
}

/* Keeps rows [first, end) of the output at "y", the last of their sequences, as h_n. */
static void finish_rows(const struct scan *scan, const char *y, ptrdiff_t first, ptrdiff_t end)
{
    const ptrdiff_t out = rnn_hidden_out(scan->net);

    if (scan->share && !scan->share->leads)
        return;
    for (ptrdiff_t row = first; row < end; row++)
        memcpy(scan_offset(scan, scan->h_n, row * out), scan_offset(scan, y, row * scan->y_row),
               (size_t)out * scan->net->kernels->itemsize);
}

/* True if this thread takes part in the step. Then "step" says which units are its own. */
static bool takes_step(const struct scan *scan, struct walk *walk)
{
    struct rnn_share *share = scan->share;

    return share == NULL || share->take(share, scan->index * scan->call->steps + walk->at.done,
                                        &walk->step.first, &walk->step.end);
}

/* One step on "rows" rows. Returns false where the scan was stopped. */
static bool walk_step(const struct scan *scan, struct walk *walk, ptrdiff_t rows)
{
    const char *x =
        scan_offset(scan, scan->x, sequence_offset(&walk->at, scan->x_step, scan->x_row));
    char *y = scan_offset(scan, scan->y, sequence_offset(&walk->at, scan->y_step, scan->y_row));

    if (takes_step(scan, walk)) {
        const bool precomputed =
            precompute_step(scan, &walk->precomputed, &walk->at, x, rows, &walk->step);
        if (walk->known > rows) {
            finish_rows(scan, walk->before, rows, walk->known);
            walk->known = rows;
        }
        walk->step.descending = walk->at.done & 1;
        scan_step(scan, &walk->step, precomputed ? NULL : x, y, walk->before, walk->known, rows);
        if (scan->share && !scan->share->wait(scan->share, scan->stop))
            return false;
    }
    walk->known = rows;
    walk->before = y;
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
                .x_stride = scan->x_row,
                .bias_h = scan_offset(scan, scan->packed, scan->at.bias_h),
                .wh = scan_offset(scan, scan->packed, scan->at.weight_hh),
                .depth_h = rnn_hidden_out(scan->net),
                .c_out_stride = scan->net->hidden_size,
            },
    };

    if (scan->at.step >= CELL_KINDS)
        layout_set_variant(scan->net, &scan->at, scan->packed, scan->hidden, &walk.step);
    for (; !sequence_ended(&walk.at); sequence_next(&walk.at)) {
        const ptrdiff_t rows = rows_of(scan, &walk.at);
        if (rows > 0 && !walk_step(scan, &walk, rows))
            return false;
    }
    finish_rows(scan, walk.before, 0, walk.known);
    return true;
}

/* The scan of one direction of one layer over its sequence. Internal to csrc/core. */
#ifndef PYLSTM_CORE_SCAN_H
#define PYLSTM_CORE_SCAN_H

#include "layout.h"

/* All that stays the same over the steps. The matrices begin at the first of the scan's rows. */
struct scan {
    const struct rnn_net *net;
    const struct rnn_call *call;
    struct direction_layout at;
    const char *packed; /* this direction's part */
    ptrdiff_t index;    /* layer * D + direction */
    bool reverse;
    ptrdiff_t first_row, rows; /* of the call's batch */

    const char *x;
    ptrdiff_t x_step, x_row;
    char *y; /* this direction's columns */
    ptrdiff_t y_step, y_row;
    const char *h0, *c0; /* NULL: zeros */
    char *h_n, *c_n;

    char *chunk;     /* [steps, rows, totals] input gates computed ahead */
    char *zeros;     /* [Hout] */
    char *hidden;    /* [rows, H] h before the projection */
    char *projected; /* [rows, totals] and after it */

    struct rnn_share *share; /* NULL: this thread computes all units */
    const struct rnn_stop *stop;
};

/* Rows of step "step" that belong to a scan over "rows" rows from "first_row" on. */
ptrdiff_t scan_rows(const struct rnn_call *call, ptrdiff_t first_row, ptrdiff_t rows,
                    ptrdiff_t step);
/* Rows of all steps together. */
ptrdiff_t scan_total_rows(const struct rnn_call *call);
/* Most rows of input gates that are ever computed ahead. */
ptrdiff_t scan_chunk_rows(const struct rnn_net *net, const struct rnn_call *call, ptrdiff_t rows);
/* Elements of a row of totals. */
ptrdiff_t scan_totals(ptrdiff_t padded_units);
/* Runs it. Returns false where it was stopped. */
bool scan_run(const struct scan *scan);

/* "count" elements on from p. */
static inline char *scan_offset(const struct scan *scan, const void *p, ptrdiff_t count)
{
    return (char *)(uintptr_t)p + count * (ptrdiff_t)scan->net->kernels->itemsize;
}

#endif

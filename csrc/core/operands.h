/* The operands of a scan: one direction of one layer. Internal to csrc/core. */
#ifndef PYLSTM_CORE_OPERANDS_H
#define PYLSTM_CORE_OPERANDS_H

#include "layout.h"

/* A matrix of steps and rows. */
struct matrix {
    const char *data;
    ptrdiff_t step, row;
};

/* What stays the same over the steps. The matrices begin at the first of the scan's rows; with an
 * order at the first of the call's, and row i of the scan is their row order[i]. */
struct scan {
    const struct rnn_net *net;
    const struct rnn_call *call;
    struct direction_layout at;
    const char *packed; /* this direction's weights */
    ptrdiff_t index;    /* layer * D + direction */
    bool reverse;
    ptrdiff_t first_row, rows; /* of the call's batch */
    const int64_t *order;      /* NULL: rows stand as they are */
    bool traced;
    void (*kernel)(const struct rnn_step *step); /* traced_step, where the call is traced */

    const char *x; /* [T, N, I] */
    ptrdiff_t x_step, x_row;
    char *y; /* [T, N, Hout], this direction's columns */
    ptrdiff_t y_step, y_row;
    const char *h0, *c0; /* [N, Hout] and [N, H]; NULL: zeros */
    char *h_n, *c_n;     /* [N, Hout] and [N, H] */

    char *input_gates; /* [steps, rows, totals] precomputed */
    char *zeros;       /* [Hout] */
    char *hidden;      /* [rows, H] h before the projection; with reset_before r h */
    char *projected;   /* [rows, totals] and after it */

    /* Where a step keeps its states for the next: h in y and c in c_n, or in scratch memory where there
     * is an order. */
    ptrdiff_t h_row;
    char *c;
    char *gathered; /* [steps, rows, I] inputs in the order */
    char *states;   /* [2, rows, Hout] h in the order, of two steps in turn; or [rows, Hout] h after
                       a reset */
    char *gates;    /* [gates, rows, H] traced in the order */

    struct integer_rows rows_x, rows_h, rows_hidden; /* of x, of h and of h before the projection */

    struct rnn_share *share; /* NULL: this thread computes all units */
    const struct rnn_stop *stop;
};

/* "count" elements on from p. */
static inline char *scan_offset(const struct scan *scan, const void *p, ptrdiff_t count)
{
    return (char *)(uintptr_t)p + count * (ptrdiff_t)scan->net->kernels->itemsize;
}

#endif

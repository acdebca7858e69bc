/* Linear layers: y = bias + x W', by the contract's blocked sum; and the projection of an LSTM's h, which
 * is one without a bias.
 */
#ifndef PYLSTM_CORE_LINEAR_H
#define PYLSTM_CORE_LINEAR_H

#include "operands.h"

/* A call of a linear layer: rows that are `x_row` apart, and so many groups of them. */
struct linear_call {
    ptrdiff_t groups, rows;
    const void *x; /* [groups, rows, I] */
    ptrdiff_t x_group, x_row;
    void *y;                     /* [groups, rows, H], contiguous; overlaps nothing else */
    const struct rnn_stop *stop; /* asked after every strip of rows; NULL: never */
};

/* Runs a linear layer, of a net for which rnn_is_linear() holds, in the default floating-point
 * environment, and restores the caller's. Needs no workspace. Returns false where call->stop ended it:
 * y is unfinished then. */
bool linear_forward(const struct rnn_net *net, const void *packed, const struct linear_call *call);

/* Projects "hidden" [rows, H] through weight_hr, to "h" [rows, P] with scan->h_row as stride. Internal
 * to csrc/core. */
void linear_project(const struct scan *scan, const void *hidden, char *h, ptrdiff_t rows);

#endif

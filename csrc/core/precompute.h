/* Precomputed input gates: the x part of the sums of several steps as one gemm, which reads
 * weight_ih once. A total that is stored and loaded again is unchanged, so no bit depends on it.
 * Internal to csrc/core.
 */
#ifndef PYLSTM_CORE_PRECOMPUTE_H
#define PYLSTM_CORE_PRECOMPUTE_H

#include "operands.h"
#include "sequence.h"

/* The steps whose input gates are there. Zero at first. */
struct precompute {
    ptrdiff_t steps; /* computed together; 0: none are precomputed */
    ptrdiff_t left;  /* of them, still to be taken */
};

/* The most rows of input gates that a scan of "rows" rows precomputes. */
ptrdiff_t precompute_rows(const struct rnn_net *net, const struct rnn_call *call, ptrdiff_t rows);
/* Sets where the sums of a step of "rows" rows begin: at its precomputed input gates, which are
 * computed now where none are left, or at the bias. "x" is the step's first row. Returns whether
 * the input gates are precomputed. */
bool precompute_step(const struct scan *scan, struct precompute *precompute,
                     const struct sequence *at, const char *x, ptrdiff_t rows,
                     struct lstm_step *step);

#endif

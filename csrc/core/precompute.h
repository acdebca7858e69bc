/* Precomputed input gates: the x part of the sums of several steps as one gemm, which reads
 * weight_ih once. A total that is stored and loaded again is unchanged, so no bit depends on it.
 * Internal to csrc/core.
 */
#ifndef PYLSTM_CORE_PRECOMPUTE_H
#define PYLSTM_CORE_PRECOMPUTE_H

#include "operands.h"
#include "sequence.h"

/* The steps whose input gates are there and are still to be taken. Zero at first. */
struct precompute {
    ptrdiff_t left;
    const char *next; /* input gates of the next of them */
    ptrdiff_t stride; /* from step to step, in the order in which they are taken */
};

/* The most rows of input gates that a scan of "rows" rows precomputes. */
ptrdiff_t precompute_rows(const struct rnn_net *net, const struct rnn_call *call, ptrdiff_t rows);
/* Precomputes the input gates of a step of "rows" rows and of those that follow, as many as pay, and
 * says so in "step"; or lets its sums begin at the bias. "x" is the step's first row. */
void precompute_begin(const struct scan *scan, struct precompute *precompute,
                      const struct sequence *at, const char *x, ptrdiff_t rows,
                      struct rnn_step *step);

/* Sets where the sums of a step of "rows" rows begin: at its precomputed input gates, which are
 * computed now where none are left, or at the bias. Returns whether they are precomputed. */
static inline bool precompute_step(const struct scan *scan, struct precompute *precompute,
                                   const struct sequence *at, const char *x, ptrdiff_t rows,
                                   struct rnn_step *step)
{
    if (precompute->left == 0) {
        precompute_begin(scan, precompute, at, x, rows, step);
        if (precompute->left == 0)
            return false;
    }
    step->init = precompute->next;
    precompute->next = scan_offset(scan, precompute->next, precompute->stride);
    precompute->left--;
    return true;
}

#endif

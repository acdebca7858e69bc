/* The steps of a call in the order in which a direction takes them, and the rows of each.
 *
 * Calls that are dense, packed or have lengths are one loop: sequence_begin(), sequence_next() until
 * sequence_ended(). Where the rows of a step lie in a matrix is said by sequence_offset() alone. Where
 * a call has an order, row i of the loop is row order[i] of the matrices. Internal to csrc/core.
 */
#ifndef PYLSTM_CORE_SEQUENCE_H
#define PYLSTM_CORE_SEQUENCE_H

#include "rnn.h"

/* One step, and where the loop stands. */
struct sequence {
    const struct rnn_call *call;
    const int64_t *sizes; /* [T] rows of each step; NULL: all have call->batch */
    bool reverse;
    ptrdiff_t done; /* steps that were taken before this one */
    ptrdiff_t t;    /* the step's place in time */
    ptrdiff_t rows; /* of the whole batch, that have this step */
    ptrdiff_t row;  /* packed: rows that lie before those of this step */
};

struct sequence sequence_begin(const struct rnn_call *call, bool reverse);
static inline bool sequence_ended(const struct sequence *at) { return at->done == at->call->steps; }

/* Rows of each step, which only become fewer; NULL: all have call->batch. */
static inline const int64_t *sequence_sizes(const struct rnn_call *call)
{
    return call->within && call->within->lengths ? call->within->sizes : call->batch_sizes;
}

/* NULL: rows stand as they are. */
static inline const int64_t *sequence_order(const struct rnn_call *call)
{
    return call->within && call->within->lengths ? call->within->order : NULL;
}

/* Rows of the whole batch that have step "done" of the order in which steps are taken. */
static inline ptrdiff_t sequence_rows(const struct sequence *at, ptrdiff_t done)
{
    if (at->sizes == NULL)
        return at->call->batch;
    return (ptrdiff_t)at->sizes[at->reverse ? at->call->steps - 1 - done : done];
}

/* Rows of all steps together in a matrix of the call, those beyond a length among them. */
ptrdiff_t sequence_total_rows(const struct rnn_call *call);

static inline void sequence_next(struct sequence *at)
{
    if (!at->reverse)
        at->row += at->rows;
    at->t += at->reverse ? -1 : 1;
    if (++at->done == at->call->steps)
        return;
    at->rows = sequence_rows(at, at->done);
    if (at->reverse)
        at->row -= at->rows;
}

/* Elements from the first row of a matrix with these strides to the first row of the step. */
static inline ptrdiff_t sequence_offset(const struct sequence *at, ptrdiff_t step_stride,
                                        ptrdiff_t row_stride)
{
    return at->call->batch_sizes ? at->row * row_stride : at->t * step_stride;
}

/* Elements from a row of the step to the same row of the next step in time, if that has as many
 * rows. */
static inline ptrdiff_t sequence_stride(const struct sequence *at, ptrdiff_t step_stride,
                                        ptrdiff_t row_stride)
{
    return at->call->batch_sizes ? at->rows * row_stride : step_stride;
}

#endif

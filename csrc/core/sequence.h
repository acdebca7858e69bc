/* The steps of a call in the order in which a direction takes them, and the rows of each.
 *
 * Dense and packed calls are one loop: sequence_begin(), sequence_next() until sequence_ended().
 * Where the rows of a step lie in a matrix is said by sequence_offset() alone, and where their
 * states come from by sequence_runs(). Internal to csrc/core.
 */
#ifndef PYLSTM_CORE_SEQUENCE_H
#define PYLSTM_CORE_SEQUENCE_H

#include "rnn.h"

/* One step, and where the loop stands. */
struct sequence {
    const struct rnn_call *call;
    bool reverse;
    ptrdiff_t done; /* steps that were taken before this one */
    ptrdiff_t t;    /* the step's place in time */
    ptrdiff_t rows; /* of the whole batch, that have this step */
    ptrdiff_t row;  /* packed: rows that lie before those of this step */
};

/* Rows [first, end) of a step whose states come from one place: from the step before, or from h_0
 * and c_0. */
struct row_run {
    ptrdiff_t first, end;
    bool continues;
};
enum { MOST_RUNS = 2 };

struct sequence sequence_begin(const struct rnn_call *call, bool reverse);
static inline bool sequence_ended(const struct sequence *at) { return at->done == at->call->steps; }

/* Rows of the whole batch that have step "done" of the order in which steps are taken. */
static inline ptrdiff_t sequence_rows(const struct rnn_call *call, bool reverse, ptrdiff_t done)
{
    if (call->batch_sizes == NULL)
        return call->batch;
    return (ptrdiff_t)call->batch_sizes[reverse ? call->steps - 1 - done : done];
}

/* Rows of all steps together. */
ptrdiff_t sequence_total_rows(const struct rnn_call *call);

static inline void sequence_next(struct sequence *at)
{
    if (!at->reverse)
        at->row += at->rows;
    at->t += at->reverse ? -1 : 1;
    if (++at->done == at->call->steps)
        return;
    at->rows = sequence_rows(at->call, at->reverse, at->done);
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

/* Fills "runs" with the runs of a step of "rows" rows, of which the first "known" have states from
 * the step before. Returns how many there are. */
static inline int sequence_runs(ptrdiff_t known, ptrdiff_t rows, struct row_run runs[MOST_RUNS])
{
    int count = 0;

    if (known > 0)
        runs[count++] = (struct row_run){0, known, true};
    if (known < rows)
        runs[count++] = (struct row_run){known, rows, false};
    return count;
}

#endif

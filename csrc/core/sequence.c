#include "sequence.h"

ptrdiff_t sequence_total_rows(const struct rnn_call *call)
{
    ptrdiff_t total = 0;

    if (call->batch_sizes == NULL)
        return call->steps * call->batch;
    for (ptrdiff_t step = 0; step < call->steps; step++)
        total += (ptrdiff_t)call->batch_sizes[step];
    return total;
}

struct sequence sequence_begin(const struct rnn_call *call, bool reverse)
{
    struct sequence at = {.call = call, .reverse = reverse};

    at.t = reverse ? call->steps - 1 : 0;
    at.rows = sequence_rows(call, reverse, 0);
    if (reverse && call->batch_sizes)
        at.row = sequence_total_rows(call) - at.rows;
    return at;
}

void sequence_next(struct sequence *at)
{
    if (!at->reverse)
        at->row += at->rows;
    at->done++;
    if (sequence_ended(at))
        return;
    at->t += at->reverse ? -1 : 1;
    at->rows = sequence_rows(at->call, at->reverse, at->done);
    if (at->reverse)
        at->row -= at->rows;
}

int sequence_runs(ptrdiff_t known, ptrdiff_t rows, struct row_run runs[MOST_RUNS])
{
    int count = 0;

    if (known > 0)
        runs[count++] = (struct row_run){0, known, true};
    if (known < rows)
        runs[count++] = (struct row_run){known, rows, false};
    return count;
}

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

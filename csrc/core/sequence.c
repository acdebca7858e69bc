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
    struct sequence at = {.call = call, .sizes = sequence_sizes(call), .reverse = reverse};

    at.t = reverse ? call->steps - 1 : 0;
    at.rows = sequence_rows(&at, 0);
    if (reverse && call->batch_sizes)
        at.row = sequence_total_rows(call) - at.rows;
    return at;
}

bool rnn_order_lengths(const int64_t *lengths, ptrdiff_t count, int64_t *order, int64_t *sizes)
{
    int64_t longest = 0;
    bool ordered = true;

    for (ptrdiff_t row = 0; row < count; row++)
        longest = lengths[row] > longest ? lengths[row] : longest;
    for (int64_t t = 0; t < longest; t++)
        sizes[t] = 0;
    for (ptrdiff_t row = 0; row < count; row++)
        sizes[lengths[row] - 1]++;
    for (int64_t t = longest - 1; t > 0; t--)
        sizes[t - 1] += sizes[t];
    /* Sequences of one length end at place sizes[length - 1], which counts down to where they begin:
     * to sizes[length]. */
    for (ptrdiff_t row = count - 1; row >= 0; row--)
        order[--sizes[lengths[row] - 1]] = row;
    for (int64_t t = longest - 1; t > 0; t--)
        sizes[t] = sizes[t - 1];
    if (longest > 0)
        sizes[0] = count;
    for (ptrdiff_t row = 0; row < count; row++)
        ordered = ordered && order[row] == row;
    return ordered;
}

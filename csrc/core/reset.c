#include "reset.h"

#include <string.h>

/* The flags of the rows at step t; NULL: none is set. In reverse direction a sequence ends before the
 * step that follows in time begins a new one. */
static const unsigned char *step_flags(const struct scan *scan, ptrdiff_t t)
{
    const struct rnn_within *within = scan->call->within;
    const unsigned char *flags = within->reset;
    unsigned any = 0;

    t += scan->reverse;
    if (flags == NULL || t == within->steps)
        return NULL;
    flags += t * within->reset_step + scan->first_row * within->reset_row;
    for (ptrdiff_t row = 0; row < scan->rows; row++)
        any |= flags[row * within->reset_row];
    return any ? flags : NULL;
}

ptrdiff_t reset_next(const struct scan *scan, const struct sequence *at)
{
    const ptrdiff_t steps = scan->call->steps;
    ptrdiff_t done = at->done + 1;

    if (scan->call->within->reset == NULL)
        return steps;
    while (done < steps && step_flags(scan, scan->reverse ? steps - 1 - done : done) == NULL)
        done++;
    return done;
}

/* Sets "to" to a row of states, or to zeros; "from" may be "to". */
static void set_row(const struct scan *scan, char *to, const char *from, ptrdiff_t width)
{
    const size_t bytes = (size_t)width * scan->net->kernels->itemsize;

    if (from == NULL)
        memset(to, 0, bytes);
    else if (from != to)
        memcpy(to, from, bytes);
}

void reset_states(const struct scan *scan, const struct sequence *at, const struct rnn_step *step,
                  struct before *before, ptrdiff_t rows)
{
    const struct rnn_call *call = scan->call;
    const unsigned char *flags = step_flags(scan, at->t);
    const ptrdiff_t out = rnn_hidden_out(scan->net), hidden = scan->net->hidden_size;
    struct matrix h = {.data = before->h, .row = before->row};
    struct matrix c = {.data = scan->c, .row = hidden};

    if (flags == NULL)
        return;
    if (before->known == 0) {
        h = (struct matrix){.data = scan->h0, .row = call->h0_row};
        c = (struct matrix){.data = scan->c0, .row = call->c0_row};
    }
    for (ptrdiff_t row = 0; row < rows; row++) {
        const bool kept = flags[row * call->within->reset_row] == 0;
        set_row(scan, scan_offset(scan, scan->states, row * out),
                kept && h.data ? scan_offset(scan, h.data, row * h.row) : NULL, out);
        if (scan->c)
            set_row(scan, scan_offset(scan, scan->c, row * hidden + step->first),
                    kept && c.data ? scan_offset(scan, c.data, row * c.row + step->first) : NULL,
                    step->end - step->first);
    }
    *before = (struct before){scan->states, out, rows};
}

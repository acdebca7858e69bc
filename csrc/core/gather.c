#include "gather.h"

#include <string.h>

/* Copies rows of "width" elements of one of the call's matrices, those of the rows [first, end), to
 * "to", where they stand one after the other. */
static void gather(const struct scan *scan, const char *from, ptrdiff_t stride, char *to,
                   ptrdiff_t width, ptrdiff_t first, ptrdiff_t end)
{
    const size_t bytes = (size_t)width * scan->net->kernels->itemsize;

    for (ptrdiff_t row = first; row < end; row++, to += bytes)
        memcpy(to, scan_offset(scan, from, (ptrdiff_t)scan->order[row] * stride), bytes);
}

void scatter_rows(const struct scan *scan, const char *from, char *to, ptrdiff_t stride,
                  ptrdiff_t width, ptrdiff_t first, ptrdiff_t end)
{
    const size_t bytes = (size_t)width * scan->net->kernels->itemsize;

    for (ptrdiff_t row = first; row < end; row++, from += bytes)
        memcpy(scan_offset(scan, to, (ptrdiff_t)scan->order[row] * stride), from, bytes);
}

struct matrix gather_inputs(const struct scan *scan, const struct sequence *at, ptrdiff_t rows,
                            ptrdiff_t steps)
{
    const ptrdiff_t width = scan->at.input_size;
    const ptrdiff_t t = scan->reverse ? at->t - (steps - 1) : at->t;

    for (ptrdiff_t step = 0; step < steps; step++)
        gather(scan, scan_offset(scan, scan->x, (t + step) * scan->x_step), scan->x_row,
               scan_offset(scan, scan->gathered, step * rows * width), width, 0, rows);
    return (struct matrix){scan_offset(scan, scan->gathered, (at->t - t) * rows * width),
                           rows * width, width};
}

char *gather_place(const struct scan *scan, const char *before)
{
    if (before != scan->states)
        return scan->states;
    return scan_offset(scan, scan->states, scan->rows * rnn_hidden_out(scan->net));
}

/* Sets "to", rows of "width" elements, to the initial states of the rows [first, end). */
static void begin(const struct scan *scan, const char *from, ptrdiff_t stride, char *to,
                  ptrdiff_t width, ptrdiff_t first, ptrdiff_t end)
{
    to = scan_offset(scan, to, first * width);
    if (from)
        gather(scan, from, stride, to, width, first, end);
    else
        memset(to, 0, (size_t)((end - first) * width) * scan->net->kernels->itemsize);
}

void gather_states(const struct scan *scan, char *h, ptrdiff_t first, ptrdiff_t end)
{
    const struct rnn_call *call = scan->call;

    if (first == end)
        return;
    begin(scan, scan->h0, call->h0_row, h, rnn_hidden_out(scan->net), first, end);
    if (scan->c)
        begin(scan, scan->c0, call->c0_row, scan->c, scan->net->hidden_size, first, end);
}

void scatter_output(const struct scan *scan, const struct sequence *at, const char *h,
                    ptrdiff_t rows)
{
    scatter_rows(scan, h, scan_offset(scan, scan->y, at->t * scan->y_step), scan->y_row,
                 rnn_hidden_out(scan->net), 0, rows);
}

void scatter_states(const struct scan *scan, const char *h, ptrdiff_t first, ptrdiff_t end)
{
    const ptrdiff_t out = rnn_hidden_out(scan->net), hidden = scan->net->hidden_size;

    scatter_rows(scan, scan_offset(scan, h, first * out), scan->h_n, out, out, first, end);
    if (scan->c)
        scatter_rows(scan, scan_offset(scan, scan->c, first * hidden), scan->c_n, hidden, hidden,
                     first, end);
}

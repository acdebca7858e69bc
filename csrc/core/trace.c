#include "trace.h"

#include "gather.h"

#include <string.h>

bool rnn_is_traced(const struct rnn_call *call)
{
    const struct rnn_trace *trace = call->within ? &call->within->trace : NULL;
    bool any = trace && (trace->c || trace->h);

    for (int gate = 0; trace && gate < PANEL_VECTORS; gate++)
        any = any || trace->gates[gate];
    return any;
}

/* Where a step's rows stand in one of the matrices of the trace: from the first row of the scan, or of
 * the call where there is an order. */
static char *step_rows(const struct scan *scan, const struct sequence *at, void *matrix)
{
    const struct rnn_call *call = scan->call;
    const ptrdiff_t step = scan->index * call->within->steps + at->t;

    return scan_offset(scan, matrix,
                       (step * call->batch + (scan->order ? 0 : scan->first_row)) *
                           scan->net->hidden_size);
}

void trace_begin(const struct scan *scan, const struct sequence *at, struct gate_trace *trace)
{
    const struct rnn_trace *matrices = &scan->call->within->trace;
    const ptrdiff_t hidden = scan->net->hidden_size;
    const bool all = scan->at.step == CELL_LSTM && !scan->order;

    trace->c = all && matrices->c ? step_rows(scan, at, matrices->c) : NULL;
    trace->h = all && matrices->h ? step_rows(scan, at, matrices->h) : NULL;
    for (ptrdiff_t gate = 0; gate < PANEL_VECTORS; gate++) {
        void *matrix = matrices->gates[gate];
        trace->gates[gate] = NULL;
        if (matrix)
            trace->gates[gate] = scan->order
                                     ? scan_offset(scan, scan->gates, gate * scan->rows * hidden)
                                     : step_rows(scan, at, matrix);
    }
    trace->stride = hidden;
}

void trace_skip(const struct scan *scan, struct gate_trace *trace, ptrdiff_t rows)
{
    void **const all[] = {&trace->gates[0], &trace->gates[1], &trace->gates[2],
                          &trace->gates[3], &trace->c,        &trace->h};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (*all[i])
            *all[i] = scan_offset(scan, *all[i], rows * trace->stride);
}

/* Copies the units of a step, of rows "stride" apart, to one of the matrices of the trace. */
static void copy_units(const struct scan *scan, const struct sequence *at,
                       const struct rnn_step *step, const char *from, ptrdiff_t stride,
                       void *matrix, ptrdiff_t rows)
{
    const ptrdiff_t hidden = scan->net->hidden_size, units = step->end - step->first;
    char *to = step_rows(scan, at, matrix);

    if (scan->order) {
        scatter_rows(scan, from, to, hidden, hidden, 0, rows);
        return;
    }
    for (ptrdiff_t row = 0; row < rows; row++)
        memcpy(scan_offset(scan, to, row * hidden + step->first),
               scan_offset(scan, from, row * stride + step->first),
               (size_t)units * scan->net->kernels->itemsize);
}

void trace_end(const struct scan *scan, const struct sequence *at, const struct rnn_step *step,
               const char *h, ptrdiff_t rows)
{
    const struct rnn_trace *trace = &scan->call->within->trace;
    const ptrdiff_t hidden = scan->net->hidden_size;

    for (ptrdiff_t gate = 0; scan->order && gate < PANEL_VECTORS; gate++)
        if (trace->gates[gate])
            copy_units(scan, at, step, scan_offset(scan, scan->gates, gate * scan->rows * hidden),
                       hidden, trace->gates[gate], rows);
    if (trace->c && !step->trace->c)
        copy_units(scan, at, step, scan->c, hidden, trace->c, rows);
    if (!trace->h || step->trace->h)
        return;
    if (scan->net->proj_size)
        copy_units(scan, at, step, scan->hidden, hidden, trace->h, rows);
    else
        copy_units(scan, at, step, h, scan->h_row, trace->h, rows);
}

/* Writes zeros to the rows beyond the end of each sequence in a matrix [T, N, width] of the call: to
 * those that lie side by side at once. */
static void clear_rows(const struct rnn_net *net, const struct rnn_call *call, char *to,
                       ptrdiff_t step, ptrdiff_t row, ptrdiff_t width)
{
    const struct rnn_within *within = call->within;
    const size_t itemsize = net->kernels->itemsize, bytes = (size_t)width * itemsize;

    step *= (ptrdiff_t)itemsize;
    row *= (ptrdiff_t)itemsize;
    if (within->order == NULL && row == (ptrdiff_t)bytes) { /* the last of a step */
        for (ptrdiff_t t = (ptrdiff_t)within->lengths[call->batch - 1]; t < within->steps; t++) {
            const ptrdiff_t rows = t < call->steps ? (ptrdiff_t)within->sizes[t] : 0;
            memset(to + t * step + rows * row, 0, (size_t)(call->batch - rows) * bytes);
        }
        return;
    }
    for (ptrdiff_t i = 0; i < call->batch; i++) {
        const ptrdiff_t length = (ptrdiff_t)within->lengths[i], left = within->steps - length;
        char *from = to + i * row;
        if (step == (ptrdiff_t)bytes) /* the steps of a row */
            memset(from + length * step, 0, (size_t)left * bytes);
        else
            for (ptrdiff_t t = length; t < within->steps; t++)
                memset(from + t * step, 0, bytes);
    }
}

void rnn_clear_padding(const struct rnn_net *net, const struct rnn_call *call)
{
    const struct rnn_within *within = call->within;
    const ptrdiff_t itemsize = (ptrdiff_t)net->kernels->itemsize;
    const ptrdiff_t width = net->num_directions * rnn_hidden_out(net);
    const ptrdiff_t scans = net->num_layers * net->num_directions;
    const ptrdiff_t each = within->steps * call->batch * net->hidden_size * itemsize;
    char *const traces[] = {within->trace.gates[0], within->trace.gates[1], within->trace.gates[2],
                            within->trace.gates[3], within->trace.c,        within->trace.h};

    clear_rows(net, call, call->y, call->y_step, call->y_row, width);
    for (size_t i = 0; i < sizeof traces / sizeof *traces; i++)
        for (ptrdiff_t scan = 0; traces[i] && scan < scans; scan++)
            clear_rows(net, call, traces[i] + scan * each, call->batch * net->hidden_size,
                       net->hidden_size, net->hidden_size);
}

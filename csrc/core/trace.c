#include "trace.h"

#include <string.h>

bool rnn_is_traced(const struct rnn_call *call)
{
    const struct rnn_trace *trace = call->within ? &call->within->trace : NULL;
    bool any = trace && (trace->c || trace->h);

    for (int gate = 0; trace && gate < PANEL_VECTORS; gate++)
        any = any || trace->gates[gate];
    return any;
}

/* Writes zeros to "count" rows of "width" elements. */
static void clear_rows(const struct rnn_net *net, char *to, ptrdiff_t stride, ptrdiff_t width,
                       ptrdiff_t count)
{
    const ptrdiff_t itemsize = (ptrdiff_t)net->kernels->itemsize;

    for (ptrdiff_t i = 0; i < count; i++)
        memset(to + i * stride * itemsize, 0, (size_t)(width * itemsize));
}

/* The same beyond the end of each sequence, in one direction of one layer of a trace. */
static void clear_trace(const struct rnn_net *net, const struct rnn_call *call, char *to)
{
    const ptrdiff_t itemsize = (ptrdiff_t)net->kernels->itemsize, hidden = net->hidden_size;

    for (ptrdiff_t row = 0; row < call->batch; row++) {
        const ptrdiff_t length = (ptrdiff_t)call->within->lengths[row];
        clear_rows(net, to + (length * call->batch + row) * hidden * itemsize, call->batch * hidden,
                   hidden, call->within->steps - length);
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

    for (ptrdiff_t row = 0; row < call->batch; row++) {
        const ptrdiff_t length = (ptrdiff_t)within->lengths[row];
        clear_rows(net, (char *)call->y + (length * call->y_step + row * call->y_row) * itemsize,
                   call->y_step, width, within->steps - length);
    }
    for (size_t i = 0; i < sizeof traces / sizeof *traces; i++)
        for (ptrdiff_t scan = 0; traces[i] && scan < scans; scan++)
            clear_trace(net, call, traces[i] + scan * each);
}

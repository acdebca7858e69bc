#include "step.h"

#include "linear.h"
#include "sequence.h"
#include "trace.h"

/* Points h and c of a step at the initial states, from row "first" on. */
static void begin_states(const struct scan *scan, struct rnn_step *step, ptrdiff_t first)
{
    const struct rnn_call *call = scan->call;

    step->h_stride = call->h0_row;
    step->h = scan->h0 ? scan_offset(scan, scan->h0, first * call->h0_row) : NULL;
    if (!scan->h0 && !call->finite_weights) {
        step->h = scan->zeros;
        step->h_stride = 0;
    }
    step->c_stride = call->c0_row; /* of an LSTM */
    step->c = scan->c0 ? scan_offset(scan, scan->c0, first * call->c0_row) : NULL;
}

/* Rows [first, end), whose states "step" points at; "init" is where the sums of the step's first row
 * begin. */
static inline void run_rows(const struct scan *scan, struct rnn_step *step, const char *x, char *h,
                            const char *init, ptrdiff_t first, ptrdiff_t end)
{
    const struct rnn_net *net = scan->net;

    step->rows = end - first;
    step->init = scan_offset(scan, init, first * step->init_stride);
    step->x = x ? scan_offset(scan, x, first * step->x_stride) : NULL;
    h = scan_offset(scan, h, first * scan->h_row);
    step->c_out = scan->c ? scan_offset(scan, scan->c, first * net->hidden_size) : NULL;
    step->h_out = h;
    step->h_out_stride = scan->h_row;
    if (net->proj_size) {
        step->h_out = scan_offset(scan, scan->hidden, first * net->hidden_size);
        step->h_out_stride = net->hidden_size;
    }
    scan->kernel(step);
    if (net->proj_size)
        linear_project(scan, step->h_out, h, step->rows);
}

void scan_step(const struct scan *scan, struct rnn_step *step, const char *x, char *h,
               const struct before *before, ptrdiff_t rows)
{
    const char *init = step->init;
    const ptrdiff_t known = before->known;

    if (known > 0) {
        step->h = before->h;
        step->h_stride = before->row;
        step->c = scan->c;
        step->c_stride = scan->net->hidden_size;
        run_rows(scan, step, x, h, init, 0, known);
    }
    if (known < rows) {
        begin_states(scan, step, known);
        if (known > 0 && step->trace)
            trace_skip(scan, step->trace, known);
        run_rows(scan, step, x, h, init, known, rows);
    }
}

#include "step.h"

#include "linear.h"
#include "sequence.h"

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

/* Points h and c of a step at the states after the step before, from row "first" on. */
static void continue_states(const struct scan *scan, struct rnn_step *step, const char *before,
                            ptrdiff_t first)
{
    const ptrdiff_t hidden = scan->net->hidden_size;

    step->h = scan_offset(scan, before, first * scan->y_row);
    step->h_stride = scan->y_row;
    step->c = scan->c_n ? scan_offset(scan, scan->c_n, first * hidden) : NULL;
    step->c_stride = hidden;
}

/* One run of rows; "init" is where the sums of the step's first row begin. */
static inline void run_rows(const struct scan *scan, struct rnn_step *step, const char *x, char *y,
                            const char *before, const char *init, struct row_run run)
{
    const struct rnn_net *net = scan->net;

    if (run.continues)
        continue_states(scan, step, before, run.first);
    else
        begin_states(scan, step, run.first);
    step->rows = run.end - run.first;
    step->init = scan_offset(scan, init, run.first * step->init_stride);
    step->x = x ? scan_offset(scan, x, run.first * scan->x_row) : NULL;
    y = scan_offset(scan, y, run.first * scan->y_row);
    step->c_out = scan->c_n ? scan_offset(scan, scan->c_n, run.first * net->hidden_size) : NULL;
    step->h_out = net->proj_size ? scan->hidden : y;
    step->h_out_stride = net->proj_size ? net->hidden_size : scan->y_row;
    net->kernels->step[scan->at.step](step);
    if (net->proj_size)
        linear_project(scan, y, step->rows);
}

void scan_step(const struct scan *scan, struct rnn_step *step, const char *x, char *y,
               const char *before, ptrdiff_t known, ptrdiff_t rows)
{
    const char *init = step->init;

    /* The two runs of sequence_runs(), so that the compiler sees which is which. */
    if (known > 0)
        run_rows(scan, step, x, y, before, init, (struct row_run){0, known, true});
    if (known < rows)
        run_rows(scan, step, x, y, before, init, (struct row_run){known, rows, false});
}

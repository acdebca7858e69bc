/* The trace of a call: gates and states of every step. Internal to csrc/core. */
#ifndef PYLSTM_CORE_TRACE_H
#define PYLSTM_CORE_TRACE_H

#include "operands.h"
#include "sequence.h"

/* Points "trace" at where the gates of a step go. */
void trace_begin(const struct scan *scan, const struct sequence *at, struct gate_trace *trace);
/* Lets the gates go "rows" rows further. */
void trace_skip(const struct scan *scan, struct gate_trace *trace, ptrdiff_t rows);
/* Copies c and h of the units [step->first, step->end) of "rows" rows of a step, whose h is at "h",
 * and the gates where they are not at their place yet. */
void trace_end(const struct scan *scan, const struct sequence *at, const struct rnn_step *step,
               const char *h, ptrdiff_t rows);

#endif

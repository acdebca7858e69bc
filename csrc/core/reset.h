/* Resets: rows that go on from zeros at a step. Internal to csrc/core. */
#ifndef PYLSTM_CORE_RESET_H
#define PYLSTM_CORE_RESET_H

#include "sequence.h"
#include "step.h"

/* Where one of "rows" rows goes on from zeros at this step, sets the states of all of them: a copy of
 * h, to which "before" points then, and c of the units [step->first, step->end). All of the rows or
 * none have states from the step before. */
void reset_states(const struct scan *scan, const struct sequence *at, const struct rnn_step *step,
                  struct before *before, ptrdiff_t rows);

/* How many steps are done when the next one comes that reset_states() would change, or all of them. */
ptrdiff_t reset_next(const struct scan *scan, const struct sequence *at);

#endif

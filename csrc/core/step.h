/* One step of a scan: its row runs, one after the other. Internal to csrc/core. */
#ifndef PYLSTM_CORE_STEP_H
#define PYLSTM_CORE_STEP_H

#include "operands.h"

/* Runs a step of "rows" rows, of which the first "known" have states from the step before, whose
 * output is at "before"; the others begin from h_0 and c_0. "x" and "y" are the step's first rows;
 * "x" is NULL where "step" begins at precomputed input gates. Fields of "step" that depend on the
 * rows are overwritten. */
void scan_step(const struct scan *scan, struct rnn_step *step, const char *x, char *y,
               const char *before, ptrdiff_t known, ptrdiff_t rows);

#endif

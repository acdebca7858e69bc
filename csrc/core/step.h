/* One step of a scan: its runs of rows, one after the other. Internal to csrc/core. */
#ifndef PYLSTM_CORE_STEP_H
#define PYLSTM_CORE_STEP_H

#include "operands.h"

/* h after the step before. */
struct before {
    char *h;
    ptrdiff_t row;
    ptrdiff_t known; /* rows that have it; the others begin */
};

/* Runs a step of "rows" rows, of which the first before->known have states from the step before; the
 * others begin from h_0 and c_0. "x" is the step's first row, or NULL where "step" begins at precomputed input
 * gates; h goes to "h", rows scan->h_row apart. Fields of "step" that depend on the rows are
 * overwritten. */
void scan_step(const struct scan *scan, struct rnn_step *step, const char *x, char *h,
               const struct before *before, ptrdiff_t rows);

#endif

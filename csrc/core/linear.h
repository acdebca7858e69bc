/* The projection of an LSTM's h: a linear layer without a bias. Internal to csrc/core. */
#ifndef PYLSTM_CORE_LINEAR_H
#define PYLSTM_CORE_LINEAR_H

#include "operands.h"

/* Projects "rows" rows of scan->hidden through weight_hr, to "y" [rows, P] with scan->y_row as
 * stride. */
void linear_project(const struct scan *scan, char *y, ptrdiff_t rows);

#endif

/* The projection of an LSTM's h: a linear layer without a bias. Internal to csrc/core. */
#ifndef PYLSTM_CORE_LINEAR_H
#define PYLSTM_CORE_LINEAR_H

#include "operands.h"

/* Projects "hidden" [rows, H] through weight_hr, to "h" [rows, P] with scan->h_row as stride. */
void linear_project(const struct scan *scan, const void *hidden, char *h, ptrdiff_t rows);

#endif

/* Rows that stand in the order of a call with unsorted lengths: gathered from the call's matrices, and
 * scattered to them. Internal to csrc/core.
 */
#ifndef PYLSTM_CORE_GATHER_H
#define PYLSTM_CORE_GATHER_H

#include "operands.h"
#include "sequence.h"

/* Copies the inputs of "steps" steps of "rows" rows, from a step on, to scan->gathered [steps, rows, I]
 * in the order of time. Returns that matrix from the step on, which is taken first. */
struct matrix gather_inputs(const struct scan *scan, const struct sequence *at, ptrdiff_t rows,
                            ptrdiff_t steps);
/* Where the scan keeps h [rows, Hout] of a step, if that of the step before is at "before". */
char *gather_place(const struct scan *scan, const char *before);
/* Sets h [rows, Hout] and c of the rows [first, end) to their initial states. */
void gather_states(const struct scan *scan, char *h, ptrdiff_t first, ptrdiff_t end);
/* Copies rows of "width" elements that stand one after the other, from "from" on, to the rows
 * [first, end) of one of the call's matrices. */
void scatter_rows(const struct scan *scan, const char *from, char *to, ptrdiff_t stride,
                  ptrdiff_t width, ptrdiff_t first, ptrdiff_t end);
/* Copies "rows" rows of h of a step to y. */
void scatter_output(const struct scan *scan, const struct sequence *at, const char *h,
                    ptrdiff_t rows);
/* Copies h and c of the rows [first, end), whose sequences end, to h_n and c_n. */
void scatter_states(const struct scan *scan, const char *h, ptrdiff_t first, ptrdiff_t end);

#endif

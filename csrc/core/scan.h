/* The scan of one direction of one layer over its sequence, step by step.
 *
 * A step reads h where the step before wrote its output, and updates c in place in c_n: nothing is
 * copied from step to step, but where a sequence has a place of its own in the order of lengths, or
 * begins anew. Internal to csrc/core.
 */
#ifndef PYLSTM_CORE_SCAN_H
#define PYLSTM_CORE_SCAN_H

#include "operands.h"

/* Runs the scan. Returns false where it was stopped or given up. */
bool scan_run(const struct scan *scan);

#endif

/* What torch checks before it computes, in torch's order, so that of several faults the same one is
 * reported. */
#ifndef PYLSTM_PYTHON_CHECKS_H
#define PYLSTM_PYTHON_CHECKS_H

#include "request.h"

/* Reads the sizes off the arrays, which are as they were opened. Raises what torch raises where
 * they do not go together. No Python code runs, but for a packed sequence, whose arrays are
 * private. */
int request_check(struct request *request);

#endif

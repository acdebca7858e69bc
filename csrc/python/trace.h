/* The arrays of a trace: gates and states of every step of every layer. */
#ifndef PYLSTM_PYTHON_TRACE_H
#define PYLSTM_PYTHON_TRACE_H

#include "request.h"

/* Makes fresh arrays for the names that the extras hold, points call->within at them, and puts a tuple
 * of them behind the results. ValueError for names that this kind of cell has not. */
int trace_set_results(struct request *request);

#endif

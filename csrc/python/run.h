/* From a request that has passed all checks to its results. */
#ifndef PYLSTM_PYTHON_RUN_H
#define PYLSTM_PYTHON_RUN_H

#include "request.h"

/* Returns (output, hx_n), of a cell hx_n, which is (h_n, c_n) or, where there is no c, h_n: new, C-contiguous arrays that share no memory
 * with the arguments. The amount of work decides about the GIL and about other threads, neither of
 * which changes a bit. */
PyObject *run_request(struct request *request);
/* Runs the core on a request whose snapshot, net and call are filled, as run_request() does. */
int run_filled(struct request *request);

#endif

/* Errors on the arguments of a call: torch's text first, since code matches on it, then what
 * teaches, namely axis names, what was expected and received, and one hint. The functions
 * error_...() return -1 with the exception that torch raises, and read the request alone.
 */
#ifndef PYLSTM_PYTHON_CALL_ERRORS_H
#define PYLSTM_PYTHON_CALL_ERRORS_H

#include "errors.h"
#include "request.h"

/* ---- Input ---- */

COLD int error_input_rank(const struct request *request);
COLD int error_input_size(const struct request *request);
COLD int error_no_steps(const struct request *request);

/* The weights are those of a linear layer. */
COLD int error_not_recurrent(void);

/* ---- Cells ---- */

/* The weights are those of more than one layer or direction. */
COLD int error_not_of_a_cell(const struct request *request);
/* The nonlinearity of an RNNCell is none. */
COLD int error_nonlinearity(const struct request *request);

#endif

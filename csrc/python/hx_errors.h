/* Errors on the states of a call, as call_errors.h has those on its input: torch's text first. */
#ifndef PYLSTM_PYTHON_HX_ERRORS_H
#define PYLSTM_PYTHON_HX_ERRORS_H

#include "errors.h"
#include "request.h"

/* ---- While they are opened ---- */

/* hx is neither a tuple nor a list nor an array. */
COLD int error_hx_type(const struct request *request, PyObject *hx);
/* hx is a tuple or list of arrays, and a state is one array. */
COLD int error_hx_is_tuple(const struct request *request, PyObject *hx);
COLD int error_hx_is_none(Py_ssize_t index);
COLD int error_hx_is_nested(const struct request *request, Py_ssize_t index);
/* hx is one array of fewer than two states. */
COLD int error_hx_index(PyArrayObject *hx);
/* True for a tuple or list of arrays, such as a whole pair where one state should be. */
bool is_tuple_of_arrays(PyObject *object);

/* ---- Once they are opened ---- */

COLD int error_hx_missing(const struct request *request);
COLD int error_hx_count(const struct request *request);
/* hx is one array, whose items would do for states. */
COLD int error_hx_stacked(const struct request *request);
COLD int error_rnn_hx_ranks(const struct request *request);
COLD int error_rnn_hx_size(const struct request *request, int index);
COLD int error_cell_hx_rank(const struct request *request, int index);
COLD int error_cell_mixed_ranks(const struct request *request, int index);
COLD int error_cell_batch(const struct request *request, int index);
COLD int error_cell_hx_size(const struct request *request, int index);

#endif

/* A call with a PackedSequence of ours, from its fields to its results, without Python. */
#ifndef PYLSTM_PYTHON_PACKED_CALL_H
#define PYLSTM_PYTHON_PACKED_CALL_H

#include "request.h"

/* packed_type(cls) of the module: tells it which class is PackedSequence. */
PyObject *packed_set_type(PyObject *module, PyObject *type);
/* Makes a request for the run over the packed rows of a request whose input is packed. Returns 1,
 * and sets *inverse to NULL or to a new reference, that of the unsorted indices; 0 for what Python
 * has to look at; -1 on error. */
int packed_open(struct request *request, PyArrayObject **inverse);
/* What the call returns, from what the run returned: states in the caller's order, and `fields`
 * with other data. Steals `results`, which may be NULL, and `inverse`. NULL without an exception for
 * what Python has to look at. */
PyObject *packed_close(struct request *request, PyObject *fields, PyObject *results,
                       PyArrayObject *inverse);

#endif

/* The call of a stream: the layer's own computation, with states that stay in the stream. */
#ifndef PYLSTM_PYTHON_STREAM_STEP_H
#define PYLSTM_PYTHON_STREAM_STEP_H

#include "common.h"

/* stream(input, *, rows=None, out=None) by the vectorcall protocol, as METH_FASTCALL | METH_KEYWORDS,
 * and as tp_call. On any error the states are what they were. */
PyObject *stream_vectorcall(PyObject *self, PyObject *const *args, size_t flags, PyObject *names);
PyObject *stream_call_method(PyObject *self, PyObject *const *args, Py_ssize_t count,
                             PyObject *names);
PyObject *stream_call_slot(PyObject *self, PyObject *args, PyObject *kwargs);

#endif

/* The way of a call of a linear layer: from Python's arguments to the core. */
#ifndef PYLSTM_PYTHON_LINEAR_CALL_H
#define PYLSTM_PYTHON_LINEAR_CALL_H

#include "layer.h"

/* The vectorcall of its objects. Of a class with a call of its own, and with hooks, it does what
 * layer_vectorcall() does. */
PyObject *linear_vectorcall(PyObject *self, PyObject *const *args, size_t flags, PyObject *names);
/* tp_call, and the method forward() by METH_FASTCALL. */
PyObject *linear_call_slot(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *linear_forward_method(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                PyObject *names);

#endif

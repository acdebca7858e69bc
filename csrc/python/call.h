/* The ways from Python into a call of a layer or a cell. request.h says how a call goes on. */
#ifndef PYLSTM_PYTHON_CALL_H
#define PYLSTM_PYTHON_CALL_H

#include "common.h"

/* What calls an object (PEP 590), without a tuple and a dict. A class with its own __call__ or
 * forward() and a module with hooks are called by way of tp_call. */
PyObject *layer_vectorcall(PyObject *self, PyObject *const *args, size_t flags, PyObject *names);
/* tp_call: forward(), or Python's way round through the hooks. */
PyObject *rnn_call_slot(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *cell_call_slot(PyObject *self, PyObject *args, PyObject *kwargs);
/* forward(), METH_FASTCALL | METH_KEYWORDS. */
PyObject *rnn_forward_method(PyObject *self, PyObject *const *args, Py_ssize_t count,
                             PyObject *names);
PyObject *cell_forward_method(PyObject *self, PyObject *const *args, Py_ssize_t count,
                              PyObject *names);
/* _run_packed(data, batch_sizes, hx): as forward() returns it. */
PyObject *rnn_run_packed_method(PyObject *self, PyObject *args);
PyObject *rnn_run_trace_method(PyObject *self, PyObject *args);

/* tp_call of the object's type: rnn_call_slot or cell_call_slot, unless a class has its own. */
ternaryfunc call_slot_of(PyObject *object);

#endif

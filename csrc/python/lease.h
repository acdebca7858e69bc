/* _core.Lease: the base of every array that shows a module's parameters. */
#ifndef PYLSTM_PYTHON_LEASE_H
#define PYLSTM_PYTHON_LEASE_H

#include "module_state.h"
#include "weights.h"

extern PyType_Spec lease_type_spec;

/* Parameter `index` as an array on the memory of the weights, which the array keeps alive. */
PyObject *lease_array(struct module_state *module_state, struct weights *weights, ptrdiff_t index,
                      bool writable);
/* Likewise read-only, and of any dtype, whose descriptor is stolen: `nbytes` bytes of the parameters
 * from `data` on. */
PyObject *lease_view(struct module_state *module_state, struct weights *weights,
                     PyArray_Descr *descr, int ndim, npy_intp *dims, void *data, size_t nbytes);
/* An array on memory that `base` keeps alive: with a stolen descriptor, and NPY_ARRAY_CARRAY or
 * NPY_ARRAY_CARRAY_RO as `flags`. The base is stolen too; where that is NULL, with an exception, so is the
 * result. */
PyObject *lease_array_on(PyObject *base, PyArray_Descr *descr, int ndim, npy_intp *dims, void *data,
                         int flags);

#endif

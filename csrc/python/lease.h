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

#endif

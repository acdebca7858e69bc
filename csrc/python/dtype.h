/* The two dtypes of modules, by name and as NumPy knows them. */
#ifndef PYLSTM_PYTHON_DTYPE_H
#define PYLSTM_PYTHON_DTYPE_H

#include "module_state.h"

static inline int dtype_typenum(enum dtype dtype)
{
    return dtype == DTYPE_FLOAT32 ? NPY_FLOAT32 : NPY_FLOAT64;
}

const char *dtype_name(enum dtype dtype);
/* "float32" or "float64". ValueError for others; returns -1 then. */
int dtype_from_name(const char *name);
/* NumPy's descriptor, a new reference. Cannot fail. */
static inline PyArray_Descr *dtype_descr(struct module_state *module_state, enum dtype dtype)
{
    Py_INCREF((PyObject *)module_state->descr[dtype]);
    return module_state->descr[dtype];
}

#endif

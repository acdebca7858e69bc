#include "dtype.h"

#include "errors.h"

#include <string.h>

const char *dtype_name(enum dtype dtype) { return dtype == DTYPE_FLOAT32 ? "float32" : "float64"; }

int dtype_from_name(const char *name)
{
    for (int dtype = 0; dtype < DTYPE_COUNT; dtype++)
        if (strcmp(name, dtype_name((enum dtype)dtype)) == 0)
            return dtype;
    return error_raise(PyExc_ValueError, "dtype must be 'float32' or 'float64', got '%s'", name);
}

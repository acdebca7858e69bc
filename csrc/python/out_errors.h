/* Errors on `out` of a call. */
#ifndef PYLSTM_PYTHON_OUT_ERRORS_H
#define PYLSTM_PYTHON_OUT_ERRORS_H

#include "request.h"

/* What error texts call the array of a result, such as "out[1][0]". */
const char *out_name(const struct request *request, int index);

/* "object", called "name", is no tuple or list of two: TypeError or, for other counts, ValueError. */
COLD int error_out_structure(const struct request *request, const char *name, PyObject *object);
/* It is no array, or a masked one. */
COLD int error_out_type(const struct request *request, int index, PyObject *object);
COLD int error_out_masked(const struct request *request, int index);
/* The array cannot get the result, whose shape is "dims". */
COLD int error_out_array(const struct request *request, PyArrayObject *array, int index, int ndim,
                         const npy_intp *dims);
/* It shares memory with the array that error texts call "other". */
COLD int error_out_overlap(const struct request *request, int index, const char *other);

#endif

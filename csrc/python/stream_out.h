/* The array that a call of a stream writes its output to, where the caller gives one. */
#ifndef PYLSTM_PYTHON_STREAM_OUT_H
#define PYLSTM_PYTHON_STREAM_OUT_H

#include "request.h"

/* `out` as an array that the kernels can write to: the array or a view of it, of `ndim` axes of
 * lengths `dims`, which shares no memory with x of the request or the parameters. TypeError, ValueError. */
PyArrayObject *stream_out_open(const struct request *request, PyObject *out, int ndim,
                               const npy_intp *dims);

#endif

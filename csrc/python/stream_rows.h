/* Which rows of a stream a call is about: a one-dimensional array of integers. */
#ifndef PYLSTM_PYTHON_STREAM_ROWS_H
#define PYLSTM_PYTHON_STREAM_ROWS_H

#include "common.h"

/* The array behind `rows`, of int64 or uint64 in the machine's order; with `copy` one that nothing else
 * has. An empty list will do. TypeError, ValueError. May run code of others. */
PyArrayObject *stream_rows_open(PyObject *rows, bool copy);
/* Writes the rows to `index`, which may be where they are, after the check that each is in [0, size).
 * Each must be there once, unless `marks`, room for `size` bytes, is NULL. IndexError, ValueError. */
int stream_rows_read(PyArrayObject *rows, ptrdiff_t size, int64_t *index, unsigned char *marks);
/* The function _core.stream_rows: row numbers in an array of int64 of their own. */
PyObject *stream_rows_from_python(PyObject *module, PyObject *args);
extern const char stream_rows_doc[];

#endif

/* Which rows of a stream a call is about: a one-dimensional array of integers. */
#ifndef PYLSTM_PYTHON_STREAM_ROWS_H
#define PYLSTM_PYTHON_STREAM_ROWS_H

#include "common.h"

/* The array behind `rows`, of int64 in the machine's order. An empty list will do. TypeError,
 * ValueError. May run code of others. */
PyArrayObject *stream_rows_open(PyObject *rows);
/* Writes the rows to `index`, which has room for `size` of them, after the check that each is in
 * [0, size), and there once. IndexError, ValueError. `marks` has room for `size` of them too; where it
 * is NULL a row may be there twice, and `index` has room for all. */
int stream_rows_read(PyArrayObject *rows, ptrdiff_t size, int64_t *index, unsigned char *marks);

#endif

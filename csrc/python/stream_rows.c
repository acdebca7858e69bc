#include "stream_rows.h"

#include "arrays.h"
#include "errors.h"

#include <string.h>

#define EXPECTED "rows must be a 1-D array of integers, which number rows of the stream from 0"

COLD static int error_kind(PyArrayObject *array)
{
    if (PyArray_NDIM(array) != 1)
        return error_with_shape(PyExc_ValueError, array, EXPECTED "%s; it has shape ",
                                PyArray_NDIM(array) == 0 ? ": for one row, [row]" : "");
    return error_raise(PyExc_TypeError, EXPECTED ", got dtype %S%s",
                       (PyObject *)PyArray_DESCR(array),
                       PyArray_ISBOOL(array) ? ": of a mask, np.flatnonzero(mask)" : "");
}

/* Raises the text, which names rows[i] as it is and the rows that there are. */
COLD static int error_row(PyObject *type, PyArrayObject *array, ptrdiff_t i, const char *what,
                          ptrdiff_t size)
{
    PyObject *value = PySequence_GetItem((PyObject *)array, i);

    if (value != NULL)
        PyErr_Format(type, "rows[%zd] is %S, which %s: the stream has %zd rows, from 0 on%s",
                     (Py_ssize_t)i, value, what, (Py_ssize_t)size,
                     type == PyExc_ValueError ? ", and each may be named once" : "");
    Py_XDECREF(value);
    return -1;
}

PyArrayObject *stream_rows_open(PyObject *rows, bool copy)
{
    PyArrayObject *array = array_open(rows, "rows"), *opened = NULL;
    int flags = NPY_ARRAY_ALIGNED | NPY_ARRAY_NOTSWAPPED | NPY_ARRAY_FORCECAST;

    if (array == NULL)
        return NULL;
    /* NumPy makes an array of float64 of a list without numbers. */
    const bool nothing = !PyArray_Check(rows) && PyArray_SIZE(array) == 0;
    flags |= copy ? NPY_ARRAY_ENSURECOPY | NPY_ARRAY_CARRAY : 0;
    if (PyArray_NDIM(array) != 1 || !(PyTypeNum_ISINTEGER(PyArray_TYPE(array)) || nothing))
        error_kind(array);
    else
        opened = (PyArrayObject *)PyArray_FromArray(array, PyArray_DescrFromType(NPY_INT64), flags);
    array_release(array);
    return opened;
}

int stream_rows_read(PyArrayObject *rows, ptrdiff_t size, int64_t *index, unsigned char *marks)
{
    const ptrdiff_t count = PyArray_DIM(rows, 0), stride = PyArray_STRIDE(rows, 0);
    const char *data = PyArray_DATA(rows);

    if (marks != NULL)
        memset(marks, 0, (size_t)size);
    for (ptrdiff_t i = 0; i < count; i++) {
        int64_t row;
        memcpy(&row, data + i * stride, sizeof row);
        if (row < 0 || row >= size)
            return error_row(PyExc_IndexError, rows, i, row < 0 ? "is negative" : "is absent",
                             size);
        if (marks != NULL) {
            if (marks[row])
                return error_row(PyExc_ValueError, rows, i, "is there twice", size);
            marks[row] = 1;
        }
        index[i] = row; /* each row once: there is room */
    }
    return 0;
}

#include "stream_rows.h"

#include "arrays.h"
#include "errors.h"
#include "memory.h"

#include <string.h>

#define EXPECTED "rows must be a 1-D array of integers, which number rows of the stream from 0"

COLD static int error_kind(PyObject *rows, PyArrayObject *array)
{
    const char *hint = "";

    if (PyArray_NDIM(array) == 0)
        hint = ": for one row, [row]";
    else if (PyTuple_Check(rows) && PyTuple_Size(rows) == 1)
        hint = ": of what np.where(mask) and np.nonzero(mask) return, item 0";
    if (PyArray_NDIM(array) != 1)
        return error_with_shape(PyExc_ValueError, array, EXPECTED "%s; it has shape ", hint);
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
    /* What does not fit into int64 is absent, and named in the error as it is. */
    const int kind = PyTypeNum_ISUNSIGNED(PyArray_TYPE(array)) ? NPY_UINT64 : NPY_INT64;
    if (PyArray_NDIM(array) != 1 || !(PyTypeNum_ISINTEGER(PyArray_TYPE(array)) || nothing))
        error_kind(rows, array);
    else
        opened = (PyArrayObject *)PyArray_FromArray(array, PyArray_DescrFromType(kind), flags);
    array_release(array);
    return opened;
}

int stream_rows_read(PyArrayObject *rows, ptrdiff_t size, int64_t *index, unsigned char *marks)
{
    const ptrdiff_t count = PyArray_DIM(rows, 0), stride = PyArray_STRIDE(rows, 0);
    const char *data = PyArray_DATA(rows);
    const int64_t least =
        PyArray_TYPE(rows) == NPY_INT64 ? 0 : INT64_MIN; /* of uint64 none is less */

    if (marks != NULL)
        memset(marks, 0, (size_t)size);
    for (ptrdiff_t i = 0; i < count; i++) {
        int64_t row;
        memcpy(&row, data + i * stride, sizeof row);
        if (row < 0 || row >= size)
            return error_row(PyExc_IndexError, rows, i, row < least ? "is negative" : "is absent",
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

const char stream_rows_doc[] =
    "stream_rows($module, rows, size, repeated, /)\n--\n\n"
    "Row numbers in [0, size) as a new array of int64, each once unless repeated.";

PyObject *stream_rows_from_python(PyObject *module, PyObject *args)
{
    PyObject *given;
    PyArrayObject *rows, *index = NULL;
    unsigned char *marks = NULL;
    Py_ssize_t size;
    int repeated;

    (void)module;
    if (!PyArg_ParseTuple(args, "Onp:stream_rows", &given, &size, &repeated))
        return NULL;
    rows = stream_rows_open(given, true);
    if (rows == NULL)
        return NULL;
    if (!repeated && (marks = memory_new_zeroed((size_t)size + 1)) == NULL)
        PyErr_NoMemory();
    else if (stream_rows_read(rows, size, PyArray_DATA(rows), marks) == 0)
        index = (PyArrayObject *)PyArray_Cast(rows, NPY_INT64);
    memory_free(marks);
    array_release(rows);
    return (PyObject *)index;
}

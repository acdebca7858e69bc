#include "out_errors.h"

#include "arrays.h"
#include "errors.h"

#include <string.h>

const char *out_name(const struct request *request, int index)
{
    static const char *const names[2][2][RESULTS] = {
        {{"out[0]", "out[1]", NULL}, {"out[0]", "out[1][0]", "out[1][1]"}},
        {{NULL, "out", NULL}, {NULL, "out[0]", "out[1]"}},
    };

    return names[request->callee->is_cell][request->pair][index];
}

COLD static const char *out_structure(const struct request *request)
{
    if (request->callee->is_cell)
        return request->pair ? "(h, c)" : "one array, h";
    return request->pair ? "(output, (h_n, c_n))" : "(output, h_n)";
}

int error_out_structure(const struct request *request, const char *name, PyObject *object)
{
    PyObject *type = PyType_GetName(Py_TYPE(object));
    Py_ssize_t count = -1;

    if (PyTuple_Check(object))
        count = PyTuple_Size(object);
    else if (PyList_Check(object))
        count = PyList_Size(object);
    if (type != NULL && count >= 0)
        PyErr_Format(PyExc_ValueError, "out must be %s: %s must have 2 items, got a %U of %zd",
                     out_structure(request), name, type, count);
    else if (type != NULL)
        PyErr_Format(PyExc_TypeError, "out must be %s: %s must be a tuple or list, got %U",
                     out_structure(request), name, type);
    Py_XDECREF(type);
    return -1;
}

int error_out_type(const struct request *request, int index, PyObject *object)
{
    PyObject *type = PyType_GetName(Py_TYPE(object));

    if (type != NULL)
        PyErr_Format(PyExc_TypeError, "out must be %s: %s must be a numpy.ndarray, got %U",
                     out_structure(request), out_name(request, index), type);
    Py_XDECREF(type);
    return -1;
}

int error_out_masked(const struct request *request, int index)
{
    const char *name = out_name(request, index);

    return error_raise(PyExc_TypeError, "%s is a masked array: pass %s.data", name, name);
}

/* Raises a text on the name and two objects, which are stolen. */
COLD static int error_two(const char *format, const char *name, PyObject *expected, PyObject *got)
{
    if (expected != NULL && got != NULL)
        PyErr_Format(PyExc_ValueError, format, name, expected, got);
    Py_XDECREF(expected);
    Py_XDECREF(got);
    return -1;
}

int error_out_array(const struct request *request, PyArrayObject *array, int index, int ndim,
                    const npy_intp *dims)
{
    const enum dtype dtype = request->net->kernels->dtype;
    const char *name = out_name(request, index);

    if (PyArray_TYPE(array) != dtype_typenum(dtype) || PyArray_ISBYTESWAPPED(array))
        return error_raise(PyExc_TypeError,
                           "%s must have the module's dtype, %s in native byte order, got %S", name,
                           dtype_name(dtype), (PyObject *)PyArray_DESCR(array));
    if (PyArray_NDIM(array) != ndim || !PyArray_CompareLists(PyArray_DIMS(array), dims, ndim))
        return error_two("%s must have the shape %R, got %R", name,
                         PyArray_IntTupleFromIntp(ndim, dims), error_shape(-1, array));
    if (!PyArray_ISWRITEABLE(array))
        return error_raise(PyExc_ValueError, "%s must be writable, got a read-only array", name);
    return error_two("%s must be aligned, contiguous in its last axis, and without elements that "
                     "overlap each other, got strides of %R bytes for the shape %R",
                     name, PyArray_IntTupleFromIntp(ndim, PyArray_STRIDES(array)),
                     error_shape(-1, array));
}

int error_out_overlap(const struct request *request, int index, const char *other)
{
    const char *name = out_name(request, index);

    return error_raise(PyExc_ValueError, "%s must not overlap %s, got arrays that share memory%s",
                       name, other,
                       strncmp(other, "hx", 2) == 0
                           ? ": a state of out may be the same state of hx, all of it, or share no "
                             "memory with hx"
                           : "");
}

#include "stream_out.h"

#include "arrays.h"
#include "errors.h"
#include "overlap.h"

COLD static int error_out_shape(PyArrayObject *array, int ndim, const npy_intp *dims)
{
    if (ndim == 2)
        return error_with_shape(PyExc_ValueError, array,
                                "out must have shape (%zd, %zd), that is (N, features); it has "
                                "shape ",
                                (Py_ssize_t)dims[0], (Py_ssize_t)dims[1]);
    return error_with_shape(PyExc_ValueError, array,
                            "out must have shape (%zd, %zd, %zd), that is (L, N, features); it has "
                            "shape ",
                            (Py_ssize_t)dims[0], (Py_ssize_t)dims[1], (Py_ssize_t)dims[2]);
}

/* Checks what can be seen of the array alone. */
static int check_alone(PyArrayObject *array, enum dtype dtype, int ndim, const npy_intp *dims)
{
    if (PyArray_TYPE(array) != dtype_typenum(dtype))
        return error_raise(PyExc_TypeError, "out must have the dtype of the layer, %s, got %S",
                           dtype_name(dtype), (PyObject *)PyArray_DESCR(array));
    if (PyArray_NDIM(array) != ndim || !PyArray_CompareLists(PyArray_DIMS(array), dims, ndim))
        return error_out_shape(array, ndim, dims);
    if (!PyArray_ISWRITEABLE(array))
        return error_raise(PyExc_ValueError, "out is read-only");
    if (PyArray_SIZE(array) == 0)
        return 0;
    if (!array_fits(array, dtype))
        return error_raise(PyExc_ValueError, "out must be aligned, in native byte order, and "
                                             "contiguous in its last axis");
    if (array_overlaps_itself(array))
        return error_raise(PyExc_ValueError, "out overlaps itself: its elements share memory");
    return 0;
}

/* Checks the array against what the call reads. */
static int check_apart(const struct request *request, PyArrayObject *array)
{
    const struct region out = region_of(array), x = region_of(request->x);
    struct region params;

    if (region_of_parameters(request->self, &params) < 0)
        return -1;
    if (regions_overlap(&out, &params))
        return error_raise(PyExc_ValueError, "out overlaps the parameters of the layer");
    if (regions_overlap(&out, &x))
        return error_raise(PyExc_ValueError, "out overlaps input");
    return 0;
}

PyArrayObject *stream_out_open(const struct request *request, PyObject *out, int ndim,
                               const npy_intp *dims)
{
    PyArrayObject *array;

    if (!PyArray_Check(out)) {
        error_type("out must be a numpy.ndarray", out);
        return NULL;
    }
    if (array_is_masked(out) != 0) { /* filled(), which array_open() recommends, is a copy */
        if (!PyErr_Occurred())
            error_raise(PyExc_TypeError, "out is a masked array: pass out.data");
        return NULL;
    }
    array = array_open(out, "out"); /* itself, or a view of a subclass */
    if (array == NULL)
        return NULL;
    if (check_alone(array, request->net->kernels->dtype, ndim, dims) == 0 &&
        check_apart(request, array) == 0) {
        if (request->fits)
            return array;
        /* A conversion may run code that reshapes the caller's array. */
        out = PyArray_View(array, NULL, &PyArray_Type);
        array_release(array);
        return (PyArrayObject *)out;
    }
    array_release(array);
    return NULL;
}

/* Arrays in and out: anything array-like in, well-formed ndarrays of the module's dtype out.
 *
 * Reading is in two steps, because torch checks ranks before dtypes: array_open() finds the array
 * behind an object, array_fit() converts its values, after all checks have passed. Both may run
 * Python code, and with that code which reshapes other arrays. An opened array may be the object
 * itself or share its memory. "name" is what error texts call an object.
 */
#ifndef PYLSTM_PYTHON_ARRAYS_H
#define PYLSTM_PYTHON_ARRAYS_H

#include "dtype.h"

static inline void array_release(PyArrayObject *array) { Py_XDECREF((PyObject *)array); }

/* The stride of an array that fits, in elements. A shift, since the compilers turn a choice of
 * two divisors into a slow division; shifting negative numbers is arithmetic with all of them. */
static inline ptrdiff_t array_stride(PyArrayObject *array, int axis, enum dtype dtype)
{
    return PyArray_STRIDE(array, axis) >> (dtype == DTYPE_FLOAT32 ? 2 : 3);
}

/* True if the kernels can read the array as it is: dtype, byte order, alignment, contiguous last
 * axis. */
bool array_fits(PyArrayObject *array, enum dtype dtype);
/* Like array_open(), for an object that is no plain ndarray. */
PyArrayObject *array_open_other(PyObject *object, const char *name);
/* `object` as an ndarray of any dtype, with no copy where that is possible. */
static inline PyArrayObject *array_open(PyObject *object, const char *name)
{
    if (!PyArray_CheckExact(object))
        return array_open_other(object, name);
    Py_INCREF(object);
    return (PyArrayObject *)object;
}
/* 1 for a masked array, 0 for others, -1 on error. */
int array_is_masked(PyObject *object);
/* Item "index" of a list or tuple as NumPy sees it, whatever a subclass's __getitem__ says. A new
 * reference; NULL, without an exception, beyond the end, and where "object" is neither. */
PyObject *arrays_item(PyObject *object, Py_ssize_t index);
/* Replaces *array, an owned reference or NULL, by a view: code that runs later cannot reshape it. */
static inline int array_detach(PyArrayObject **array)
{
    PyArrayObject *given = *array;

    if (given == NULL)
        return 0;
    *array = (PyArrayObject *)PyArray_View(given, NULL, &PyArray_Type);
    array_release(given);
    return *array == NULL ? -1 : 0;
}
/* 1 if "object" is a tuple or list with arrays in it, at a depth where a state may have numbers, 0 if
 * not, -1 on error. May run code of others. */
int arrays_are_in(PyObject *object);
/* TypeError unless the array holds real numbers or integers. */
int array_check_real(PyArrayObject *array, const char *name);
/* Replaces *array, an owned reference, by a C-contiguous array of the dtype, itself if it is one.
 * On failure *array stays. */
int array_fit(struct module_state *module_state, PyArrayObject **array, enum dtype dtype);
/* A fresh array, C-contiguous and not initialised; `dims` has `ndim` items. */
PyArrayObject *array_new(struct module_state *module_state, enum dtype dtype, int ndim,
                         const npy_intp *dims);
/* True if "object" is a C-contiguous array of a type of NumPy's and a shape; of a vector `cols` does not
 * count. */
static inline bool array_is(PyObject *object, int typenum, int ndim, ptrdiff_t rows, ptrdiff_t cols)
{
    PyArrayObject *array = (PyArrayObject *)object;

    return PyArray_Check(object) && PyArray_TYPE(array) == typenum && PyArray_ISCARRAY_RO(array) &&
           PyArray_NDIM(array) == ndim && PyArray_DIM(array, 0) == rows &&
           (ndim == 1 || PyArray_DIM(array, 1) == cols);
}
/* as_array(obj, name, dtype) of the module: "float32" or "float64", None for the real numbers that
 * are there, "any" for whatever is there. */
PyObject *array_from_python(PyObject *module, PyObject *args);

#endif

#include "errors.h"

#include <stdarg.h>
#include <string.h>

int error_raise(PyObject *type, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    PyErr_FormatV(type, format, arguments);
    va_end(arguments);
    return -1;
}

int error_with_shape(PyObject *type, PyArrayObject *array, const char *format, ...)
{
    PyObject *shape = error_shape(-1, array), *text;
    va_list arguments;

    va_start(arguments, format);
    text = PyUnicode_FromFormatV(format, arguments);
    va_end(arguments);
    if (shape != NULL && text != NULL)
        PyErr_Format(type, "%U%R", text, shape);
    Py_XDECREF(shape);
    Py_XDECREF(text);
    return -1;
}

int error_type(const char *what, PyObject *object)
{
    PyObject *name = PyType_GetName(Py_TYPE(object));

    if (name != NULL)
        PyErr_Format(PyExc_TypeError, "%s, got %U", what, name);
    Py_XDECREF(name);
    return -1;
}

int error_masked(const char *name)
{
    /* Arrays that 0.0 cannot fill: the name, an advice, and what stands behind the name in it. */
    static const char *const others[][3] = {
        {"reset", "fill it first, for example ", "filled(False)"},
        {"lengths", "leave masked sequences out, or fill it first, for example ", "filled(1)"},
        {"rows", "pass the rows that are not masked, ", "compressed()"},
        {"batch_sizes", "if no value is masked, pass ", "data"},
        {"sorted_indices", "if no value is masked, pass ", "data"},
        {"unsorted_indices", "if no value is masked, pass ", "data"},
        {"new_state", "if no value is masked, pass ", "data"},
    };
    const char *advice = "fill it first, for example ", *value = "filled(0.0)";

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(name, others[i][0]) == 0)
            advice = others[i][1], value = others[i][2];
    return error_raise(PyExc_TypeError, "%s is a masked array, whose mask would be lost: %s%s.%s",
                       name, advice, name, value);
}

int error_too_large(void)
{
    return error_raise(PyExc_MemoryError, "there is not enough memory for a module of this size");
}

PyObject *error_overflow(void)
{
    if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
        PyErr_Clear();
        error_too_large();
    }
    return NULL;
}

PyObject *error_shape(Py_ssize_t count, PyArrayObject *array)
{
    const int ndim = PyArray_NDIM(array), first = count >= 0;
    PyObject *shape = PyTuple_New(first + ndim);

    for (int axis = 0; shape != NULL && axis < first + ndim; axis++) {
        const Py_ssize_t size = axis < first ? count : PyArray_DIM(array, axis - first);
        PyObject *dim = PyLong_FromSsize_t(size);
        if (dim == NULL || PyTuple_SetItem(shape, axis, dim) < 0)
            Py_CLEAR(shape);
    }
    return shape;
}

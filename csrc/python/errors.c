/* Error texts on the input and on modules: torch's text first, since code matches on it, then what
 * teaches, namely axis names, what was expected and received, and one hint. Those on states are in
 * state_errors.c.
 */
#include "pylstm.h"

#include <stdarg.h>

static int raise_error(PyObject *type, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    PyErr_FormatV(type, format, arguments);
    va_end(arguments);
    return -1;
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

/* Like raise_error(), but "format" ends with one %R, which is the shape of "array". */
#define RAISE_WITH_SHAPE(type, array, ...)                                                         \
    do {                                                                                           \
        PyObject *shape_ = error_shape(-1, array);                                                 \
        if (shape_ != NULL)                                                                        \
            raise_error(type, __VA_ARGS__, shape_);                                                \
        Py_XDECREF(shape_);                                                                        \
        return -1;                                                                                 \
    } while (0)

int error_type(const char *what, PyObject *object)
{
    PyObject *name = PyType_GetName(Py_TYPE(object));

    if (name != NULL)
        raise_error(PyExc_TypeError, "%s, got %U", what, name);
    Py_XDECREF(name);
    return -1;
}

int error_too_large(void)
{
    return raise_error(PyExc_MemoryError, "there is not enough memory for a module of this size");
}

int error_not_initialised(layer_object *self)
{
    PyObject *name = PyType_GetName(Py_TYPE((PyObject *)self));

    if (name != NULL)
        raise_error(PyExc_RuntimeError, "%U.__init__() has not been called", name);
    Py_XDECREF(name);
    return -1;
}

/* ---- LSTM ---- */

static const char *sequence_axes(const struct request *request)
{
    if (request->packed)
        return "(total length, input_size)";
    return request->batch_first ? "(batch, sequence, input_size)" : "(sequence, batch, input_size)";
}

int error_rnn_input_rank(const struct request *request)
{
    const int ndim = PyArray_NDIM(request->x);

    if (request->packed)
        return raise_error(
            PyExc_RuntimeError,
            "input must have 2 dimensions, got %d: the data of a packed sequence is %s", ndim,
            sequence_axes(request));
    RAISE_WITH_SHAPE(PyExc_ValueError, request->x,
                     "LSTM: Expected input to be 2D or 3D, got %dD instead: input is %s or, "
                     "unbatched, (sequence, input_size), with input_size %zd; it has shape %R",
                     ndim, sequence_axes(request), (Py_ssize_t)request->snapshot->net.input_size);
}

int error_rnn_input_size(const struct request *request)
{
    PyArrayObject *x = request->x;
    const ptrdiff_t size = request->snapshot->net.input_size;
    const int last = PyArray_NDIM(x) - 1;
    const char *hint = "";

    for (int axis = 0; axis < last; axis++)
        if (PyArray_DIM(x, axis) == size)
            hint = "the features come last, perhaps after a transpose; ";
    RAISE_WITH_SHAPE(
        PyExc_RuntimeError, x,
        "input.size(-1) must be equal to input_size. Expected %zd, got %zd: input is "
        "%s; %sit has shape %R",
        (Py_ssize_t)size, (Py_ssize_t)PyArray_DIM(x, last),
        last == 1 && !request->packed ? "(sequence, input_size)" : sequence_axes(request), hint);
}

int error_rnn_no_steps(const struct request *request)
{
    if (request->packed)
        return raise_error(
            PyExc_RuntimeError,
            "Expected sequence length to be larger than 0 in RNN: batch_sizes is empty");
    RAISE_WITH_SHAPE(PyExc_RuntimeError, request->x,
                     "Expected sequence length to be larger than 0 in RNN: axis %d of input is the "
                     "sequence; input has shape %R",
                     request->batched && request->batch_first ? 1 : 0);
}

/* ---- LSTMCell ---- */

int error_cell_input_rank(const struct request *request)
{
    RAISE_WITH_SHAPE(PyExc_ValueError, request->x,
                     "LSTMCell: Expected input to be 1D or 2D, got %dD instead: input is "
                     "(batch, input_size) or (input_size,), one step at a time, with input_size "
                     "%zd; it has shape %R",
                     PyArray_NDIM(request->x), (Py_ssize_t)request->snapshot->net.input_size);
}

int error_cell_input_size(const struct request *request)
{
    PyArrayObject *x = request->x;
    const int last = PyArray_NDIM(x) - 1;

    RAISE_WITH_SHAPE(PyExc_RuntimeError, x,
                     "input has inconsistent input_size: got %zd expected %zd: input is %s; it has "
                     "shape %R",
                     (Py_ssize_t)PyArray_DIM(x, last),
                     (Py_ssize_t)request->snapshot->net.input_size,
                     last == 1 ? "(batch, input_size)" : "(input_size,)");
}

#include "call_errors.h"

#include <string.h>

/* ---- Input ---- */

COLD static const char *input_axes(const struct request *request)
{
    if (request->callee->is_cell)
        return "(batch, input_size)";
    if (request->packed)
        return "(total length, input_size)";
    return request->batch_first ? "(batch, sequence, input_size)" : "(sequence, batch, input_size)";
}

int error_input_rank(const struct request *request)
{
    const struct cell *kind = &cells[request->net->kind];
    const bool cell = request->callee->is_cell;
    const int ndim = PyArray_NDIM(request->x);

    if (request->packed)
        return error_raise(
            PyExc_RuntimeError,
            "input must have 2 dimensions, got %d: the data of a packed sequence is %s", ndim,
            input_axes(request));
    return error_with_shape(
        PyExc_ValueError, request->x,
        "%s%s: Expected input to be %s, got %dD%s instead: input is %s or%s, with "
        "input_size %zd; it has shape ",
        kind->name, request->callee->cell, cell ? "1D or 2D" : "2D or 3D", ndim,
        strcmp(kind->name, "RNN") == 0 && !cell ? " tensor" : "", input_axes(request),
        cell ? " (input_size,), one step at a time" : ", unbatched, (sequence, input_size)",
        (Py_ssize_t)request->net->input_size);
}

COLD static int error_cell_input_size(const struct request *request, Py_ssize_t got,
                                      Py_ssize_t expected)
{
    return error_with_shape(PyExc_RuntimeError, request->x,
                            "input has inconsistent input_size: got %zd expected %zd: input is %s; "
                            "it has shape ",
                            got, expected,
                            request->batched ? input_axes(request) : "(input_size,)");
}

int error_input_size(const struct request *request)
{
    PyArrayObject *x = request->x;
    const Py_ssize_t size = request->net->input_size;
    const int last = PyArray_NDIM(x) - 1;
    const char *hint = "";

    if (request->callee->is_cell)
        return error_cell_input_size(request, PyArray_DIM(x, last), size);
    for (int axis = 0; axis < last; axis++)
        if (PyArray_DIM(x, axis) == size)
            hint = "the features come last, perhaps after a transpose; ";
    return error_with_shape(PyExc_RuntimeError, x,
                            "input.size(-1) must be equal to input_size. Expected %zd, got %zd: "
                            "input is %s; %sit has shape ",
                            size, (Py_ssize_t)PyArray_DIM(x, last),
                            request->batched ? input_axes(request) : "(sequence, input_size)",
                            hint);
}

int error_no_steps(const struct request *request)
{
    if (request->packed)
        return error_raise(
            PyExc_RuntimeError,
            "Expected sequence length to be larger than 0 in RNN: batch_sizes is empty");
    return error_with_shape(PyExc_RuntimeError, request->x,
                            "Expected sequence length to be larger than 0 in RNN: axis %d of input "
                            "is the sequence; input has shape ",
                            request->batched && request->batch_first ? 1 : 0);
}

/* ---- Cells ---- */

int error_not_of_a_cell(const struct request *request)
{
    const char *name = cells[request->net->kind].name;
    const char *article = request->net->kind == CELL_GRU ? "a" : "an";

    return error_raise(PyExc_TypeError,
                       "%sCell.forward() needs the parameters of %s %sCell, and these are those of "
                       "%s %s with several layers, directions or a projection",
                       name, article, name, article, name);
}

int error_not_recurrent(void)
{
    return error_raise(PyExc_TypeError, "this call needs the parameters of a recurrent layer or "
                                        "cell, and these are those of a linear layer");
}

int error_nonlinearity(const struct request *request)
{
    PyObject *value = PyObject_GetAttrString((PyObject *)request->self, "nonlinearity");

    if (value != NULL)
        PyErr_Format(PyExc_RuntimeError,
                     "Unknown nonlinearity: %S: set the attribute nonlinearity to 'tanh' or 'relu'",
                     value);
    Py_XDECREF(value);
    return -1;
}

/* Error texts of calls: torch's text first, since code matches on it, then what teaches,
 * namely axis names, what was expected and received, and one hint.
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

/* The shape as a tuple for %R, a new reference. */
static PyObject *shape_of(PyArrayObject *array)
{
    const int ndim = PyArray_NDIM(array);
    PyObject *shape = PyTuple_New(ndim);

    for (int axis = 0; shape != NULL && axis < ndim; axis++) {
        PyObject *dim = PyLong_FromSsize_t(PyArray_DIM(array, axis));
        if (dim == NULL || PyTuple_SetItem(shape, axis, dim) < 0)
            Py_CLEAR(shape);
    }
    return shape;
}

/* Like raise_error(), but "format" ends with one %R, which is the shape of "array". */
#define RAISE_WITH_SHAPE(type, array, ...)                                                         \
    do {                                                                                           \
        PyObject *shape_ = shape_of(array);                                                        \
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

/* ---- hx as a whole ---- */

int error_states_missing(Py_ssize_t given, const char *kind)
{
    return raise_error(PyExc_IndexError,
                       "%s index out of range: hx must hold two states, (h_0, c_0), got %zd", kind,
                       given);
}

int error_states_type(PyObject *hx)
{
    return error_type("hx must be a tuple or list of two arrays, (h_0, c_0)", hx);
}

int error_state_is_none(Py_ssize_t index)
{
    return raise_error(PyExc_TypeError,
                       "hx[%zd] is None: give both states, (h_0, c_0), or leave hx out for zeros",
                       index);
}

int error_states_index(npy_intp rows)
{
    return raise_error(PyExc_IndexError,
                       "index 1 is out of bounds for dimension 0 with size %zd: hx must be a pair "
                       "(h_0, c_0), got one array",
                       (Py_ssize_t)rows);
}

/* ---- LSTM ---- */

static const char *sequence_axes(const struct request *request)
{
    if (request->packed)
        return "(total length, input_size)";
    return request->batch_first ? "(batch, sequence, input_size)" : "(sequence, batch, input_size)";
}

int error_lstm_input_rank(const struct request *request)
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

int error_lstm_state_ranks(const struct request *request)
{
    const int ranks[2] = {PyArray_NDIM(request->state[0]), PyArray_NDIM(request->state[1])};

    if (request->batched)
        return raise_error(
            PyExc_RuntimeError,
            "For batched 3-D input, hx and cx should also be 3-D but got (%d-D, %d-D) "
            "tensors: h_0 and c_0 are (num_layers*num_directions, batch, features)",
            ranks[0], ranks[1]);
    return raise_error(
        PyExc_RuntimeError,
        "For unbatched 2-D input, hx and cx should also be 2-D but got (%d-D, %d-D) "
        "tensors: h_0 and c_0 are (num_layers*num_directions, features); for a batch "
        "of one, give the input a batch axis too",
        ranks[0], ranks[1]);
}

int error_lstm_input_size(const struct request *request)
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

/* One hint on why a state's shape "got" is not "want", both with a batch axis. */
static PyObject *state_hint(const struct request *request, int index, const Py_ssize_t *got,
                            const Py_ssize_t *want)
{
    const struct rnn_net *net = &request->snapshot->net;
    const char *name = index == 0 ? "h_0" : "c_0";

    if (got[0] == want[1] && got[1] == want[0] && got[2] == want[2])
        return PyUnicode_FromFormat(" and is never batch-first; try %s.swapaxes(0, 1)", name);
    if (got[2] != want[2] && net->proj_size)
        return PyUnicode_FromFormat("; with proj_size=%zd, h_0 has %zd features and c_0 has %zd",
                                    (Py_ssize_t)net->proj_size, (Py_ssize_t)net->proj_size,
                                    (Py_ssize_t)net->hidden_size);
    if (got[2] != want[2])
        return PyUnicode_FromFormat("; hidden_size is %zd", (Py_ssize_t)net->hidden_size);
    if (got[0] != want[0])
        return PyUnicode_FromFormat("; num_layers is %zd and num_directions is %d",
                                    (Py_ssize_t)net->num_layers, net->num_directions);
    if (request->packed)
        return PyUnicode_FromFormat("; the packed input holds %zd sequences", want[1]);
    if (got[1] == (Py_ssize_t)request->steps)
        return PyUnicode_FromFormat("; with batch_first=%s the batch is axis %d of the input",
                                    request->batch_first ? "True" : "False",
                                    request->batch_first ? 0 : 1);
    return PyUnicode_FromFormat("; the input has a batch of %zd", want[1]);
}

int error_lstm_state_size(const struct request *request, int index)
{
    const struct rnn_net *net = &request->snapshot->net;
    PyArrayObject *state = request->state[index];
    const int last = PyArray_NDIM(state) - 1;
    const Py_ssize_t want[3] = {net->num_layers * net->num_directions, request->batch,
                                index == 0 ? rnn_hidden_out(net) : net->hidden_size};
    const Py_ssize_t got[3] = {PyArray_DIM(state, 0), last == 2 ? PyArray_DIM(state, 1) : 1,
                               PyArray_DIM(state, last)};
    PyObject *hint = state_hint(request, index, got, want);

    if (hint != NULL)
        raise_error(PyExc_RuntimeError,
                    "Expected hidden[%d] size (%zd, %zd, %zd), got [%zd, %zd, %zd]: %s is "
                    "(num_layers*num_directions, %s%s)%U",
                    index, want[0], want[1], want[2], got[0], got[1], got[2],
                    index == 0 ? "h_0" : "c_0", request->batched ? "batch, " : "",
                    index == 0 && net->proj_size ? "proj_size" : "hidden_size", hint);
    Py_XDECREF(hint);
    return -1;
}

int error_lstm_state_count(const struct request *request)
{
    return raise_error(PyExc_RuntimeError,
                       "lstm expects two hidden states: hx is a pair (h_0, c_0), got %zd",
                       request->given);
}

int error_lstm_stacked(const struct request *request)
{
    (void)request;
    return raise_error(
        PyExc_TypeError,
        "lstm() received an invalid combination of arguments: hx is one array, not a "
        "pair (h_0, c_0); try (hx[0], hx[1])");
}

int error_lstm_no_steps(const struct request *request)
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

int error_cell_state_rank(const struct request *request, int index)
{
    RAISE_WITH_SHAPE(
        PyExc_ValueError, request->state[index],
        "LSTMCell: Expected hx[%d] to be 1D or 2D, got %dD instead: %s is "
        "(batch, hidden_size) or (hidden_size,), with hidden_size %zd; it has shape %R",
        index, PyArray_NDIM(request->state[index]), index == 0 ? "h_0" : "c_0",
        (Py_ssize_t)request->snapshot->net.hidden_size);
}

int error_cell_state_count(const struct request *request)
{
    return raise_error(PyExc_RuntimeError,
                       "lstm_cell expects two hidden states: hx is a pair (h_0, c_0), got %zd",
                       request->given);
}

int error_cell_stacked(void)
{
    return raise_error(
        PyExc_TypeError,
        "lstm_cell(): argument 'hx' (position 2) must be tuple of Tensors, not Tensor: hx "
        "is a pair (h_0, c_0); try (hx[0], hx[1])");
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

int error_cell_mixed_ranks(const struct request *request, int index)
{
    const char *name = index == 0 ? "h_0" : "c_0";

    if (request->batched)
        RAISE_WITH_SHAPE(
            PyExc_RuntimeError, request->state[index],
            "LSTMCell: input is 2-D but hx[%d] is 1-D: with input (batch, input_size), "
            "%s is (batch, hidden_size), here (%zd, %zd); it has shape %R",
            index, name, (Py_ssize_t)request->batch,
            (Py_ssize_t)request->snapshot->net.hidden_size);
    RAISE_WITH_SHAPE(PyExc_RuntimeError, request->state[index],
                     "LSTMCell: input is 1-D but hx[%d] is 2-D: with input (input_size,), %s is "
                     "(hidden_size,), here (%zd,); for a batch of one try input[None, :]; it has "
                     "shape %R",
                     index, name, (Py_ssize_t)request->snapshot->net.hidden_size);
}

int error_cell_batch(const struct request *request, int index)
{
    return raise_error(
        PyExc_RuntimeError,
        "Input batch size %zd doesn't match hidden%d batch size %zd: axis 0 of input, h_0 "
        "and c_0 is the batch, and states are not broadcast",
        (Py_ssize_t)request->batch, index, (Py_ssize_t)PyArray_DIM(request->state[index], 0));
}

int error_cell_state_size(const struct request *request, int index)
{
    PyArrayObject *state = request->state[index];

    return raise_error(PyExc_RuntimeError,
                       "hidden%d has inconsistent hidden_size: got %zd, expected %zd: %s is %s",
                       index, (Py_ssize_t)PyArray_DIM(state, PyArray_NDIM(state) - 1),
                       (Py_ssize_t)request->snapshot->net.hidden_size, index == 0 ? "h_0" : "c_0",
                       request->batched ? "(batch, hidden_size)" : "(hidden_size,)");
}

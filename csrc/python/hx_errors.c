#include "hx_errors.h"

/* ---- Hints: how hx is no pair of arrays, if it is none ---- */

#define PAIR "hx is a pair (h_0, c_0)"
#define ONE_ARRAY "one array was given; " PAIR ", not an array of shape "

/* Item "index" of a tuple or list without running code of others: a new reference or NULL. */
static PyObject *plain_item(PyObject *sequence, Py_ssize_t index)
{
    PyObject *item;

    if (PyTuple_Check(sequence))
        return index < PyTuple_Size(sequence) ? Py_NewRef(PyTuple_GetItem(sequence, index)) : NULL;
    item = PyList_CheckExact(sequence) ? PySequence_GetItem(sequence, index) : NULL;
    if (item == NULL)
        PyErr_Clear();
    return item;
}

bool is_tuple_of_arrays(PyObject *object)
{
    PyObject *first = plain_item(object, 0);
    const bool is = first != NULL && PyArray_Check(first) && PyArray_NDIM((PyArrayObject *)first);

    Py_XDECREF(first);
    return is;
}

/* True if item "index" of hx is a tuple or list of arrays, such as a whole pair. */
static bool is_nested(const struct request *request, Py_ssize_t index)
{
    PyObject *item = request->stacked || !request->pair ? NULL : plain_item(request->hx, index);
    const bool is = item != NULL && is_tuple_of_arrays(item);

    Py_XDECREF(item);
    return is;
}

/* Says how hx is no pair of arrays; empty where it is one, or should be none. A new reference. */
COLD static PyObject *pair_hint(const struct request *request)
{
    const bool nested[2] = {is_nested(request, 0), is_nested(request, 1)};
    PyObject *shape, *hint = NULL;

    if (!request->pair)
        return PyUnicode_FromString("");
    if (request->stacked) {
        shape = error_shape(request->given, request->hx_items[0]);
        if (shape != NULL)
            hint = PyUnicode_FromFormat(ONE_ARRAY "%R", shape);
        Py_XDECREF(shape);
        return hint;
    }
    if (nested[0] && nested[1])
        return PyUnicode_FromString("hx[0] and hx[1] are tuples or lists of arrays; " PAIR
                                    " of arrays");
    if (nested[0] || nested[1])
        return PyUnicode_FromFormat("hx[%d] is a tuple or list of arrays; " PAIR
                                    " of arrays: try hx[%d] alone",
                                    nested[1], nested[1]);
    if (request->given == 2)
        return PyUnicode_FromString("");
    if (request->given == 1)
        return PyUnicode_FromString("one array was given; " PAIR);
    return PyUnicode_FromFormat(PAIR ", got %zd", request->given);
}

/* Raises "head", how hx is no pair of arrays, and "tail", which may be empty. Steals both. */
COLD static int raise_hinted(PyObject *type, const struct request *request, PyObject *head,
                             PyObject *tail)
{
    PyObject *hint = head == NULL || tail == NULL ? NULL : pair_hint(request);

    if (hint != NULL)
        PyErr_Format(type, "%U: %U%s%U", head, hint,
                     PyUnicode_GetLength(hint) > 0 && PyUnicode_GetLength(tail) > 0 ? "; " : "",
                     tail);
    Py_XDECREF(head);
    Py_XDECREF(tail);
    Py_XDECREF(hint);
    return -1;
}

COLD static const char *hx_name(const struct request *request, int index)
{
    if (!request->pair)
        return "hx";
    return index == 0 ? "h_0" : "c_0";
}

/* ---- States of both ---- */

int error_hx_missing(const struct request *request)
{
    return raise_hinted(PyExc_IndexError, request,
                        PyUnicode_FromFormat("%s index out of range",
                                             PyTuple_Check(request->hx) ? "tuple" : "list"),
                        PyUnicode_FromString(""));
}

int error_hx_type(const struct request *request, PyObject *hx)
{
    return error_type(request->pair ? "hx must be a tuple or list of two arrays, (h_0, c_0)"
                                    : "hx must be one array, h_0",
                      hx);
}

int error_hx_is_tuple(const struct request *request, PyObject *hx)
{
    const char *name = cells[request->net->kind].name, *cell = request->callee->cell;

    return error_raise(PyExc_TypeError,
                       "hx is a %s of arrays, and %s%s takes one array, h_0: only an LSTM%s has a "
                       "pair (h_0, c_0)",
                       PyTuple_Check(hx) ? "tuple" : "list", name, cell, cell);
}

int error_hx_is_none(Py_ssize_t index)
{
    return error_raise(PyExc_TypeError,
                       "hx[%zd] is None: %s" PAIR "; give both states, or leave hx out for zeros",
                       index, index == 0 ? "" : "one array was given; ");
}

int error_hx_is_nested(const struct request *request, Py_ssize_t index)
{
    return raise_hinted(PyExc_ValueError, request,
                        PyUnicode_FromFormat("hx[%zd] must be an array", index),
                        PyUnicode_FromString(""));
}

int error_hx_index(PyArrayObject *hx)
{
    const npy_intp rows = PyArray_DIM(hx, 0);

    return error_with_shape(PyExc_IndexError, hx,
                            "index %d is out of bounds for dimension 0 with size %zd: " ONE_ARRAY,
                            rows > 0, (Py_ssize_t)rows);
}

int error_hx_count(const struct request *request)
{
    return raise_hinted(PyExc_RuntimeError, request,
                        PyUnicode_FromFormat("%s expects two hidden states",
                                             request->callee->is_cell ? "lstm_cell" : "lstm"),
                        PyUnicode_FromString(""));
}

int error_hx_stacked(const struct request *request)
{
    const bool cell = request->callee->is_cell;
    /* One of two states with a batch axis. */
    const bool stacks_both =
        request->given == 2 && PyArray_NDIM(request->hx_items[0]) == (cell ? 2 : 3);

    return raise_hinted(
        PyExc_TypeError, request,
        PyUnicode_FromString(
            cell ? "lstm_cell(): argument 'hx' (position 2) must be tuple of Tensors, not Tensor"
                 : "lstm() received an invalid combination of arguments"),
        PyUnicode_FromString(stacks_both ? "if it stacks both, pass (hx[0], hx[1])" : ""));
}

/* ---- States of layers ---- */

int error_rnn_hx_ranks(const struct request *request)
{
    const char *kind = request->batched ? "batched 3-D" : "unbatched 2-D";
    const char *tail = "h_0 and c_0 are (num_layers*num_directions, batch, features)";

    if (!request->pair)
        return error_with_shape(
            PyExc_RuntimeError, request->hx_items[0],
            "For %s input, hx should also be %d-D but got %d-D tensor: hx is "
            "(num_layers*num_directions, %shidden_size)%s; it has shape ",
            kind, 2 + request->batched, PyArray_NDIM(request->hx_items[0]),
            request->batched ? "batch, " : "",
            request->batched ? "" : "; for a batch of one, give the input a batch axis too");
    if (!request->batched)
        tail = request->stacked ? "h_0 and c_0 are (num_layers*num_directions, features)"
                                : "h_0 and c_0 are (num_layers*num_directions, features); for a "
                                  "batch of one, give the input a batch axis too";
    return raise_hinted(
        PyExc_RuntimeError, request,
        PyUnicode_FromFormat("For %s input, hx and cx should also be %d-D but got (%d-D, %d-D) "
                             "tensors",
                             kind, 2 + request->batched, PyArray_NDIM(request->hx_items[0]),
                             PyArray_NDIM(request->hx_items[1])),
        PyUnicode_FromString(tail));
}

/* One hint on why a state's shape "got" is not "want", both with a batch axis. */
COLD static PyObject *hx_hint(const struct request *request, int index, const Py_ssize_t *got,
                              const Py_ssize_t *want)
{
    const struct rnn_net *net = request->net;
    const char *name = hx_name(request, index);

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
    if (got[1] == (Py_ssize_t)request->call.steps)
        return PyUnicode_FromFormat("; with batch_first=%s the batch is axis %d of the input",
                                    request->batch_first ? "True" : "False",
                                    request->batch_first ? 0 : 1);
    return PyUnicode_FromFormat("; the input has a batch of %zd", want[1]);
}

int error_rnn_hx_size(const struct request *request, int index)
{
    const struct rnn_net *net = request->net;
    PyArrayObject *hx_item = request->hx_items[index];
    const int last = PyArray_NDIM(hx_item) - 1;
    const Py_ssize_t want[3] = {net->num_layers * net->num_directions, request->call.batch,
                                index == 0 ? rnn_hidden_out(net) : net->hidden_size};
    const Py_ssize_t got[3] = {PyArray_DIM(hx_item, 0), last == 2 ? PyArray_DIM(hx_item, 1) : 1,
                               PyArray_DIM(hx_item, last)};
    PyObject *hint = hx_hint(request, index, got, want);
    PyObject *head =
        PyUnicode_FromFormat("Expected hidden%s size (%zd, %zd, %zd), got [%zd, %zd, %zd]",
                             !request->pair ? ""
                             : index == 0   ? "[0]"
                                            : "[1]",
                             want[0], want[1], want[2], got[0], got[1], got[2]);
    PyObject *tail = NULL;

    if (hint != NULL)
        tail =
            PyUnicode_FromFormat("%s is (num_layers*num_directions, %s%s)%U",
                                 hx_name(request, index), request->batched ? "batch, " : "",
                                 index == 0 && net->proj_size ? "proj_size" : "hidden_size", hint);
    Py_XDECREF(hint);
    return raise_hinted(PyExc_RuntimeError, request, head, tail);
}

/* ---- States of cells ---- */

COLD static const char *class_of(const struct request *request)
{
    return cells[request->net->kind].name;
}

/* Like raise_hinted(), but with the shape of state "index" after the tail. */
COLD static int raise_with_hx(PyObject *type, const struct request *request, int index,
                              PyObject *head, PyObject *tail)
{
    PyObject *shape, *text = NULL;

    if (request->stacked) /* the text has the shape of the whole */
        return raise_hinted(type, request, head, tail);
    shape = error_shape(-1, request->hx_items[index]);
    if (shape != NULL && tail != NULL)
        text = PyUnicode_FromFormat("%U; %s has shape %R", tail, request_hx_name(request, index),
                                    shape);
    Py_XDECREF(shape);
    Py_XDECREF(tail);
    return raise_hinted(type, request, head, text);
}

int error_cell_hx_rank(const struct request *request, int index)
{
    return raise_with_hx(
        PyExc_ValueError, request, index,
        PyUnicode_FromFormat("%sCell: Expected %s to be 1D or 2D, got %dD instead",
                             class_of(request),
                             request->pair ? request_hx_name(request, index) : "hidden",
                             PyArray_NDIM(request->hx_items[index])),
        PyUnicode_FromFormat("%s is (batch, hidden_size) or (hidden_size,), with hidden_size %zd",
                             hx_name(request, index), (Py_ssize_t)request->net->hidden_size));
}

int error_cell_mixed_ranks(const struct request *request, int index)
{
    const char *name = hx_name(request, index);
    const Py_ssize_t hidden_size = request->net->hidden_size;

    if (request->batched)
        return raise_with_hx(
            PyExc_RuntimeError, request, index,
            PyUnicode_FromFormat("%sCell: input is 2-D but %s is 1-D", class_of(request),
                                 request_hx_name(request, index)),
            PyUnicode_FromFormat("with input (batch, input_size), %s is (batch, hidden_size), here "
                                 "(%zd, %zd)",
                                 name, (Py_ssize_t)request->call.batch, hidden_size));
    return raise_with_hx(
        PyExc_RuntimeError, request, index,
        PyUnicode_FromFormat("%sCell: input is 1-D but %s is 2-D", class_of(request),
                             request_hx_name(request, index)),
        PyUnicode_FromFormat("with input (input_size,), %s is (hidden_size,), here (%zd,); for a "
                             "batch of one try input[None, :]",
                             name, hidden_size));
}

int error_cell_batch(const struct request *request, int index)
{
    return raise_hinted(
        PyExc_RuntimeError, request,
        PyUnicode_FromFormat("Input batch size %zd doesn't match hidden%d batch size %zd",
                             (Py_ssize_t)request->call.batch, index,
                             (Py_ssize_t)PyArray_DIM(request->hx_items[index], 0)),
        PyUnicode_FromString(request->pair
                                 ? "axis 0 of input, h_0 and c_0 is the batch, and states "
                                   "are not broadcast"
                                 : "axis 0 of input and hx is the batch, and hx is not "
                                   "broadcast"));
}

int error_cell_hx_size(const struct request *request, int index)
{
    PyArrayObject *hx_item = request->hx_items[index];

    return raise_hinted(
        PyExc_RuntimeError, request,
        PyUnicode_FromFormat("hidden%d has inconsistent hidden_size: got %zd, expected %zd", index,
                             (Py_ssize_t)PyArray_DIM(hx_item, PyArray_NDIM(hx_item) - 1),
                             (Py_ssize_t)request->net->hidden_size),
        PyUnicode_FromFormat("%s is %s", hx_name(request, index),
                             request->batched ? "(batch, hidden_size)" : "(hidden_size,)"));
}

#include "checks.h"

#include "arguments.h"
#include "arrays.h"
#include "call_errors.h"
#include "hx_errors.h"

/* ---- Of both ---- */

/* TypeError for what cannot be converted; finds out whether anything has to be. */
HOT static int check_real(struct request *request)
{
    const enum dtype dtype = request->net->kernels->dtype;

    request->fits = array_fits(request->x, dtype);
    if (!request->fits && array_check_real(request->x, "input") < 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        PyArrayObject *hx_item = request->hx_items[i];
        if (hx_item == NULL || array_fits(hx_item, dtype))
            continue;
        request->fits = false;
        if (array_check_real(hx_item, request_hx_name(request, i)) < 0)
            return -1;
    }
    return 0;
}

/* The length of the last axis. */
static ptrdiff_t features(PyArrayObject *array)
{
    return PyArray_DIM(array, PyArray_NDIM(array) - 1);
}

/* ---- Layers ---- */

/* A tuple or list of fewer than two states, of an LSTM: torch's indexing fails there. */
static int check_rnn_count(const struct request *request)
{
    if (request->hx == NULL || !request->pair || request->stacked || request->given >= 2)
        return 0;
    return error_hx_missing(request);
}

static int check_rnn_ranks(struct request *request)
{
    const int ndim = PyArray_NDIM(request->x);

    if (ndim != 2 && (request->packed || ndim != 3))
        return error_input_rank(request);
    request->batched = request->packed || ndim == 3;
    if (request->hx == NULL)
        return 0;
    const int rank = request->batched ? 3 : 2;
    if (PyArray_NDIM(request->hx_items[0]) != rank ||
        (request->pair && PyArray_NDIM(request->hx_items[1]) != rank))
        return error_rnn_hx_ranks(request);
    return 0;
}

COLD static int error_batch_sizes(const struct request *request)
{
    return error_raise(PyExc_ValueError,
                       "batch_sizes must be at least 1, not increase, and add up to the %zd rows "
                       "of the packed data",
                       (Py_ssize_t)request->rows);
}

/* Replaces batch_sizes by a private copy, which no other code can change during the call, and
 * checks the sizes against the rows of data. */
static int read_batch_sizes(struct request *request)
{
    PyArrayObject *given = request->batch_sizes;
    npy_intp total = 0, step = 0;

    request->rows = PyArray_DIM(request->x, 0);
    if (PyArray_NDIM(given) != 1 || !PyTypeNum_ISINTEGER(PyArray_TYPE(given)))
        return error_raise(PyExc_ValueError, "batch_sizes must be a 1-D array of int64");
    if (PyArray_DIM(given, 0) > request->rows)
        return error_batch_sizes(request); /* not copied: its length has no bound yet */
    request->batch_sizes = (PyArrayObject *)PyArray_FromArray(
        given, PyArray_DescrFromType(NPY_INT64),
        NPY_ARRAY_CARRAY | NPY_ARRAY_ENSURECOPY | NPY_ARRAY_FORCECAST);
    array_release(given);
    if (request->batch_sizes == NULL)
        return -1;
    const int64_t *size = PyArray_DATA(request->batch_sizes);
    request->call.steps = PyArray_DIM(request->batch_sizes, 0);
    request->call.batch = request->call.steps > 0 ? size[0] : 0;
    for (; step < request->call.steps; step++) {
        if (size[step] < 1 || size[step] > request->rows - total ||
            (step > 0 && size[step] > size[step - 1]))
            break;
        total += size[step];
    }
    if (step < request->call.steps || total < request->rows)
        return error_batch_sizes(request);
    return 0;
}

/* Reads the sequence length and the batch off the input. */
static int read_sizes(struct request *request)
{
    PyArrayObject *x = request->x;
    const int batch_axis = request->batch_first ? 0 : 1;

    if (request->packed)
        return read_batch_sizes(request);
    request->call.batch = request->batched ? PyArray_DIM(x, batch_axis) : 1;
    request->call.steps = request->rows = PyArray_DIM(x, request->batched ? 1 - batch_axis : 0);
    return 0;
}

static bool rnn_hx_size_is_right(const struct request *request, int index)
{
    const struct rnn_net *net = request->net;
    PyArrayObject *hx_item = request->hx_items[index];

    return PyArray_DIM(hx_item, 0) == net->num_layers * net->num_directions &&
           (!request->batched || PyArray_DIM(hx_item, 1) == request->call.batch) &&
           features(hx_item) == (index == 0 ? rnn_hidden_out(net) : net->hidden_size);
}

static int check_rnn_sizes(const struct request *request)
{
    if (features(request->x) != request->net->input_size)
        return error_input_size(request);
    for (int index = 0; index < 2; index++)
        if (request->hx_items[index] != NULL && !rnn_hx_size_is_right(request, index))
            return error_rnn_hx_size(request, index);
    if (request->stacked && request->batched)
        return error_hx_stacked(request);
    if (request->pair && request->hx != NULL && request->given != 2)
        return error_hx_count(request);
    if (request->call.steps == 0)
        return error_no_steps(request);
    return 0;
}

static int check_rnn(struct request *request)
{
    return check_rnn_count(request) < 0 || check_rnn_ranks(request) < 0 ||
                   check_real(request) < 0 || read_sizes(request) < 0
               ? -1
               : check_rnn_sizes(request);
}

/* ---- Cells ---- */

/* A class made of both types, or an object whose __class__ was set, may hold a layer's weights. */
static int check_cell_net(const struct request *request)
{
    const struct rnn_net *net = request->net;

    if (net->num_layers == 1 && net->num_directions == 1 && net->proj_size == 0)
        return 0;
    return error_not_of_a_cell(request);
}

static int check_cell_ranks(struct request *request)
{
    const int ndim = PyArray_NDIM(request->x);

    if (ndim != 1 && ndim != 2)
        return error_input_rank(request);
    request->batched = ndim == 2;
    request->call.batch = ndim == 2 ? PyArray_DIM(request->x, 0) : 1;
    request->call.steps = 1;
    for (int index = 0; index < 2; index++) {
        PyArrayObject *hx_item = request->hx_items[index];
        if (hx_item != NULL && PyArray_NDIM(hx_item) != 1 && PyArray_NDIM(hx_item) != 2)
            return error_cell_hx_rank(request, index);
    }
    return 0;
}

/* Of an RNNCell: takes the nonlinearity that the object has now. */
static int check_nonlinearity(struct request *request)
{
    int kind;

    if (request->net->kind != CELL_RNN_TANH)
        return 0;
    kind = request->self->nonlinearity;
    if (kind == CELL_RNN_TANH)
        return 0;
    if (kind < 0)
        return error_nonlinearity(request);
    request->other_net = *request->net;
    request->other_net.kind = (enum cell_kind)kind;
    request->net = &request->other_net;
    return 0;
}

static int check_cell_hx_item(const struct request *request, int index)
{
    PyArrayObject *hx_item = request->hx_items[index];

    if ((PyArray_NDIM(hx_item) == 2) != request->batched)
        return error_cell_mixed_ranks(request, index);
    if (request->batched && PyArray_DIM(hx_item, 0) != request->call.batch)
        return error_cell_batch(request, index);
    if (features(hx_item) != request->net->hidden_size)
        return error_cell_hx_size(request, index);
    return 0;
}

static int check_cell_sizes(const struct request *request)
{
    if (request->stacked && request->batched)
        return error_hx_stacked(request);
    if (request->pair && request->hx != NULL && request->given != 2)
        return error_hx_count(request);
    if (features(request->x) != request->net->input_size)
        return error_input_size(request);
    for (int index = 0; index < 2; index++)
        if (request->hx_items[index] != NULL && check_cell_hx_item(request, index) < 0)
            return -1;
    return 0;
}

static int check_cell(struct request *request)
{
    return check_cell_net(request) < 0 || check_cell_ranks(request) < 0 ||
                   check_nonlinearity(request) < 0 || check_real(request) < 0
               ? -1
               : check_cell_sizes(request);
}

HOT int request_check(struct request *request)
{
    return request->callee->is_cell ? check_cell(request) : check_rnn(request);
}

/* One call of LSTM, dense or packed: checks in torch's order, results, the core. */
#include "pylstm.h"

/* ---- Checks, in torch's order ---- */

static int check_ranks(struct request *request)
{
    const int ndim = PyArray_NDIM(request->x);

    if (ndim != 2 && (request->packed || ndim != 3))
        return error_rnn_input_rank(request);
    request->batched = request->packed || ndim == 3;
    if (request->given == 0 && !request->stacked)
        return 0;
    const int rank = request->batched ? 3 : 2;
    if (PyArray_NDIM(request->hx_items[0]) != rank || PyArray_NDIM(request->hx_items[1]) != rank)
        return error_rnn_hx_ranks(request);
    return 0;
}

/* Reads the sequence length and the batch off the input. */
static void read_sizes(struct request *request)
{
    PyArrayObject *x = request->x;
    const int batch_axis = request->batch_first ? 0 : 1;

    request->batch = request->batched ? PyArray_DIM(x, batch_axis) : 1;
    request->steps = request->rows = PyArray_DIM(x, request->batched ? 1 - batch_axis : 0);
}

static bool hx_size_is_right(const struct request *request, int index)
{
    const struct rnn_net *net = &request->snapshot->net;
    PyArrayObject *hx_item = request->hx_items[index];
    const int last = request->batched ? 2 : 1;

    return PyArray_DIM(hx_item, 0) == net->num_layers * net->num_directions &&
           (!request->batched || PyArray_DIM(hx_item, 1) == request->batch) &&
           PyArray_DIM(hx_item, last) == (index == 0 ? rnn_hidden_out(net) : net->hidden_size);
}

static int check_sizes(const struct request *request)
{
    if (PyArray_DIM(request->x, PyArray_NDIM(request->x) - 1) != request->snapshot->net.input_size)
        return error_rnn_input_size(request);
    for (int index = 0; index < 2; index++)
        if (request->hx_items[index] != NULL && !hx_size_is_right(request, index))
            return error_rnn_hx_size(request, index);
    if (request->stacked && request->batched)
        return error_rnn_stacked(request);
    if (request->hx_items[0] != NULL && request->given != 2)
        return error_rnn_hx_count(request);
    if (request->steps == 0)
        return error_rnn_no_steps(request);
    return 0;
}

/* A tuple or list of fewer than two states: torch's indexing fails there. */
static int check_count(const struct arguments *arguments, const struct request *request)
{
    if (arguments->hx == NULL || request->stacked || request->given >= 2)
        return 0;
    return error_hx_missing(request);
}

/* ---- The call ---- */

/* Fresh arrays for output, h_n and c_n. Returns (output, (h_n, c_n)) with borrowed pointers
 * to its three arrays in "arrays". */
static PyObject *new_results(const struct request *request, PyArrayObject *arrays[3])
{
    struct module_state *module_state = request->self->module_state;
    const struct rnn_net *net = &request->snapshot->net;
    const enum dtype dtype = net->kernels->dtype;
    const ptrdiff_t layers = net->num_layers * net->num_directions;
    const ptrdiff_t out = rnn_hidden_out(net);
    const ptrdiff_t width = net->num_directions * out;
    const bool batched = request->batched;
    const npy_intp sequence[3] = {request->batch_first ? request->batch : request->steps,
                                  request->batch_first ? request->steps : request->batch, width};
    const npy_intp flat[2] = {request->rows, width};
    const npy_intp h_dims[3] = {layers, batched ? request->batch : out, out};
    const npy_intp c_dims[3] = {layers, batched ? request->batch : net->hidden_size,
                                net->hidden_size};
    PyObject *hx_n = NULL, *result = NULL;

    if (batched && !request->packed)
        arrays[0] = array_new(module_state, dtype, 3, sequence);
    else
        arrays[0] = array_new(module_state, dtype, 2, flat);
    arrays[1] = array_new(module_state, dtype, batched ? 3 : 2, h_dims);
    arrays[2] = array_new(module_state, dtype, batched ? 3 : 2, c_dims);
    if (arrays[0] != NULL && arrays[1] != NULL && arrays[2] != NULL)
        hx_n = PyTuple_Pack(2, arrays[1], arrays[2]);
    if (hx_n != NULL)
        result = PyTuple_Pack(2, arrays[0], hx_n);
    Py_XDECREF(hx_n);
    for (int i = 0; i < 3; i++)
        array_release(arrays[i]);
    return result;
}

static bool has_batch_first(const struct request *request)
{
    return request->batched && !request->packed && request->batch_first;
}

/* Fills "call" with all but where the results are. */
static int begin(struct request *request, struct rnn_call *call)
{
    const struct rnn_net *net = &request->snapshot->net;
    const enum dtype dtype = net->kernels->dtype;
    const int step_axis = has_batch_first(request) ? 1 : 0;

    if (request_begin(request, call) < 0)
        return -1;
    if (request->batch_sizes != NULL)
        call->batch_sizes = PyArray_DATA(request->batch_sizes);
    if (request->self->training && net->num_layers > 1)
        call->dropout = request->self->dropout;
    call->x_step = array_stride(request->x, step_axis, dtype);
    call->x_row = call->x_step; /* packed: row after row; unbatched: there is one */
    if (request->batched && !request->packed)
        call->x_row = array_stride(request->x, 1 - step_axis, dtype);
    return 0;
}

/* Points "call" at the results. That these could be made bounds the products. */
static void set_results(const struct request *request, PyArrayObject *const arrays[3],
                        struct rnn_call *call)
{
    const struct rnn_net *net = &request->snapshot->net;
    const ptrdiff_t width = net->num_directions * rnn_hidden_out(net);
    const bool batch_first = has_batch_first(request);

    call->y = PyArray_DATA(arrays[0]);
    call->y_step = batch_first ? width : request->batch * width;
    call->y_row = batch_first ? request->steps * width : width;
    call->h_n = PyArray_DATA(arrays[1]);
    call->c_n = PyArray_DATA(arrays[2]);
}

/* Runs a request that has passed all checks. */
static PyObject *run(struct request *request)
{
    struct rnn_call call;
    PyArrayObject *arrays[3];
    PyObject *result;
    int status;

    if (begin(request, &call) < 0)
        return NULL;
    do {
        result = request->results = new_results(request, arrays);
        if (result == NULL)
            return NULL;
        set_results(request, arrays, &call);
        status = request_run(request, &call);
    } while (status == REQUEST_AGAIN);
    if (status < 0)
        Py_CLEAR(result);
    return result;
}

PyObject *rnn_run_dense(layer_object *self, const struct arguments *arguments)
{
    struct request request;
    PyObject *result = NULL;

    if (request_open(&request, self, arguments) < 0)
        goto done;
    if (check_count(arguments, &request) < 0 || check_ranks(&request) < 0 ||
        request_check_real(&request) < 0)
        goto done;
    read_sizes(&request);
    if (check_sizes(&request) < 0)
        goto done;
    result = run(&request);
done:
    request_clear(&request);
    return result;
}

/* ---- Packed sequences ---- */

/* A private copy of batch_sizes (no one can change it during the call), checked against the
 * rows of data; sets steps and batch. */
static PyArrayObject *read_batch_sizes(struct request *request, PyArrayObject *given)
{
    PyArrayObject *sizes = NULL;
    const npy_intp rows = request->rows = PyArray_DIM(request->x, 0);
    npy_intp total = 0, step = 0;

    if (PyArray_NDIM(given) != 1 || !PyTypeNum_ISINTEGER(PyArray_TYPE(given))) {
        PyErr_SetString(PyExc_ValueError, "batch_sizes must be a 1-D array of int64");
        return NULL;
    }
    if (PyArray_DIM(given, 0) > rows)
        goto wrong; /* not copied: its length has no bound yet */
    sizes = (PyArrayObject *)PyArray_FromArray(given, PyArray_DescrFromType(NPY_INT64),
                                               NPY_ARRAY_CARRAY | NPY_ARRAY_ENSURECOPY |
                                                   NPY_ARRAY_FORCECAST);
    if (sizes == NULL)
        return NULL;
    const int64_t *size = PyArray_DATA(sizes);
    request->steps = PyArray_DIM(sizes, 0);
    request->batch = request->steps > 0 ? size[0] : 0;
    for (; step < request->steps; step++) {
        if (size[step] < 1 || size[step] > rows - total ||
            (step > 0 && size[step] > size[step - 1]))
            break;
        total += size[step];
    }
    if (step == request->steps && total == rows)
        return sizes;
wrong:
    PyErr_Format(PyExc_ValueError,
                 "batch_sizes must be at least 1, not increase, and add up to the %zd rows of the "
                 "packed data",
                 (Py_ssize_t)rows);
    array_release(sizes);
    return NULL;
}

PyObject *rnn_run_packed(layer_object *self, PyObject *data, PyObject *batch_sizes, PyObject *hx)
{
    const struct arguments arguments = {data, hx};
    struct request request;
    PyArrayObject *given = NULL, *sizes = NULL;
    PyObject *result = NULL;

    if (request_open(&request, self, &arguments) < 0)
        goto done;
    /* Before the checks: opening may run code that changes the other arrays. */
    given = array_open(batch_sizes, "batch_sizes");
    if (given == NULL || request_detach(&request) < 0)
        goto done;
    request.packed = true;
    if (check_ranks(&request) < 0 || request_check_real(&request) < 0)
        goto done;
    sizes = request.batch_sizes = read_batch_sizes(&request, given);
    if (sizes != NULL && check_sizes(&request) == 0)
        result = run(&request);
done:
    request_clear(&request);
    array_release(given);
    array_release(sizes);
    return result;
}

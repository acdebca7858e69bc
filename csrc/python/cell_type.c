/* _core.LSTMCell: the call of torch.nn.LSTMCell.
 *
 *     class LSTMCell(Layer):
 *         def _build(self, input_size: int, hidden_size: int, bias: bool, dtype: str, /): ...
 *         def forward(self, input, hx=None): ...
 *         def __call__(self, input, hx=None): ...
 */
#include "pylstm.h"

/* ---- Checks, in torch's order ---- */

/* A class made of both types, or an object whose __class__ was set, may hold an LSTM's weights. */
static int check_net(const struct request *request)
{
    const struct rnn_net *net = &request->snapshot->net;

    if (net->num_layers == 1 && net->num_directions == 1 && net->proj_size == 0)
        return 0;
    PyErr_SetString(
        PyExc_TypeError,
        "LSTMCell.forward() needs the parameters of an LSTMCell, and these are those of "
        "an LSTM with several layers, directions or a projection");
    return -1;
}

static int check_ranks(struct request *request)
{
    const int ndim = PyArray_NDIM(request->x);

    if (ndim != 1 && ndim != 2)
        return error_cell_input_rank(request);
    request->batched = ndim == 2;
    request->batch = ndim == 2 ? PyArray_DIM(request->x, 0) : 1;
    request->steps = 1;
    for (int index = 0; index < 2; index++) {
        PyArrayObject *hx_item = request->hx_items[index];
        if (hx_item != NULL && PyArray_NDIM(hx_item) != 1 && PyArray_NDIM(hx_item) != 2)
            return error_cell_hx_rank(request, index);
    }
    return 0;
}

static int check_hx(const struct request *request, int index)
{
    PyArrayObject *hx_item = request->hx_items[index];
    const int ndim = PyArray_NDIM(hx_item);

    if ((ndim == 2) != request->batched)
        return error_cell_mixed_ranks(request, index);
    if (request->batched && PyArray_DIM(hx_item, 0) != request->batch)
        return error_cell_batch(request, index);
    if (PyArray_DIM(hx_item, ndim - 1) != request->snapshot->net.hidden_size)
        return error_cell_hx_size(request, index);
    return 0;
}

static int check_sizes(const struct request *request, bool has_states)
{
    PyArrayObject *x = request->x;

    if (request->stacked && request->batched)
        return error_cell_stacked(request);
    if (has_states && request->given != 2)
        return error_cell_hx_count(request);
    if (PyArray_DIM(x, PyArray_NDIM(x) - 1) != request->snapshot->net.input_size)
        return error_cell_input_size(request);
    for (int index = 0; index < 2; index++)
        if (has_states && check_hx(request, index) < 0)
            return -1;
    return 0;
}

/* ---- The call ---- */

/* Fresh arrays for h and c. Returns (h, c) with borrowed pointers to them in "arrays". */
static PyObject *new_results(const struct request *request, PyArrayObject *arrays[2])
{
    struct module_state *module_state = request->self->module_state;
    const struct rnn_net *net = &request->snapshot->net;
    const int ndim = request->batched ? 2 : 1;
    const npy_intp dims[2] = {request->batched ? request->batch : net->hidden_size,
                              net->hidden_size};
    PyObject *result = NULL;

    arrays[0] = array_new(module_state, net->kernels->dtype, ndim, dims);
    arrays[1] = array_new(module_state, net->kernels->dtype, ndim, dims);
    if (arrays[0] != NULL && arrays[1] != NULL)
        result = PyTuple_Pack(2, arrays[0], arrays[1]);
    array_release(arrays[0]);
    array_release(arrays[1]);
    return result;
}

/* Runs a request that has passed all checks. */
static PyObject *run(struct request *request)
{
    const struct rnn_net *net = &request->snapshot->net;
    PyArrayObject *arrays[2];
    struct rnn_call call;
    PyObject *result;
    int status;

    if (request_begin(request, &call) < 0)
        return NULL;
    call.x_row = request->batched ? array_stride(request->x, 0, net->kernels->dtype) : 0;
    call.y_step = 0;
    call.y_row = net->hidden_size;
    do {
        result = request->results = new_results(request, arrays);
        if (result == NULL)
            return NULL;
        call.y = call.h_n = PyArray_DATA(arrays[0]); /* one step's output is its h */
        call.c_n = PyArray_DATA(arrays[1]);
        status = request_run(request, &call);
    } while (status == REQUEST_AGAIN);
    if (status < 0)
        Py_CLEAR(result);
    return result;
}

PyDoc_STRVAR(
    forward_doc,
    "forward($self, input, hx=None)\n--\n\n"
    "Run one step.\n\n"
    "Parameters\n----------\n"
    "input : array_like\n"
    "    ``(N, input_size)`` or, unbatched, ``(input_size,)``. Real numbers of any dtype\n"
    "    are converted to the module's dtype (torch would raise).\n"
    "hx : tuple or list of two array_like, optional\n"
    "    ``(h_0, c_0)``, each ``(N, hidden_size)`` or ``(hidden_size,)``; zeros if omitted.\n\n"
    "Returns\n-------\n"
    "(h_1, c_1) : tuple of numpy.ndarray\n"
    "    The states after the step: new, C-contiguous arrays.\n\n"
    "Raises\n------\n"
    "ValueError, RuntimeError\n"
    "    Where shapes do not fit, with the types and texts of torch.\n"
    "TypeError\n"
    "    For complex, boolean, object, string, date and masked arrays.\n\n"
    "Notes\n-----\n"
    "Mirrors ``torch.nn.LSTMCell.forward``,\n"
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTMCell.html\n\n"
    "Examples\n--------\n"
    ">>> import numpy as np\n"
    ">>> import pylstm as nn\n"
    ">>> cell = nn.LSTMCell(3, 4)\n"
    ">>> h, c = cell(np.ones((2, 3)))\n"
    ">>> h, c = cell(np.ones((2, 3)), (h, c))\n"
    ">>> h.shape\n"
    "(2, 4)");

static PyObject *cell_run(layer_object *self, struct arguments arguments)
{
    struct request request;
    PyObject *result = NULL;

    if (request_open(&request, self, &arguments) == 0 && check_net(&request) == 0 &&
        check_ranks(&request) == 0 && request_check_real(&request) == 0 &&
        check_sizes(&request, arguments.hx != NULL) == 0)
        result = run(&request);
    request_clear(&request);
    return result;
}

static PyObject *cell_forward(PyObject *self, PyObject *const *args, Py_ssize_t count,
                              PyObject *names)
{
    return layer_forward(self, &cell_entry, args, count, names);
}

static PyObject *cell_call_slot(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return layer_call_slot(self, &cell_entry, args, kwargs);
}

const struct layer_call cell_entry = {"LSTMCell.forward", cell_call_slot, cell_run};

/* ---- Construction ---- */

PyDoc_STRVAR(build_doc, "_build($self, input_size, hidden_size, bias, dtype, /)\n--\n\n"
                        "Allocate the parameters, all zero.");

static PyObject *cell_build(PyObject *self, PyObject *args)
{
    Py_ssize_t input_size, hidden_size;
    int bias, dtype;
    const char *name;

    if (!PyArg_ParseTuple(args, "nnps:_build", &input_size, &hidden_size, &bias, &name))
        return overflow_is_memory_error();
    dtype = dtype_from_name(name);
    if (dtype < 0)
        return NULL;
    if (input_size < 0 || hidden_size < 0) {
        PyErr_SetString(PyExc_ValueError, "_build() takes sizes that are not negative");
        return NULL;
    }
    const struct rnn_net net = {
        .kernels = kernels_current((enum dtype)dtype),
        .input_size = input_size,
        .hidden_size = hidden_size,
        .num_layers = 1,
        .num_directions = 1,
        .bias = bias,
    };
    if (layer_build((layer_object *)self, &net, true) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef cell_methods[] = {
    {"_build", cell_build, METH_VARARGS, build_doc},
    {"forward", (PyCFunction)(void (*)(void))cell_forward, METH_FASTCALL | METH_KEYWORDS,
     forward_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(cell_doc, "The C half of pylstm.LSTMCell.");

static PyType_Slot cell_slots[] = {
    {Py_tp_doc, (void *)cell_doc},
    {Py_tp_call, SLOT_FUNCTION(cell_call_slot)},
    {Py_tp_methods, cell_methods},
    {Py_tp_members, layer_members},
    {0, NULL},
};

PyType_Spec cell_type_spec = {
    .name = "pylstm._core.LSTMCell",
    .basicsize = sizeof(layer_object),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE | LAYER_HAS_VECTORCALL,
    .slots = cell_slots,
};

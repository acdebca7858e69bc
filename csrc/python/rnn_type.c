/* _core.RNN: the call of torch.nn.LSTM, torch.nn.GRU and torch.nn.RNN. Which of them an object is,
 * its weights say, from _build() on.
 *
 *     class RNN(Layer):
 *         batch_first: bool
 *         dropout: float
 *         def _build(self, mode: str, input_size: int, hidden_size: int, *, num_layers: int = 1,
 *                    bias: bool = True, bidirectional: bool = False, proj_size: int = 0,
 *                    dtype: str = "float32", reverse: bool = False, peepholes: bool = False,
 *                    reset_after: bool = True, gate_activation: str = "sigmoid",
 *                    activation: str = "tanh", cell_clip: float = 0.0,
 *                    weights: str | None = None) -> None: ...
 *         def forward(self, input, hx=None, *, lengths=None, reset=None, out=None): ...
 *         def __call__(self, input, hx=None, *, lengths=None, reset=None, out=None): ...
 *         def _run_packed(self, data, batch_sizes, hx, /): ...
 *         def _run_trace(self, input, hx, lengths, reset, names, /): ...
 */
#include "rnn_type.h"

#include "call.h"
#include "errors.h"
#include "form.h"
#include "layer.h"
#include "variant.h"

/* ---- Calls, which are in call.c ---- */

PyDoc_STRVAR(
    forward_doc,
    "forward($self, input, hx=None, *, lengths=None, reset=None, out=None)"
    "\n--\n\n"
    "Run the network over a sequence.\n\n"
    "Parameters\n----------\n"
    "input : array_like or PackedSequence\n"
    "    ``(L, N, input_size)``, with ``batch_first=True`` ``(N, L, input_size)``, or\n"
    "    unbatched ``(L, input_size)``. Real numbers of any dtype are converted to the\n"
    "    module's dtype (torch would raise).\n"
    "hx : array_like, or of an LSTM a tuple or list of two, optional\n"
    "    ``h_0``, of an LSTM ``(h_0, c_0)``: of shapes ``(D*num_layers, N, H_out)`` and\n"
    "    ``(D*num_layers, N, hidden_size)``, without the batch axis for unbatched input;\n"
    "    zeros if omitted. D is 2 if bidirectional, else 1; H_out is hidden_size, or the\n"
    "    proj_size of an LSTM that has one. Never batch-first.\n"
    "lengths : array_like of int, optional\n"
    "    ``(N,)``, in any order: how many steps each sequence has, from 1 to L. The results\n"
    "    equal those of the packed sequences in every bit: the states are those after the\n"
    "    last step of each sequence, the reverse direction begins at that step, and the\n"
    "    output, which keeps all L steps, is 0 beyond it. Only with batched input.\n"
    "reset : array_like of bool, optional\n"
    "    ``(L, N)``, with ``batch_first=True`` ``(N, L)``, or unbatched ``(L,)``: where it is\n"
    "    True, a new sequence begins at this step, from zero states, in both directions. hx\n"
    "    belongs to the first sequence of a row, in the reverse direction to the last. Not\n"
    "    together with lengths, and neither of them with a packed sequence.\n"
    "out : tuple or list, optional\n"
    "    Arrays for the results, in the structure of the results: ``(output, h_n)``, of an LSTM\n"
    "    ``(output, (h_n, c_n))``. They are written and returned; a call that converts nothing\n"
    "    allocates no array. Each has the shape of the result and the module's dtype, is writable\n"
    "    and contiguous in its last axis, and shares memory with no other array of the call,\n"
    "    except that a state may be the same array as that state of hx. All of that is checked\n"
    "    before anything is written. After a KeyboardInterrupt the values are undefined. Not\n"
    "    together with a packed sequence.\n\n"
    "Returns\n-------\n"
    "output : numpy.ndarray or PackedSequence\n"
    "    ``(L, N, D*H_out)``, ``(N, L, D*H_out)`` or ``(L, D*H_out)``.\n"
    "h_n : numpy.ndarray, or of an LSTM ``(h_n, c_n)``, a tuple of two\n"
    "    Shaped as h_0 and c_0. All results are new, C-contiguous arrays unless out is given.\n\n"
    "Raises\n------\n"
    "ValueError, RuntimeError\n"
    "    Where shapes do not fit, with the types and texts of torch. ValueError where lengths,\n"
    "    reset or out do not fit.\n"
    "TypeError\n"
    "    For complex, boolean, object, string, date and masked arrays as input or hx; for an\n"
    "    hx that is a pair where it should be one array, or the other way round; for lengths\n"
    "    that are not integers, a reset that is not of bools, an out of another dtype.\n\n"
    "Notes\n-----\n"
    "Mirrors the method ``forward`` of ``torch.nn.LSTM``, ``torch.nn.GRU`` and\n"
    "``torch.nn.RNN``,\n"
    "https://docs.pytorch.org/docs/stable/nn.html#recurrent-layers\n"
    "torch has neither lengths, reset nor out.\n\n"
    "Examples\n--------\n"
    ">>> import numpy as np\n"
    ">>> import pylstm as nn\n"
    ">>> lstm = nn.LSTM(input_size=3, hidden_size=4)\n"
    ">>> output, (h_n, c_n) = lstm(np.ones((5, 2, 3)))\n"
    ">>> output.shape, h_n.shape\n"
    "((5, 2, 4), (1, 2, 4))\n"
    ">>> output, h_n = nn.GRU(3, 4)(np.ones((5, 2, 3)))\n"
    ">>> h_n.shape\n"
    "(1, 2, 4)\n"
    ">>> output, _ = lstm(np.ones((5, 2, 3)), lengths=[5, 3])\n"
    ">>> bool(output[3:, 1].any())  # beyond the end of the second sequence\n"
    "False");

PyDoc_STRVAR(run_packed_doc,
             "_run_packed($self, data, batch_sizes, hx, /)\n--\n\n"
             "Run over packed data [total, input_size], batch_sizes[t] rows in step t.\n\n"
             "The states, [layers, batch_sizes[0], features], or None, are in the order of the\n"
             "packed sequences. Returns what forward() returns.");

PyDoc_STRVAR(
    run_trace_doc,
    "_run_trace($self, input, hx, lengths, reset, names, /)\n--\n\n"
    "Return what forward() returns and a tuple of the arrays called \"names\", a tuple.\n\n"
    "Each is (num_layers, D, L, N, hidden_size), without N for unbatched input.");

/* ---- Construction and attributes ---- */

PyDoc_STRVAR(build_doc,
             "_native_build($self, mode, input_size, hidden_size, *, num_layers=1, bias=True,\n"
             "       bidirectional=False, proj_size=0, dtype='float32', reverse=False,\n"
             "       peepholes=False, reset_after=True, gate_activation='sigmoid',\n"
             "       activation='tanh', cell_clip=0.0, weights=None)\n--\n\n"
             "Allocate the parameters, all zero. The mode is that of torch, such as \"RNN_TANH\".");

static PyObject *rnn_build(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {
        "mode",       "input_size", "hidden_size", "num_layers", "bias",        "bidirectional",
        "proj_size",  "dtype",      "reverse",     "peepholes",  "reset_after", "gate_activation",
        "activation", "cell_clip",  "weights",     NULL};
    Py_ssize_t input_size, hidden_size, num_layers = 1, proj_size = 0;
    int bias = 1, bidirectional = 0, reverse = 0, kind;
    const char *mode, *dtype = "float32", *weights = NULL;
    const struct rnn_kernels *kernels;
    struct variant_arguments given = VARIANT_DEFAULTS;
    struct cell_variant variant;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "snn|$nppnspppssdz:_native_build",
                                     KEYWORDS(names), &mode, &input_size, &hidden_size, &num_layers,
                                     &bias, &bidirectional, &proj_size, &dtype, &reverse,
                                     &given.peepholes, &given.reset_after, &given.gate_activation,
                                     &given.activation, &given.cell_clip, &weights))
        return error_overflow();
    kind = layer_kind_from_mode(mode);
    kernels = kind < 0 ? NULL : form_kernels(dtype, weights);
    if (kernels == NULL || variant_read((enum cell_kind)kind, &given, &variant) < 0)
        return NULL;
    if (input_size < 1 || hidden_size < 1 || num_layers < 1 || proj_size < 0 ||
        proj_size >= hidden_size || (proj_size > 0 && !cells[kind].may_project) ||
        (reverse && bidirectional)) {
        PyErr_SetString(
            PyExc_ValueError,
            "_native_build() takes sizes of at least 1, of an LSTM alone a proj_size, which "
            "is below hidden_size, and reverse for one direction");
        return NULL;
    }
    const struct rnn_net net = {
        .kernels = kernels,
        .kind = (enum cell_kind)kind,
        .input_size = input_size,
        .hidden_size = hidden_size,
        .proj_size = proj_size,
        .num_layers = num_layers,
        .num_directions = bidirectional ? 2 : 1,
        .bias = bias,
        .reverse = reverse,
        .variant = variant,
    };
    return layer_build(self, &net, false);
}

static PyObject *get_dropout(PyObject *self, void *closure)
{
    (void)closure;
    return PyFloat_FromDouble(((layer_object *)self)->dropout);
}

static int set_dropout(PyObject *self, PyObject *value, void *closure)
{
    double dropout;

    (void)closure;
    if (value == NULL)
        return error_raise(PyExc_AttributeError, "dropout cannot be deleted");
    dropout = PyFloat_AsDouble(value);
    if (dropout == -1.0 && PyErr_Occurred())
        return -1;
    if (!(dropout >= 0.0 && dropout <= 1.0)) /* NaN too */
        return error_raise(
            PyExc_ValueError,
            "dropout should be a number in range [0, 1] representing the probability of "
            "an element being zeroed, got %R",
            value);
    ((layer_object *)self)->dropout = dropout;
    return 0;
}

static struct layer_flag batch_first = {"batch_first", offsetof(layer_object, batch_first)};

static PyGetSetDef rnn_getset[] = {
    {"batch_first", layer_get_flag, layer_set_flag, "Batched input has the batch first.",
     &batch_first},
    {"dropout", get_dropout, set_dropout, "Dropout between layers, in training.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef rnn_methods[] = {
    {"_native_build", (PyCFunction)(void (*)(void))rnn_build, METH_VARARGS | METH_KEYWORDS,
     build_doc},
    {"forward", (PyCFunction)(void (*)(void))rnn_forward_method, METH_FASTCALL | METH_KEYWORDS,
     forward_doc},
    {"_run_packed", rnn_run_packed_method, METH_VARARGS, run_packed_doc},
    {"_run_trace", rnn_run_trace_method, METH_VARARGS, run_trace_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(rnn_doc, "The C half of pylstm.LSTM, pylstm.GRU and pylstm.RNN.");

static PyType_Slot rnn_slots[] = {
    {Py_tp_doc, (void *)rnn_doc},   {Py_tp_call, SLOT_FUNCTION(rnn_call_slot)},
    {Py_tp_getset, rnn_getset},     {Py_tp_methods, rnn_methods},
    {Py_tp_members, layer_members}, {0, NULL},
};

PyType_Spec rnn_type_spec = {
    .name = "pylstm._core.RNN",
    .basicsize = sizeof(layer_object),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE | LAYER_HAS_VECTORCALL,
    .slots = rnn_slots,
};

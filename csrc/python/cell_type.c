/* _core.Cell: the call of torch.nn.LSTMCell, torch.nn.GRUCell and torch.nn.RNNCell. Which of them an
 * object is, its weights say, from _build() on.
 *
 *     class Cell(Layer):
 *         _mode: str | None
 *         def _native_set_nonlinearity(self, value, mode: str | None, /) -> None: ...
 *         def _build(self, mode: str, input_size: int, hidden_size: int, *, bias: bool = True,
 *                    dtype: str = "float32", peepholes: bool = False, reset_after: bool = True,
 *                    gate_activation: str = "sigmoid", activation: str = "tanh",
 *                    cell_clip: float = 0.0, weights: str | None = None) -> None: ...
 *         def forward(self, input, hx=None, *, out=None): ...
 *         def __call__(self, input, hx=None, *, out=None): ...
 */
#include "cell_type.h"

#include "call.h"
#include "errors.h"
#include "form.h"
#include "layer.h"
#include "variant.h"

PyDoc_STRVAR(
    forward_doc,
    "forward($self, input, hx=None, *, out=None)\n--\n\n"
    "Run one step.\n\n"
    "Parameters\n----------\n"
    "input : array_like\n"
    "    ``(N, input_size)`` or, unbatched, ``(input_size,)``. Real numbers of any dtype\n"
    "    are converted to the module's dtype (torch would raise).\n"
    "hx : array_like, or of an LSTMCell a tuple or list of two, optional\n"
    "    ``h_0``, of an LSTMCell ``(h_0, c_0)``: each ``(N, hidden_size)`` or\n"
    "    ``(hidden_size,)``; zeros if omitted.\n"
    "out : numpy.ndarray, or of an LSTMCell a tuple or list of two, optional\n"
    "    Arrays for the results, which are written and returned: ``h_1``, of an LSTMCell\n"
    "    ``(h_1, c_1)``. A call that converts nothing allocates no array. Each has the shape of\n"
    "    the result and the module's dtype, is writable and contiguous in its last axis, and\n"
    "    shares memory with no other array of the call, except that a state may be the same array\n"
    "    as that state of hx. All of that is checked before anything is written.\n\n"
    "Returns\n-------\n"
    "h_1 : numpy.ndarray, or of an LSTMCell ``(h_1, c_1)``, a tuple of two\n"
    "    The state after the step: new, C-contiguous arrays, or those given as out.\n\n"
    "Raises\n------\n"
    "ValueError, RuntimeError\n"
    "    Where shapes do not fit, with the types and texts of torch. ValueError where out does\n"
    "    not fit.\n"
    "TypeError\n"
    "    For complex, boolean, object, string, date and masked arrays; for an hx that is a pair\n"
    "    where it should be one array, or the other way round; for an out of another dtype.\n\n"
    "Notes\n-----\n"
    "Mirrors the method ``forward`` of ``torch.nn.LSTMCell``, ``torch.nn.GRUCell`` and\n"
    "``torch.nn.RNNCell``,\n"
    "https://docs.pytorch.org/docs/stable/nn.html#recurrent-layers\n"
    "torch has no out.\n\n"
    "Examples\n--------\n"
    ">>> import numpy as np\n"
    ">>> import pylstm as nn\n"
    ">>> cell = nn.LSTMCell(3, 4)\n"
    ">>> h, c = cell(np.ones((2, 3)))\n"
    ">>> h, c = cell(np.ones((2, 3)), (h, c))\n"
    ">>> h.shape\n"
    "(2, 4)\n"
    ">>> nn.GRUCell(3, 4)(np.ones((2, 3)), h).shape\n"
    "(2, 4)");

/* ---- Construction and attributes ---- */

PyDoc_STRVAR(build_doc,
             "_native_build($self, mode, input_size, hidden_size, *, bias=True, dtype='float32',\n"
             "       peepholes=False, reset_after=True, gate_activation='sigmoid',\n"
             "       activation='tanh', cell_clip=0.0, weights=None)\n--\n\n"
             "Allocate the parameters, all zero. The mode is that of torch's layer; of an RNNCell\n"
             "it is \"RNN_TANH\", and the attribute _mode may change it.");

static PyObject *cell_build(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {
        "mode",        "input_size",      "hidden_size", "bias",      "dtype",   "peepholes",
        "reset_after", "gate_activation", "activation",  "cell_clip", "weights", NULL};
    Py_ssize_t input_size, hidden_size;
    int bias = 1, kind;
    const char *mode, *dtype = "float32", *weights = NULL;
    const struct rnn_kernels *kernels;
    struct variant_arguments given = VARIANT_DEFAULTS;
    struct cell_variant variant;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "snn|$psppssdz:_native_build", KEYWORDS(names),
                                     &mode, &input_size, &hidden_size, &bias, &dtype,
                                     &given.peepholes, &given.reset_after, &given.gate_activation,
                                     &given.activation, &given.cell_clip, &weights))
        return error_overflow();
    kind = layer_kind_from_mode(mode);
    kernels = kind < 0 ? NULL : form_kernels(dtype, weights);
    if (kernels == NULL || variant_read((enum cell_kind)kind, &given, &variant) < 0)
        return NULL;
    if (input_size < 0 || hidden_size < 0 || kind == CELL_RNN_RELU) {
        PyErr_SetString(PyExc_ValueError, "_native_build() takes sizes that are not negative, and "
                                          "\"RNN_TANH\" for every RNNCell");
        return NULL;
    }
    const struct rnn_net net = {
        .kernels = kernels,
        .kind = (enum cell_kind)kind,
        .input_size = input_size,
        .hidden_size = hidden_size,
        .num_layers = 1,
        .num_directions = 1,
        .bias = bias,
        .variant = variant,
    };
    return layer_build(self, &net, true);
}

static PyObject *get_mode(PyObject *self, void *closure)
{
    const int kind = ((layer_object *)self)->nonlinearity;

    (void)closure;
    if (kind < 0)
        Py_RETURN_NONE;
    return PyUnicode_FromString(cells[kind].mode);
}

/* What calls of an RNNCell compute from now on, as "value" says: the mode of an RNN, or None (-1). */
static int kind_from_mode(PyObject *value, int *kind)
{
    const char *mode;

    *kind = -1;
    if (value == Py_None)
        return 0;
    mode = PyUnicode_Check(value) ? PyUnicode_AsUTF8AndSize(value, NULL) : "";
    *kind = mode == NULL ? -1 : layer_kind_from_mode(mode);
    if (*kind < 0)
        return -1;
    if (*kind != CELL_RNN_TANH && *kind != CELL_RNN_RELU)
        return error_raise(PyExc_ValueError, "_mode is that of an RNN, or None");
    return 0;
}

static int set_mode(PyObject *self, PyObject *value, void *closure)
{
    int kind;

    (void)closure;
    if (value == NULL)
        return error_raise(PyExc_AttributeError, "_mode cannot be deleted");
    if (kind_from_mode(value, &kind) < 0)
        return -1;
    ((layer_object *)self)->nonlinearity = kind;
    return 0;
}

PyDoc_STRVAR(set_nonlinearity_doc,
             "_native_set_nonlinearity($self, value, mode, /)\n--\n\n"
             "Set the entry of __dict__ and what calls compute; no Python code runs between.");

static PyObject *set_nonlinearity(PyObject *self, PyObject *args)
{
    PyObject *value, *mode, *attributes, *old;
    int kind, result;

    if (!PyArg_ParseTuple(args, "OO:_native_set_nonlinearity", &value, &mode) ||
        kind_from_mode(mode, &kind) < 0)
        return NULL;
    attributes = PyObject_GetAttrString(self, "__dict__");
    if (attributes == NULL)
        return NULL;
    /* The old value is released last: its destructor may be Python code. */
    old = PyMapping_GetItemString(attributes, "nonlinearity");
    if (old == NULL && !PyErr_ExceptionMatches(PyExc_KeyError)) {
        Py_DECREF(attributes);
        return NULL;
    }
    PyErr_Clear();
    result = PyDict_SetItemString(attributes, "nonlinearity", value);
    if (result == 0)
        ((layer_object *)self)->nonlinearity = kind;
    Py_DECREF(attributes);
    Py_XDECREF(old);
    if (result < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyGetSetDef cell_getset[] = {
    {"_native_mode", get_mode, set_mode, "Of an RNNCell: what calls compute; None: they raise.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef cell_methods[] = {
    {"_native_build", (PyCFunction)(void (*)(void))cell_build, METH_VARARGS | METH_KEYWORDS,
     build_doc},
    {"forward", (PyCFunction)(void (*)(void))cell_forward_method, METH_FASTCALL | METH_KEYWORDS,
     forward_doc},
    {"_native_set_nonlinearity", set_nonlinearity, METH_VARARGS, set_nonlinearity_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(cell_doc, "The C half of pylstm.LSTMCell, pylstm.GRUCell and pylstm.RNNCell.");

static PyType_Slot cell_slots[] = {
    {Py_tp_doc, (void *)cell_doc},  {Py_tp_call, SLOT_FUNCTION(cell_call_slot)},
    {Py_tp_getset, cell_getset},    {Py_tp_methods, cell_methods},
    {Py_tp_members, layer_members}, {0, NULL},
};

PyType_Spec cell_type_spec = {
    .name = "pylstm._core.Cell",
    .basicsize = sizeof(layer_object),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE | LAYER_HAS_VECTORCALL,
    .slots = cell_slots,
};

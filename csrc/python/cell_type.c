/* _core.LSTMCell: the call of torch.nn.LSTMCell.
 *
 *     class LSTMCell(Layer):
 *         def _build(self, input_size: int, hidden_size: int, bias: bool, dtype: str, /): ...
 *         def forward(self, input, hx=None): ...
 *         def __call__(self, input, hx=None): ...
 */
#include "cell_type.h"

#include "call.h"
#include "dtype.h"
#include "errors.h"
#include "layer.h"

#include "../simd/dispatch.h"

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

/* ---- Construction ---- */

PyDoc_STRVAR(build_doc, "_build($self, input_size, hidden_size, bias, dtype, /)\n--\n\n"
                        "Allocate the parameters, all zero.");

static PyObject *cell_build(PyObject *self, PyObject *args)
{
    Py_ssize_t input_size, hidden_size;
    int bias, dtype;
    const char *name;

    if (!PyArg_ParseTuple(args, "nnps:_build", &input_size, &hidden_size, &bias, &name))
        return error_overflow();
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
    return layer_build(self, &net, true);
}

static PyMethodDef cell_methods[] = {
    {"_build", cell_build, METH_VARARGS, build_doc},
    {"forward", (PyCFunction)(void (*)(void))cell_forward_method, METH_FASTCALL | METH_KEYWORDS,
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

/* _core.Linear: the call of torch.nn.Linear.
 *
 *     class Linear(Layer):
 *         def _native_build(self, in_features: int, out_features: int, *, bias: bool = True,
 *                    dtype: str = "float32", weights: None = None) -> None: ...
 *         def forward(self, input, *, out=None): ...
 *         def __call__(self, input, *, out=None): ...
 */
#include "linear_type.h"

#include "errors.h"
#include "form.h"
#include "linear_call.h"

PyDoc_STRVAR(
    forward_doc,
    "forward($self, input, *, out=None)\n--\n\n"
    "Return ``input @ weight.T + bias``.\n\n"
    "Parameters\n----------\n"
    "input : array_like\n"
    "    ``(*, in_features)``, with any number of axes in front. Real numbers of any dtype are\n"
    "    converted to the module's dtype (torch would raise).\n"
    "out : numpy.ndarray, optional\n"
    "    The array for the result, which is written and returned: of its shape and the module's\n"
    "    dtype, C-contiguous, writable, and sharing memory with neither input nor parameters.\n\n"
    "Returns\n-------\n"
    "numpy.ndarray\n"
    "    ``(*, out_features)``: a new, C-contiguous array, or ``out``. Each row has the same bits\n"
    "    whatever other rows are beside it.\n\n"
    "Raises\n------\n"
    "RuntimeError\n"
    "    Where the last axis is not ``in_features``, with the text of torch.\n"
    "TypeError\n"
    "    For complex, boolean, object, string, date and masked arrays.\n"
    "ValueError\n"
    "    Where out does not fit; nothing is written then.\n\n"
    "Notes\n-----\n"
    "Mirrors the method ``forward`` of ``torch.nn.Linear``,\n"
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html\n"
    "torch has no out.\n\n"
    "Examples\n--------\n"
    ">>> import numpy as np\n"
    ">>> import pylstm as nn\n"
    ">>> nn.Linear(20, 30)(np.ones((128, 20))).shape\n"
    "(128, 30)");

PyDoc_STRVAR(build_doc,
             "_native_build($self, in_features, out_features, *, bias=True, dtype='float32',\n"
             "       weights=None)\n--\n\n"
             "Allocate the parameters, all zero.");

static PyObject *linear_build(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"in_features", "out_features", "bias",
                                        "dtype",       "weights",      NULL};
    Py_ssize_t in_features, out_features;
    const char *dtype = "float32", *weights = NULL;
    const struct rnn_kernels *kernels;
    int bias = 1;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "nn|$psz:_native_build", KEYWORDS(names),
                                     &in_features, &out_features, &bias, &dtype, &weights))
        return error_overflow();
    kernels = form_kernels(dtype, NULL);
    if (kernels == NULL)
        return NULL;
    if (in_features < 0 || out_features < 0 || weights != NULL) {
        PyErr_SetString(PyExc_ValueError,
                        "_native_build() takes sizes that are not negative, and no "
                        "storage of weights");
        return NULL;
    }
    const struct rnn_net net = {
        .kernels = kernels,
        .kind = CELL_RNN_TANH,
        .input_size = in_features,
        .hidden_size = out_features,
        .num_layers = 1,
        .num_directions = 1,
        .bias = bias,
        .is_linear = true,
    };
    return layer_build(self, &net, true);
}

static PyMethodDef linear_methods[] = {
    {"_native_build", (PyCFunction)(void (*)(void))linear_build, METH_VARARGS | METH_KEYWORDS,
     build_doc},
    {"forward", (PyCFunction)(void (*)(void))linear_forward_method, METH_FASTCALL | METH_KEYWORDS,
     forward_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(linear_doc, "The C half of pylstm.Linear.");

static PyType_Slot linear_slots[] = {
    {Py_tp_doc, (void *)linear_doc},
    {Py_tp_call, SLOT_FUNCTION(linear_call_slot)},
    {Py_tp_methods, linear_methods},
    {Py_tp_members, layer_members},
    {0, NULL},
};

PyType_Spec linear_type_spec = {
    .name = "pylstm._core.Linear",
    .basicsize = sizeof(layer_object),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE | LAYER_HAS_VECTORCALL,
    .slots = linear_slots,
};

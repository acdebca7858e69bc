/* _core.Layer: what all layers and cells share, namely parameters and options.
 *
 *     class Layer:
 *         training: bool
 *         _direct: bool
 *         _leases: int
 *         _dtype: numpy.dtype
 *         _weights: str | None
 *         _parameter_names: tuple[str, ...]
 *         def _reset_parameters(self) -> None: ...
 *         def _parameter(self, name: str, /) -> numpy.ndarray: ...
 *         def _parameter_view(self, name: str, /) -> numpy.ndarray: ...
 *         def _stored(self, name: str, /) -> tuple[numpy.ndarray, numpy.ndarray | None]: ...
 *         def _assign(self, values: dict[str, numpy.ndarray | tuple], /) -> None: ...
 *         def _assign_rows(self, name: str, first: int, rows, /) -> None: ...
 *         def _convert(self, form: str, /) -> None: ...
 *         def _share(self, other: Layer, /) -> None: ...
 *         def flatten_parameters(self) -> None: ...
 *
 * Weak references and __dict__ come with the Python subclasses.
 */
#include "layer_type.h"

#include "call.h"
#include "compressed.h"
#include "errors.h"
#include "form.h"
#include "layer.h"
#include "lease.h"
#include "linear_call.h"
#include "parameter_names.h"
#include "parameters.h"
#include "dtype.h"

/* ---- Construction and destruction ---- */

/* The module that "type" or the nearest of its bases was made for, borrowed. */
static PyObject *find_module(PyTypeObject *type)
{
    for (; type != NULL; type = PyType_GetSlot(type, Py_tp_base)) {
        PyObject *module = PyType_GetModule(type);
        if (module != NULL && PyModule_GetDef(module) == &core_module)
            return module;
        PyErr_Clear(); /* a class made in Python has no module */
    }
    PyErr_SetString(PyExc_SystemError, "pylstm._core has been unloaded");
    return NULL;
}

/* From Python 3.12 on, classes written in Python inherit the flag. A class of a bare Layer has no
 * offset, behind which the function would be. */
static void inherit_vectorcall(PyTypeObject *type)
{
#if !defined(Py_LIMITED_API) && PY_VERSION_HEX < 0x030C0000
    if (type->tp_call != NULL && type->tp_vectorcall_offset > 0)
        type->tp_flags |= LAYER_HAS_VECTORCALL; /* a class with a __call__ keeps that */
#else
    (void)type;
#endif
}

static PyObject *layer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *module = find_module(type);
    allocfunc alloc = FUNCTION_FROM_SLOT(allocfunc, PyType_GetSlot(type, Py_tp_alloc));
    layer_object *self;

    (void)args, (void)kwargs; /* __init__'s business */
    if (module == NULL)
        return NULL;
    self = (layer_object *)alloc(type, 0); /* zeroed */
    if (self == NULL)
        return NULL;
    self->module = Py_NewRef(module);
    self->module_state = PyModule_GetState(module);
    self->vectorcall = PyType_IsSubtype(type, self->module_state->linear_type) ? linear_vectorcall
                                                                               : layer_vectorcall;
    inherit_vectorcall(type);
    self->weights = NULL;
    atomic_init(&self->dropout, 0.0);
    atomic_init(&self->batch_first, false);
    atomic_init(&self->training, true);
    atomic_init(&self->nonlinearity, CELL_RNN_TANH);
    for (int use = 0; use < LAYER_WORKSPACES; use++)
        atomic_init(&self->workspaces[use], NULL);
    atomic_init(&self->direct, true);
    return (PyObject *)self;
}

/* No tp_clear: the only reference is the module's, which the object needs to its end, and
 * which clears itself. */
static int layer_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(((layer_object *)object)->module);
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static void layer_dealloc(PyObject *object)
{
    layer_object *self = (layer_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    freefunc free_object = FUNCTION_FROM_SLOT(freefunc, PyType_GetSlot(type, Py_tp_free));

    PyObject_GC_UnTrack(object);
    for (int use = 0; use < LAYER_WORKSPACES; use++)
        layer_leave_workspace(self, use, NULL);
    weights_release(self->weights);
    Py_CLEAR(self->module);
    free_object(object);
    Py_DECREF((PyObject *)type);
}

/* ---- Attributes ---- */

typedef PyObject *(*weights_function)(struct module_state *, struct weights *);

/* What the function in "closure" makes of the weights of the object. */
static PyObject *with_weights(PyObject *object, void *closure)
{
    layer_object *self = (layer_object *)object;
    struct weights *weights = layer_weights(self);
    PyObject *result;

    if (weights == NULL)
        return NULL;
    result = FUNCTION_FROM_SLOT(weights_function, closure)(self->module_state, weights);
    weights_release(weights);
    return result;
}

static PyObject *read_leases(struct module_state *module_state, struct weights *weights)
{
    (void)module_state;
    return PyLong_FromSize_t(weights_leases(weights));
}

static PyObject *read_dtype(struct module_state *module_state, struct weights *weights)
{
    return (PyObject *)dtype_descr(module_state, weights->net.kernels->dtype);
}

static PyObject *read_weights(struct module_state *module_state, struct weights *weights)
{
    (void)module_state;
    if (!kernels_are_compressed(weights->net.kernels))
        Py_RETURN_NONE;
    return PyUnicode_FromString(weights->net.kernels->storage->name);
}

static PyObject *read_names(struct module_state *module_state, struct weights *weights)
{
    (void)module_state;
    return parameters_names(weights);
}

static struct layer_flag training = {"training", offsetof(layer_object, training)};
static struct layer_flag direct = {"_native_direct", offsetof(layer_object, direct)};

static PyGetSetDef layer_getset[] = {
    {"training", layer_get_flag, layer_set_flag, "Training mode: dropout acts only in it.",
     &training},
    {"_native_direct", layer_get_flag, layer_set_flag, "Calls may go straight to C.", &direct},
    {"_native_leases", with_weights, NULL, "Living writable arrays on the parameters.",
     SLOT_FUNCTION(read_leases)},
    {"_native_dtype", with_weights, NULL, "dtype of parameters and results.",
     SLOT_FUNCTION(read_dtype)},
    {"_native_weights", with_weights, NULL, "The storage of compressed weights, or None.",
     SLOT_FUNCTION(read_weights)},
    {"_native_names", with_weights, NULL, "Parameter names in torch's order.",
     SLOT_FUNCTION(read_names)},
    {NULL, NULL, NULL, NULL, NULL},
};

/* ---- Methods ---- */

PyDoc_STRVAR(reset_parameters_doc,
             "_native_reset_parameters($self, /)\n--\n\nDraw every parameter from the generator.");

static PyObject *reset(struct module_state *module_state, struct weights *weights)
{
    return parameters_reset(module_state, weights) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *layer_reset_parameters(PyObject *self, PyObject *unused)
{
    (void)unused;
    return with_weights(self, SLOT_FUNCTION(reset));
}

static PyObject *parameter_array(layer_object *self, PyObject *name, bool writable)
{
    struct weights *weights = layer_weights(self);
    PyObject *array = NULL;
    ptrdiff_t index;

    if (weights == NULL)
        return NULL;
    index = parameters_index(weights, name);
    if (index >= 0 && kernels_are_compressed(weights->net.kernels))
        array = compressed_widened(self->module_state, weights, index);
    else if (index >= 0)
        array = lease_array(self->module_state, weights, index, writable);
    weights_release(weights);
    return array;
}

PyDoc_STRVAR(parameter_doc, "_native_parameter($self, name, /)\n--\n\n"
                            "The parameter as a writable array on the module's memory;\n"
                            "of compressed weights as a read-only array of what they stand for.");

static PyObject *layer_parameter(PyObject *self, PyObject *name)
{
    return parameter_array((layer_object *)self, name, true);
}

PyDoc_STRVAR(parameter_view_doc, "_parameter_view($self, name, /)\n--\n\n"
                                 "The parameter as a read-only array on the module's memory.");

static PyObject *layer_parameter_view(PyObject *self, PyObject *name)
{
    return parameter_array((layer_object *)self, name, false);
}

PyDoc_STRVAR(stored_doc, "_native_stored($self, name, /)\n--\n\n"
                         "What is stored of a parameter, and its scales or None, as read-only\n"
                         "arrays on the module's memory. Only of compressed weights.");

static PyObject *layer_stored(PyObject *object, PyObject *name)
{
    layer_object *self = (layer_object *)object;
    struct weights *weights = layer_weights(self);
    PyObject *stored = NULL;
    ptrdiff_t index;

    if (weights == NULL)
        return NULL;
    index = parameters_index(weights, name);
    if (index >= 0 && !kernels_are_compressed(weights->net.kernels))
        PyErr_SetString(PyExc_ValueError, "_native_stored() is for compressed weights");
    else if (index >= 0)
        stored = compressed_stored(self->module_state, weights, index);
    weights_release(weights);
    return stored;
}

PyDoc_STRVAR(assign_doc, "_native_assign($self, values, /)\n--\n\n"
                         "Copy arrays of the right shape and dtype into the parameters they\n"
                         "are named after: all of them, or none on any error. Compressed weights\n"
                         "take float32, and what _stored() returns.");

static PyObject *layer_assign(PyObject *self, PyObject *values)
{
    struct weights *weights = layer_weights((layer_object *)self);
    int result;

    if (weights == NULL)
        return NULL;
    result = parameters_assign(weights, values);
    weights_release(weights);
    return result < 0 ? NULL : Py_NewRef(Py_None);
}

PyDoc_STRVAR(assign_rows_doc, "_assign_rows($self, name, first, rows, /)\n--\n\n"
                              "Copy rows that _assign() takes, from row \"first\" on.");

static PyObject *layer_assign_rows(PyObject *self, PyObject *args)
{
    PyObject *name, *rows;
    struct weights *weights;
    Py_ssize_t first;
    int result;

    if (!PyArg_ParseTuple(args, "OnO:_assign_rows", &name, &first, &rows))
        return NULL;
    weights = layer_weights((layer_object *)self);
    if (weights == NULL)
        return NULL;
    result = parameters_assign_rows(weights, name, first, rows);
    weights_release(weights);
    return result < 0 ? NULL : Py_NewRef(Py_None);
}

PyDoc_STRVAR(convert_doc, "_native_convert($self, form, /)\n--\n\n"
                          "Move to new parameters of that dtype or storage, unless it is the\n"
                          "present one.");

static PyObject *layer_convert(PyObject *self, PyObject *name)
{
    struct weights *weights, *converted = NULL;
    const struct rnn_kernels *kernels;
    const char *text;

    if (!PyUnicode_Check(name)) {
        error_type("_native_convert() takes the name of a dtype or a storage", name);
        return NULL;
    }
    text = PyUnicode_AsUTF8AndSize(name, NULL);
    kernels = text == NULL ? NULL : form_kernels_of(text);
    weights = kernels == NULL ? NULL : layer_weights((layer_object *)self);
    if (weights == NULL)
        return NULL;
    if (weights->net.kernels == kernels)
        converted = weights_acquire(weights);
    else
        converted = parameters_converted(weights, kernels);
    weights_release(weights);
    if (converted == NULL)
        return NULL;
    layer_set_weights((layer_object *)self, converted);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(share_doc, "_native_share($self, other, /)\n--\n\n"
                        "Use the parameters of \"other\", a layer or a cell of the same kind and\n"
                        "variant as this one; a bare Layer may have those of any.");

static PyObject *layer_share(PyObject *object, PyObject *other)
{
    layer_object *self = (layer_object *)object;
    struct weights *weights;

    if (!PyObject_TypeCheck(other, self->module_state->layer_type)) {
        error_type("_native_share() takes a layer of the same kind", other);
        return NULL;
    }
    weights = layer_weights((layer_object *)other);
    if (weights == NULL)
        return NULL;
    if (!layer_may_share(self, (layer_object *)other, weights)) {
        weights_release(weights);
        error_type("_native_share() takes a layer of the same kind", other);
        return NULL;
    }
    layer_set_weights(self, weights);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(flatten_parameters_doc,
             "flatten_parameters($self, /)\n--\n\n"
             "Pack the weights for the kernels now rather than in the next call.\n\n"
             "A call packs by itself when a parameter may have changed, so this only moves\n"
             "the cost out of the first call. Mirrors ``torch.nn.LSTM.flatten_parameters``.\n\n"
             "Examples\n--------\n"
             ">>> import pylstm\n"
             ">>> cell = pylstm.LSTMCell(40, 256)\n"
             ">>> cell.flatten_parameters()  # before the first step of a stream");

static PyObject *flatten(struct module_state *module_state, struct weights *weights)
{
    struct snapshot *snapshot = weights_snapshot(weights);

    (void)module_state;
    if (snapshot == NULL)
        return NULL;
    snapshot_release(snapshot);
    Py_RETURN_NONE;
}

static PyObject *layer_flatten_parameters(PyObject *self, PyObject *unused)
{
    (void)unused;
    return with_weights(self, SLOT_FUNCTION(flatten));
}

static PyMethodDef layer_methods[] = {
    {"_native_reset_parameters", layer_reset_parameters, METH_NOARGS, reset_parameters_doc},
    {"_native_parameter", layer_parameter, METH_O, parameter_doc},
    {"_parameter_view", layer_parameter_view, METH_O, parameter_view_doc},
    {"_native_stored", layer_stored, METH_O, stored_doc},
    {"_native_assign", layer_assign, METH_O, assign_doc},
    {"_assign_rows", layer_assign_rows, METH_VARARGS, assign_rows_doc},
    {"_native_convert", layer_convert, METH_O, convert_doc},
    {"_native_share", layer_share, METH_O, share_doc},
    {"flatten_parameters", layer_flatten_parameters, METH_NOARGS, flatten_parameters_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(layer_doc, "What all layers and cells share: parameters and options.");

static PyType_Slot layer_slots[] = {
    {Py_tp_doc, (void *)layer_doc},
    {Py_tp_new, SLOT_FUNCTION(layer_new)},
    {Py_tp_traverse, SLOT_FUNCTION(layer_traverse)},
    {Py_tp_dealloc, SLOT_FUNCTION(layer_dealloc)},
    {Py_tp_getset, layer_getset},
    {Py_tp_methods, layer_methods},
    {0, NULL},
};

PyType_Spec layer_type_spec = {
    .name = "pylstm._core.Layer",
    .basicsize = sizeof(layer_object),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = layer_slots,
};

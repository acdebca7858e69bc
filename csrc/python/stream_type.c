/* _core.Stream, also pylstm.Stream: a layer that keeps the states of some rows between calls.
 *
 *     class Stream:
 *         module: Layer
 *         state: numpy.ndarray | tuple[numpy.ndarray, numpy.ndarray]
 *         def __new__(cls, module, batch=1, hx=None): ...
 *         def __call__(self, input, *, rows=None, out=None): ...    # stream_step.c
 *         def reset(self, rows=None) -> None: ...
 *         def fork(self) -> Stream: ...
 *         def select(self, rows) -> None: ...
 *         def join(self, n) -> numpy.ndarray: ...
 *         def leave(self, rows) -> None: ...
 *         def __len__(self) -> int: ...
 *
 * What may change of the module (hooks, dropout) is checked by __init__ and in each call, but not by
 * __new__ and so not by pickle, so that no pickle of a stream becomes unreadable.
 */
#include "stream_type.h"

#include "arrays.h"
#include "errors.h"
#include "stream.h"
#include "stream_doc.h"
#include "stream_rows.h"
#include "stream_step.h"

#include <string.h>

/* ---- Construction and destruction ---- */

/* A stream with these states, which it takes over. */
static PyObject *stream_alloc(PyTypeObject *type, layer_object *layer, const struct rnn_net *net,
                              struct stream_hx *hx)
{
    allocfunc alloc = FUNCTION_FROM_SLOT(allocfunc, PyType_GetSlot(type, Py_tp_alloc));
    stream_object *self = (stream_object *)alloc(type, 0); /* zeroed */

    if (self == NULL) {
        stream_hx_free(hx);
        return NULL;
    }
    self->vectorcall = stream_vectorcall;
    self->layer = (layer_object *)Py_NewRef((PyObject *)layer);
    self->net = *net;
    atomic_init(&self->busy, false);
    atomic_init(&self->rows, hx->rows);
    self->hx = *hx;
    return (PyObject *)self;
}

/* States of `rows` rows for the layer's present network: what `given` holds, or zeros where that is
 * NULL. */
static int make_hx(layer_object *layer, const struct rnn_net *net, Py_ssize_t rows, PyObject *given,
                   const char *name, struct stream_hx *hx)
{
    if (stream_hx_new(hx, net, rows) < 0)
        return -1;
    if (given != NULL && stream_hx_from_python(layer->module_state, hx, given, name) < 0) {
        stream_hx_free(hx);
        return -1;
    }
    return 0;
}

static PyObject *stream_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    struct module_state *module_state = PyType_GetModuleState(type);
    static const char *const names[] = {"module", "batch", "hx", NULL};
    PyObject *layer, *batch = NULL, *given = Py_None, *self = NULL;
    struct weights *weights;
    struct stream_hx hx;
    Py_ssize_t rows = 1;

    if (module_state == NULL ||
        !PyArg_ParseTupleAndKeywords(args, kwargs, "O|OO:Stream", KEYWORDS(names), &layer, &batch,
                                     &given))
        return NULL;
    if (module_state->rnn_type == NULL || !PyObject_TypeCheck(layer, module_state->rnn_type)) {
        error_type("a stream is one of an LSTM, a GRU or an RNN", layer);
        return NULL;
    }
    weights = layer_weights((layer_object *)layer);
    if (weights == NULL)
        return NULL;
    if (stream_check_net(&weights->net) == 0 &&
        (batch == NULL || (rows = stream_read_count(batch, "batch", 0)) >= 0) &&
        make_hx((layer_object *)layer, &weights->net, rows, given == Py_None ? NULL : given, "hx",
                &hx) == 0)
        self = stream_alloc(type, (layer_object *)layer, &weights->net, &hx);
    weights_release(weights);
    return self;
}

static int stream_init(PyObject *object, PyObject *args, PyObject *kwargs)
{
    stream_object *self = (stream_object *)object;

    (void)args, (void)kwargs; /* those of __new__ */
    return stream_check_layer(self, &self->net);
}

/* No tp_clear: calls need the layer to the end of the stream, and a circle that comes back to the
 * stream goes through the dict of that layer, which is cleared. */
static int stream_traverse(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(((stream_object *)object)->layer);
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static void stream_dealloc(PyObject *object)
{
    stream_object *self = (stream_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    freefunc free_object = FUNCTION_FROM_SLOT(freefunc, PyType_GetSlot(type, Py_tp_free));

    PyObject_GC_UnTrack(object);
    if (self->weak_references != NULL)
        PyObject_ClearWeakRefs(object);
    stream_hx_free(&self->hx);
    Py_CLEAR(self->layer);
    free_object(object);
    Py_DECREF((PyObject *)type);
}

/* ---- Attributes ---- */

static PyObject *get_hx(PyObject *object, void *closure)
{
    stream_object *self = (stream_object *)object;
    PyObject *hx;

    (void)closure;
    if (stream_enter(self) < 0)
        return NULL;
    hx = stream_hx_to_python(self->layer->module_state, &self->hx);
    stream_exit(self);
    return hx;
}

/* Gives all rows new states, in the layer's present dtype: what `given` holds, or zeros. */
static int assign_hx(stream_object *self, PyObject *given)
{
    struct weights *weights = layer_weights(self->layer);
    struct stream_hx hx;
    int status = -1;

    if (weights == NULL)
        return -1;
    if (stream_enter(self) == 0) {
        status = stream_check_same(self, &weights->net);
        if (status == 0 && given == NULL && self->hx.dtype == weights->net.kernels->dtype) {
            for (int item = 0; item < 2; item++)
                memset(stream_hx_data(&self->hx, self->hx.current, item), 0,
                       stream_hx_nbytes(&self->hx, item));
        } else if (status == 0) {
            status = make_hx(self->layer, &weights->net, self->hx.rows, given, "state", &hx);
            if (status == 0)
                stream_hx_replace(&self->hx, &hx);
        }
        stream_exit(self);
    }
    weights_release(weights);
    return status;
}

static int set_hx(PyObject *object, PyObject *value, void *closure)
{
    (void)closure;
    if (value == NULL)
        return error_raise(PyExc_AttributeError,
                           "state cannot be deleted: reset() makes it zero, as does None");
    return assign_hx((stream_object *)object, value == Py_None ? NULL : value);
}

static PyGetSetDef stream_getset[] = {
    {"state", get_hx, set_hx, stream_state_doc, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef stream_members[] = {
    {"module", T_OBJECT_EX, offsetof(stream_object, layer), READONLY, stream_module_doc},
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(stream_object, vectorcall), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(stream_object, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static Py_ssize_t stream_length(PyObject *object)
{
    return atomic_load_explicit(&((stream_object *)object)->rows, memory_order_relaxed);
}

static PyObject *stream_repr(PyObject *object)
{
    return PyUnicode_FromFormat("Stream(%R, batch=%zd)",
                                (PyObject *)((stream_object *)object)->layer,
                                stream_length(object));
}

/* ---- Rows ---- */

typedef int (*rows_function)(struct stream_hx *hx, const int64_t *rows, ptrdiff_t count);

/* Zeroes rows. */
static int clear_rows(struct stream_hx *hx, const int64_t *rows, ptrdiff_t count)
{
    stream_hx_scatter(hx, -1, rows, count);
    return 0;
}

/* Drops the rows, which are marked; the others keep their order. */
static int drop_rows(struct stream_hx *hx, const int64_t *rows, ptrdiff_t count)
{
    ptrdiff_t kept = 0;

    (void)rows, (void)count;
    for (ptrdiff_t row = 0; row < hx->rows; row++)
        if (!hx->marks[row])
            hx->index[kept++] = row;
    return stream_hx_select(hx, hx->index, kept);
}

/* Does to the given rows what the function says. "format" names the method. */
static PyObject *with_rows(PyObject *object, PyObject *args, PyObject *kwargs, const char *format,
                           bool repeated, rows_function function)
{
    static const char *const names[] = {"rows", NULL};
    stream_object *self = (stream_object *)object;
    PyObject *given = NULL;
    PyArrayObject *rows;
    int status = -1;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, format, KEYWORDS(names), &given))
        return NULL;
    if (function == clear_rows && (given == NULL || given == Py_None))
        return assign_hx(self, NULL) < 0 ? NULL : Py_NewRef(Py_None);
    if (stream_enter(self) < 0)
        return NULL;
    rows = stream_rows_open(given, true);
    if (rows != NULL && stream_rows_read(rows, self->hx.rows, PyArray_DATA(rows),
                                         repeated ? NULL : self->hx.marks) == 0)
        status = function(&self->hx, PyArray_DATA(rows), PyArray_DIM(rows, 0));
    array_release(rows);
    stream_exit(self);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *stream_reset(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return with_rows(self, args, kwargs, "|O:reset", false, clear_rows);
}

static PyObject *stream_select(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return with_rows(self, args, kwargs, "O:select", true, stream_hx_select);
}

static PyObject *stream_leave(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return with_rows(self, args, kwargs, "O:leave", false, drop_rows);
}

static PyObject *stream_join(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"n", NULL};
    stream_object *self = (stream_object *)object;
    PyObject *n, *indices = NULL;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:join", KEYWORDS(names), &n))
        return NULL;
    const Py_ssize_t count = stream_read_count(n, "n", 1);
    if (count < 0 || stream_enter(self) < 0)
        return NULL;
    const Py_ssize_t first = self->hx.rows, most = PY_SSIZE_T_MAX - first;
    const Py_ssize_t end = first + (count < most ? count : most);
    if (stream_hx_select(&self->hx, NULL, end) == 0) {
        indices = PyArray_Arange((double)first, (double)end, 1, NPY_INT64);
        if (indices == NULL)
            stream_hx_select(&self->hx, NULL, first); /* there is room */
    }
    stream_exit(self);
    return indices;
}

/* ---- Copies ---- */

static PyObject *stream_fork(PyObject *object, PyObject *unused)
{
    stream_object *self = (stream_object *)object;
    PyObject *other = NULL;
    struct stream_hx hx;

    (void)unused;
    if (stream_enter(self) < 0)
        return NULL;
    if (stream_hx_copy(&self->hx, self->hx.dtype, &hx) == 0)
        other = stream_alloc(Py_TYPE(object), self->layer, &self->net, &hx);
    stream_exit(self);
    return other;
}

/* TypeError where the layer is float32 now and the states float64: what reads a pickle rounds them. */
static int check_pickled(const stream_object *self)
{
    struct weights *weights = layer_weights(self->layer);
    bool narrower;

    if (weights == NULL)
        return -1;
    narrower = self->hx.dtype == DTYPE_FLOAT64 && weights->net.kernels->dtype != DTYPE_FLOAT64;
    weights_release(weights);
    return narrower ? error_stream_narrower() : 0;
}

/* copyreg.__newobj__(Stream, module, batch, hx): for copy.copy, copy.deepcopy and pickle. */
static PyObject *stream_reduce(PyObject *object, PyObject *unused)
{
    if (check_pickled((stream_object *)object) < 0)
        return NULL;
    PyObject *copyreg = PyImport_ImportModule("copyreg");
    PyObject *newobj = copyreg == NULL ? NULL : PyObject_GetAttrString(copyreg, "__newobj__");
    PyObject *hx = newobj == NULL ? NULL : get_hx(object, NULL), *h, *result = NULL;

    (void)unused;
    if (hx != NULL) {
        h = PyTuple_Check(hx) ? PyTuple_GetItem(hx, 0) : hx;
        result = Py_BuildValue("O(OOnO)", newobj, (PyObject *)Py_TYPE(object),
                               (PyObject *)((stream_object *)object)->layer,
                               (Py_ssize_t)PyArray_DIM((PyArrayObject *)h, 1), hx);
    }
    Py_XDECREF(copyreg);
    Py_XDECREF(newobj);
    Py_XDECREF(hx);
    return result;
}

#define WITH_KEYWORDS(function)                                                                    \
    (PyCFunction)(void (*)(void))(function), METH_VARARGS | METH_KEYWORDS

static PyMethodDef stream_methods[] = {
    {"__call__", (PyCFunction)(void (*)(void))stream_call_method,
     METH_FASTCALL | METH_KEYWORDS | METH_COEXIST, stream_call_doc},
    {"reset", WITH_KEYWORDS(stream_reset), stream_reset_doc},
    {"fork", stream_fork, METH_NOARGS, stream_fork_doc},
    {"__copy__", stream_fork, METH_NOARGS, stream_fork_doc},
    {"select", WITH_KEYWORDS(stream_select), stream_select_doc},
    {"join", WITH_KEYWORDS(stream_join), stream_join_doc},
    {"leave", WITH_KEYWORDS(stream_leave), stream_leave_doc},
    {"__reduce__", stream_reduce, METH_NOARGS, stream_reduce_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot stream_slots[] = {
    {Py_tp_doc, (void *)(uintptr_t)stream_doc},
    {Py_tp_new, SLOT_FUNCTION(stream_new)},
    {Py_tp_init, SLOT_FUNCTION(stream_init)},
    {Py_tp_traverse, SLOT_FUNCTION(stream_traverse)},
    {Py_tp_dealloc, SLOT_FUNCTION(stream_dealloc)},
    {Py_tp_call, SLOT_FUNCTION(stream_call_slot)},
    {Py_tp_repr, SLOT_FUNCTION(stream_repr)},
    {Py_mp_length, SLOT_FUNCTION(stream_length)},
    {Py_tp_getset, stream_getset},
    {Py_tp_members, stream_members},
    {Py_tp_methods, stream_methods},
    {0, NULL},
};

PyType_Spec stream_type_spec = {
    .name = "pylstm.Stream",
    .basicsize = sizeof(stream_object),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE | LAYER_HAS_VECTORCALL,
    .slots = stream_slots,
};

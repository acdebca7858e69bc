/* _core.Lease: the base of every array that shows a module's parameters.
 *
 *     class Lease:            # made by LSTM._parameter and _parameter_view only
 *         __buffer__          # the parameter's bytes
 *
 * A writable lease is known to the weights while it lives, through its arrays and their views,
 * and offers a writable buffer, so that NumPy lets users toggle flags.writeable. A
 * read-only one refuses writable buffers, which is what keeps that flag off for good.
 */
#include "lease.h"

#include "dtype.h"

#include "../core/params.h"

typedef struct {
    PyObject_HEAD
    struct weights *weights;
    ptrdiff_t index; /* of the parameter */
    char *data;
    Py_ssize_t nbytes;
    bool writable;
} lease_object;

static PyObject *lease_new(struct module_state *module_state, struct weights *weights,
                           ptrdiff_t index, bool writable)
{
    const struct watch *watch = &weights->watches[index];

    if (module_state->lease_type == NULL) { /* the interpreter goes down */
        PyErr_SetString(PyExc_SystemError, "pylstm._core has been unloaded");
        return NULL;
    }
    lease_object *self = PyObject_New(lease_object, module_state->lease_type);
    if (self == NULL)
        return NULL;
    self->weights = weights_acquire(weights);
    self->index = index;
    self->data = watch->values;
    self->nbytes = watch->elements * (ptrdiff_t)weights->net.kernels->itemsize;
    self->writable = writable;
    if (writable)
        weights_lease_begin(weights, index);
    return (PyObject *)self;
}

static void lease_dealloc(PyObject *object)
{
    lease_object *self = (lease_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    if (self->writable)
        weights_lease_end(self->weights, self->index);
    weights_release(self->weights);
    PyObject_Free(object);
    Py_DECREF((PyObject *)type);
}

static int lease_getbuffer(PyObject *object, Py_buffer *view, int flags)
{
    lease_object *self = (lease_object *)object;
    return PyBuffer_FillInfo(view, object, self->data, self->nbytes, !self->writable, flags);
}

PyObject *lease_array(struct module_state *module_state, struct weights *weights, ptrdiff_t index,
                      bool writable)
{
    const struct rnn_param param = rnn_param_at(&weights->net, index);
    npy_intp dims[2] = {param.rows, param.cols};
    int flags = writable ? NPY_ARRAY_CARRAY : NPY_ARRAY_CARRAY_RO;

    PyObject *lease = lease_new(module_state, weights, index, writable);
    if (lease == NULL)
        return NULL;
    PyObject *array =
        PyArray_NewFromDescr(&PyArray_Type, dtype_descr(module_state, weights->net.kernels->dtype),
                             param.ndim, dims, NULL, ((lease_object *)lease)->data, flags, NULL);
    if (array == NULL) {
        Py_DECREF(lease);
        return NULL;
    }
    if (PyArray_SetBaseObject((PyArrayObject *)array, lease) < 0) { /* steals the lease */
        Py_DECREF(array);
        return NULL;
    }
    return array;
}

PyDoc_STRVAR(lease_doc, "Keeps a module's parameter memory alive for the arrays that show it.");

static PyType_Slot lease_slots[] = {
    {Py_tp_doc, (void *)lease_doc},
    {Py_tp_dealloc, SLOT_FUNCTION(lease_dealloc)},
    {Py_bf_getbuffer, SLOT_FUNCTION(lease_getbuffer)},
    {0, NULL},
};

PyType_Spec lease_type_spec = {
    .name = "pylstm._core.Lease",
    .basicsize = sizeof(lease_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = lease_slots,
};

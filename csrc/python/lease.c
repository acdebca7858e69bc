/* _core.Lease: the base of every array that shows a module's parameters.
 *
 *     class Lease:            # made by LSTM._native_parameter and _parameter_view only
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

/* A lease on some bytes of the parameters: of parameter `index` where it is writable. */
static PyObject *lease_new(struct module_state *module_state, struct weights *weights,
                           ptrdiff_t index, char *data, Py_ssize_t nbytes, bool writable)
{
    if (module_state->lease_type == NULL) { /* the interpreter goes down */
        PyErr_SetString(PyExc_SystemError, "pylstm._core has been unloaded");
        return NULL;
    }
    lease_object *self = PyObject_New(lease_object, module_state->lease_type);
    if (self == NULL)
        return NULL;
    self->weights = weights_acquire(weights);
    self->index = index;
    self->data = data;
    self->nbytes = nbytes;
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

PyObject *lease_array_on(PyObject *base, PyArray_Descr *descr, int ndim, npy_intp *dims, void *data,
                         int flags)
{
    PyObject *array = NULL;

    if (base == NULL)
        Py_DECREF((PyObject *)descr);
    else
        array = PyArray_NewFromDescr(&PyArray_Type, descr, ndim, dims, NULL, data, flags, NULL);
    if (array == NULL) {
        Py_XDECREF(base);
        return NULL;
    }
    if (PyArray_SetBaseObject((PyArrayObject *)array, base) < 0) { /* steals the base */
        Py_DECREF(array);
        return NULL;
    }
    return array;
}

/* An array of `descr`, which it steals, on the memory of a lease, which it steals too; NULL is allowed. */
static PyObject *array_on_lease(PyObject *lease, PyArray_Descr *descr, int ndim, npy_intp *dims)
{
    const lease_object *self = (lease_object *)lease;
    void *data = self == NULL ? NULL : self->data;
    const bool writable = self != NULL && self->writable;

    return lease_array_on(lease, descr, ndim, dims, data,
                          writable ? NPY_ARRAY_CARRAY : NPY_ARRAY_CARRAY_RO);
}

PyObject *lease_array(struct module_state *module_state, struct weights *weights, ptrdiff_t index,
                      bool writable)
{
    const struct rnn_param param = rnn_param_at(&weights->net, index);
    const struct watch *watch = &weights->watches[index];
    const struct rnn_kernels *kernels = weights->net.kernels;
    npy_intp dims[3] = {param.rows, param.cols};
    PyObject *lease = lease_new(module_state, weights, index, watch->values,
                                watch->elements * (ptrdiff_t)kernels->itemsize, writable);

    if (param.ndim == 3) {
        dims[1] = param.cols / weights->net.kernel;
        dims[2] = weights->net.kernel;
    }
    return array_on_lease(lease, dtype_descr(module_state, kernels->dtype), param.ndim, dims);
}

PyObject *lease_view(struct module_state *module_state, struct weights *weights,
                     PyArray_Descr *descr, int ndim, npy_intp *dims, void *data, size_t nbytes)
{
    return array_on_lease(lease_new(module_state, weights, 0, data, (Py_ssize_t)nbytes, false),
                          descr, ndim, dims);
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

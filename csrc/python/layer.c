/* What methods of LSTM and LSTMCell begin with: the object's weights, its options by name. */
#include "pylstm.h"

#include <string.h>

const char *dtype_name(enum dtype dtype) { return dtype == DTYPE_FLOAT32 ? "float32" : "float64"; }

int dtype_from_name(const char *name)
{
    for (int dtype = 0; dtype < DTYPE_COUNT; dtype++)
        if (strcmp(name, dtype_name((enum dtype)dtype)) == 0)
            return dtype;
    PyErr_Format(PyExc_ValueError, "dtype must be 'float32' or 'float64', got '%s'", name);
    return -1;
}

PyObject *overflow_is_memory_error(void)
{
    if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
        PyErr_Clear();
        error_too_large();
    }
    return NULL;
}

int flag_from_object(PyObject *value, const char *name, atomic_bool *flag)
{
    int truth;

    if (value == NULL) {
        PyErr_Format(PyExc_AttributeError, "%s cannot be deleted", name);
        return -1;
    }
    truth = PyObject_IsTrue(value);
    if (truth < 0)
        return -1;
    *flag = truth;
    return 0;
}

struct weights *layer_weights(layer_object *self)
{
    struct weights *weights;

    lock_acquire(&self->lock);
    weights = self->weights == NULL ? NULL : weights_acquire(self->weights);
    lock_release(&self->lock);
    if (weights == NULL)
        error_not_initialised(self);
    return weights;
}

struct snapshot *layer_snapshot(layer_object *self)
{
    struct snapshot *snapshot;
    struct weights *weights;

    lock_acquire(&self->lock);
    snapshot = self->weights == NULL ? NULL : weights_cached_snapshot(self->weights);
    lock_release(&self->lock);
    if (snapshot != NULL)
        return snapshot;
    weights = layer_weights(self);
    if (weights == NULL)
        return NULL;
    snapshot = weights_snapshot(weights);
    weights_release(weights);
    return snapshot;
}

void layer_set_weights(layer_object *self, struct weights *weights)
{
    struct weights *old;

    lock_acquire(&self->lock);
    old = self->weights;
    self->weights = weights;
    lock_release(&self->lock);
    weights_release(old);
}

int layer_build(layer_object *self, const struct rnn_net *net, bool cell)
{
    struct weights *weights = weights_new(net, cell);

    if (weights == NULL)
        return -1;
    layer_set_weights(self, weights);
    return 0;
}

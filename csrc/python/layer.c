/* What methods of LSTM and LSTMCell begin with: the object's block, its options by name. */
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

struct block *layer_block(layer_object *self)
{
    struct block *block;

    lock_acquire(&self->lock);
    block = self->block == NULL ? NULL : block_acquire(self->block);
    lock_release(&self->lock);
    if (block == NULL)
        error_not_initialised(self);
    return block;
}

struct snapshot *layer_snapshot(layer_object *self)
{
    struct snapshot *snapshot;
    struct block *block;

    lock_acquire(&self->lock);
    snapshot = self->block == NULL ? NULL : block_cached_snapshot(self->block);
    lock_release(&self->lock);
    if (snapshot != NULL)
        return snapshot;
    block = layer_block(self);
    if (block == NULL)
        return NULL;
    snapshot = block_snapshot(block);
    block_release(block);
    return snapshot;
}

void layer_set_block(layer_object *self, struct block *block)
{
    struct block *old;

    lock_acquire(&self->lock);
    old = self->block;
    self->block = block;
    lock_release(&self->lock);
    block_release(old);
}

int layer_build(layer_object *self, const struct rnn_net *net, bool cell)
{
    struct block *block = block_new(net, cell);

    if (block == NULL)
        return -1;
    layer_set_block(self, block);
    return 0;
}

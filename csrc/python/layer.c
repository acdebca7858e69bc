#include "layer.h"

#include "errors.h"
#include "memory.h"

#include <string.h>

PyMemberDef layer_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(layer_object, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static atomic_bool *flag_of(PyObject *self, const struct layer_flag *flag)
{
    return (atomic_bool *)((char *)self + flag->offset);
}

PyObject *layer_get_flag(PyObject *self, void *closure)
{
    return PyBool_FromLong(*flag_of(self, closure));
}

int layer_set_flag(PyObject *self, PyObject *value, void *closure)
{
    const struct layer_flag *flag = closure;
    int truth;

    if (value == NULL)
        return error_raise(PyExc_AttributeError, "%s cannot be deleted", flag->name);
    truth = PyObject_IsTrue(value);
    if (truth < 0)
        return -1;
    *flag_of(self, flag) = truth;
    return 0;
}

COLD static void error_not_initialised(layer_object *self)
{
    PyObject *name = PyType_GetName(Py_TYPE((PyObject *)self));

    if (name != NULL)
        PyErr_Format(PyExc_RuntimeError, "%U.__init__() has not been called", name);
    Py_XDECREF(name);
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

const struct cell *layer_kind(layer_object *self)
{
    struct weights *weights = layer_weights(self);
    const struct cell *kind = weights == NULL ? NULL : &cells[weights->net.kind];

    weights_release(weights);
    return kind;
}

int layer_kind_from_mode(const char *mode)
{
    for (int kind = 0; kind < CELL_KINDS; kind++)
        if (strcmp(mode, cells[kind].mode) == 0)
            return kind;
    return error_raise(PyExc_ValueError, "there is no kind of cell called '%s'", mode);
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

/* The type that "object" is of: a bare Layer is of each. */
static PyTypeObject *shape_of(layer_object *object)
{
    if (PyObject_TypeCheck((PyObject *)object, object->module_state->cell_type))
        return object->module_state->cell_type;
    if (PyObject_TypeCheck((PyObject *)object, object->module_state->rnn_type))
        return object->module_state->rnn_type;
    if (PyObject_TypeCheck((PyObject *)object, object->module_state->linear_type))
        return object->module_state->linear_type;
    if (PyObject_TypeCheck((PyObject *)object, object->module_state->conv_type))
        return object->module_state->conv_type;
    return object->module_state->layer_type;
}

bool layer_may_share(layer_object *self, layer_object *other, const struct weights *weights)
{
    PyTypeObject *bare = self->module_state->layer_type;
    PyTypeObject *shape = shape_of(self), *other_shape = shape_of(other);
    bool same = true;

    lock_acquire(&self->lock);
    if (self->weights != NULL)
        same = rnn_computes_alike(&self->weights->net, &weights->net);
    lock_release(&self->lock);
    return same && (shape == bare || other_shape == bare || shape == other_shape);
}

PyObject *layer_build(PyObject *self, const struct rnn_net *net, bool cell)
{
    struct weights *weights = weights_new(net, cell);

    if (weights == NULL)
        return NULL;
    layer_set_weights((layer_object *)self, weights);
    Py_RETURN_NONE;
}

/* ---- Workspaces ---- */

/* What stands before a workspace. */
struct workspace_head {
    void *memory; /* where it was allocated */
    ptrdiff_t size;
};

static struct workspace_head *head_of(void *workspace)
{
    return (struct workspace_head *)workspace - 1;
}

void layer_leave_workspace(layer_object *self, int use, void *workspace)
{
    /* Another call may have left one meanwhile. */
    void *left = atomic_exchange(&self->workspaces[use], workspace);

    if (left != NULL)
        memory_free(head_of(left)->memory);
}

void *layer_take_workspace(layer_object *self, int use, ptrdiff_t size)
{
    const ptrdiff_t spare = sizeof(struct workspace_head) + MEMORY_ALIGNMENT;
    void *workspace = atomic_exchange(&self->workspaces[use], NULL), *memory;

    if (workspace != NULL && head_of(workspace)->size >= size)
        return workspace;
    if (workspace != NULL)
        memory_free(head_of(workspace)->memory);
    memory = size < 0 || size > PTRDIFF_MAX - spare ? NULL : memory_new((size_t)(size + spare));
    if (memory == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    workspace = memory_align((char *)memory + sizeof(struct workspace_head), MEMORY_ALIGNMENT);
    *head_of(workspace) = (struct workspace_head){memory, size};
    return workspace;
}

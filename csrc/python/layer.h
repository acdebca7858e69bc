/* The object behind every layer and cell: weights and the options of calls.
 *
 * An object may be used by several threads at once: its options are atomic, and its weights are
 * exchanged as a whole, so that running calls and exported arrays keep the old ones.
 */
#ifndef PYLSTM_PYTHON_LAYER_H
#define PYLSTM_PYTHON_LAYER_H

#include "module_state.h"
#include "weights.h"

/* The limited API declares these from Python 3.12 on; they are older, and have not changed. */
typedef PyObject *(*layer_vectorcall_function)(PyObject *, PyObject *const *, size_t, PyObject *);
#define LAYER_HAS_VECTORCALL (1UL << 11)

/* The uses of the memory that a call with `out` leaves to the next one: that of the core, and that of
 * states which cannot be written in place. */
enum { LAYER_SCRATCH, LAYER_STATES, LAYER_WORKSPACES };

typedef struct {
    PyObject_HEAD
    layer_vectorcall_function vectorcall;
    PyObject *module; /* keeps "module_state" alive */
    struct module_state *module_state;
    struct lock lock;        /* guards "weights" */
    struct weights *weights; /* NULL until _build */
    /* Read by calls in other threads while Python sets them. */
    _Atomic double dropout;
    atomic_bool batch_first;
    atomic_bool training;
    /* Of an RNNCell: the kind that it is now, CELL_RNN_TANH or CELL_RNN_RELU, or -1 for what is
     * neither. Its weights are of the former always, and packed alike for both. */
    atomic_int nonlinearity;
    _Atomic(void *) workspaces[LAYER_WORKSPACES]; /* left; NULL: none, or a call has it */
    atomic_bool direct; /* a call may skip hooks and Python's forward: there are none */
} layer_object;

/* Of types that can be called. */
extern PyMemberDef layer_members[];

/* Takes over the reference to `weights`. */
void layer_set_weights(layer_object *self, struct weights *weights);
/* The weights, a new reference. RuntimeError before _build. */
struct weights *layer_weights(layer_object *self);
/* A snapshot of the present weights, a new reference. RuntimeError before _build. */
struct snapshot *layer_snapshot(layer_object *self);
/* What the table of kinds says of the weights. RuntimeError before _build; returns NULL then. */
COLD const struct cell *layer_kind(layer_object *self);
/* The kind with a mode of torch's, such as "GRU". ValueError for others; returns -1 then. */
int layer_kind_from_mode(const char *mode);
/* True if "self", with or without weights of its own, may have the weights of "other". */
bool layer_may_share(layer_object *self, layer_object *other, const struct weights *weights);
/* What _build() returns: gives the object fresh weights, all zero. */
PyObject *layer_build(PyObject *self, const struct rnn_net *net, bool cell);

/* Memory of at least "size" bytes, aligned for the core, that no other call has: what an earlier call
 * left, if that is large enough. MemoryError also where "size" is negative, for one that overflows. */
void *layer_take_workspace(layer_object *self, int use, ptrdiff_t size);
/* Leaves it to the next call. NULL: gives back what is left. */
void layer_leave_workspace(layer_object *self, int use, void *workspace);

/* An attribute that is a truth value: the closure of its getter and setter. */
struct layer_flag {
    const char *name;
    size_t offset; /* of an atomic_bool in the object */
};
PyObject *layer_get_flag(PyObject *self, void *closure);
int layer_set_flag(PyObject *self, PyObject *value, void *closure);

#endif

/* The object behind pylstm.Stream: a layer, and the states of some rows between calls of it.
 *
 * One thread at a time uses a stream: stream_enter() comes before whatever reads or changes the
 * states, stream_exit() after it. What is between them may run code of others, or let go of the GIL.
 */
#ifndef PYLSTM_PYTHON_STREAM_H
#define PYLSTM_PYTHON_STREAM_H

#include "layer.h"
#include "stream_hx.h"

typedef struct {
    PyObject_HEAD
    layer_vectorcall_function vectorcall;
    PyObject *weak_references;
    layer_object *layer;
    struct rnn_net net; /* of the layer, when the stream was made: its sizes must stay */
    atomic_bool busy;
    _Atomic ptrdiff_t rows; /* of hx, for those that ask while the stream is in use */
    struct stream_hx hx;
} stream_object;

COLD int error_stream_busy(void);
/* TypeError for states in float64 of a layer that is float32. */
COLD int error_stream_narrower(void);

/* RuntimeError where the stream is in use. */
static inline int stream_enter(stream_object *self)
{
    return atomic_exchange_explicit(&self->busy, true, memory_order_acquire) ? error_stream_busy()
                                                                             : 0;
}

static inline void stream_exit(stream_object *self)
{
    atomic_store_explicit(&self->rows, self->hx.rows, memory_order_relaxed);
    atomic_store_explicit(&self->busy, false, memory_order_release);
}

/* ValueError where a network of this structure cannot be streamed. */
int stream_check_net(const struct rnn_net *net);
/* RuntimeError where the states of this network have other sizes than those of the stream. */
int stream_check_same(const stream_object *self, const struct rnn_net *net);
/* ValueError or RuntimeError where the layer, whose network is `net` now, computes something else
 * than the stream would. */
int stream_check_layer(const stream_object *self, const struct rnn_net *net);
/* An argument "name" that is a number of rows, at least `least`. Returns -1 on error. */
Py_ssize_t stream_read_count(PyObject *object, const char *name, Py_ssize_t least);

#endif

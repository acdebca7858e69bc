/* The parameters of a module in memory, and which snapshot a call computes with.
 *
 * Weights are shared by a module, its copies, the leases on them and running calls, and live until
 * the last reference is released. weights.c says why no write to a parameter is missed. No function
 * promises anything on values that another thread writes meanwhile, but for memory safety.
 */
#ifndef PYLSTM_PYTHON_WEIGHTS_H
#define PYLSTM_PYTHON_WEIGHTS_H

#include "lock.h"
#include "snapshot.h"

/* All parameters, 64-byte aligned, in torch's order and layout, as rnn_stored_at() says. */
struct weights {
    atomic_size_t references;
    struct rnn_net net;
    bool cell; /* parameters are named as LSTMCell names them */
    size_t nbytes;
    void *params;

    struct lock lock;          /* guards all that follows; weights.c has the rules */
    struct snapshot *snapshot; /* the newest; NULL: none yet */
    bool current;              /* the library has made no change since */
    size_t events;             /* how many changes it made and how many leases began or ended */
    size_t leases;             /* how many are alive */
    ptrdiff_t suspects;        /* how many elements the suspects have */
    struct watch *watches;     /* of each parameter */
};

/* Parameters that are all zero. MemoryError where they would be absurdly large. */
struct weights *weights_new(const struct rnn_net *net, bool cell);
struct weights *weights_acquire(struct weights *weights);
/* NULL is allowed. */
void weights_release(struct weights *weights);
/* To be called after the library wrote to the parameters. */
void weights_changed(struct weights *weights);
/* A writable array on parameter `index` begins or ends to exist. */
void weights_lease_begin(struct weights *weights, ptrdiff_t index);
void weights_lease_end(struct weights *weights, ptrdiff_t index);
/* How many leases are alive, on all parameters. */
size_t weights_leases(struct weights *weights);
/* The cached snapshot, a new reference, or NULL with no exception where it may be out of date. */
struct snapshot *weights_cached_snapshot(struct weights *weights);
/* A snapshot of the present values, a new reference: cached, or packed now. */
struct snapshot *weights_snapshot(struct weights *weights);

#endif

/* Snapshots: the packed copy of a module's parameters, and whether it still has their values.
 *
 * A parameter is compared with what is packed, in which its rows lie side by side. Once a lease on
 * it has lasted from one call to the next, it is compared with a copy instead, which is two
 * sequential streams: at hidden 64 in two thirds of the time. The bytes of a copy are those that
 * were packed. That is checked when the copy is made, since the parameter may be written to
 * meanwhile.
 *
 * A snapshot never changes but for its copies, and lives until its last reference is released. The
 * functions that take watches need the watches of the weights that the snapshot is of. They read
 * the parameters without a lock, and may let other threads run.
 */
#ifndef PYLSTM_PYTHON_SNAPSHOT_H
#define PYLSTM_PYTHON_SNAPSHOT_H

#include "common.h"

#include "../core/rnn.h"

#include <stdatomic.h>

struct snapshot {
    atomic_size_t references;
    struct rnn_net net;
    double row_work; /* rnn_row_work(): a small call would feel it */
    bool finite;     /* every weight_hh is: zero states may be left out */
    bool alternates; /* calls of one step take the panels from the front and the back in turn */
    atomic_bool descending; /* the next of these calls does; cache reuse only */
    void *packed;

    /* Guarded by the lock of the weights: how many calls compare parameters with this snapshot now.
     * Only while that is 0 the copies may change. */
    size_t readers;
    void **copies; /* of each parameter: NULL, or the bytes that were packed */
};

/* One parameter in memory. */
struct watch {
    void *values; /* of the first parameter: where all of them begin */
    ptrdiff_t elements;
    bool alone;          /* packed without another: not a bias; none of the three ever changes */
    bool held;           /* leased without a break since an earlier call that compared */
    atomic_bool suspect; /* may differ from the snapshot unnoticed; read without the lock too */
    size_t leases;       /* that are alive */
};

/* True if the parameter may differ from the snapshot unnoticed. */
static inline bool watch_suspects(const struct watch *watch)
{
    return atomic_load_explicit(&watch->suspect, memory_order_relaxed);
}

/* Bytes of `elements` values of `itemsize` bytes; MemoryError and -1 where those, behind `header` other
 * bytes and aligned, would be absurd. */
ptrdiff_t snapshot_values_size(ptrdiff_t elements, size_t itemsize, size_t header);

/* Packs the values that the parameters have now. */
struct snapshot *snapshot_new(const struct rnn_net *net, const void *params);
static inline struct snapshot *snapshot_acquire(struct snapshot *snapshot)
{
    atomic_fetch_add_explicit(&snapshot->references, 1, memory_order_relaxed);
    return snapshot;
}
/* Returns struct rnn_call.descending of a call of so many steps, and turns the order of the next one.
 * Calls of two threads at once may read the same order. */
static inline bool snapshot_descends(struct snapshot *snapshot, ptrdiff_t steps)
{
    if (steps != 1 || !snapshot->alternates)
        return false;
    const bool descending = atomic_load_explicit(&snapshot->descending, memory_order_relaxed);
    atomic_store_explicit(&snapshot->descending, !descending, memory_order_relaxed);
    return descending;
}
/* Needs no GIL. NULL is allowed. */
void snapshot_release(struct snapshot *snapshot);
/* True if the snapshot has the present values of all suspects, so many elements. The caller is one
 * of its readers. */
bool snapshot_has_suspects(const struct snapshot *snapshot, const struct watch *watches,
                           ptrdiff_t elements);
/* True if a copy would make comparisons of parameter `index` shorter. */
bool snapshot_wants_copy(const struct snapshot *snapshot, const struct watch *watches,
                         ptrdiff_t index);
/* A copy for snapshot->copies, or NULL where the parameter is being written to. Returns -1 on
 * failure. */
int snapshot_copy(const struct snapshot *snapshot, const struct watch *watches, ptrdiff_t index,
                  void **copy);

#endif

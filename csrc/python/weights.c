/* A change never touches what a running call reads: a later call packs a new snapshot. Changes by
 * the library are announced by weights_changed(). Writes through a leased array are not, so a
 * parameter is a suspect from the time at which a lease on it begins. It ceases to be one when a
 * call that began after the end of its last lease finds its values in the snapshot. A call
 * compares all suspects with the snapshot (snapshot.c) and packs only if one differs.
 *
 * Invariant: while `current` is set, every parameter that is not a suspect has in the snapshot the
 * values that it has in the weights.
 *
 * The lock guards everything in weights but the values of parameters. In builds with a GIL that is
 * the lock, so nothing between lock_acquire() and lock_release() lets go of the GIL. Packing and
 * comparing read the values without the lock. Why the invariant holds all the same, without a GIL
 * too:
 *
 * - A write through a lease comes before the end of that lease, and a write by the library before
 *   its weights_changed(); both take the lock. So a call that finds the lease ended, or `current`
 *   cleared, reads the written values. While the lease lasts the parameter is a suspect, and the
 *   comparison reads whatever the program has ordered before the call.
 * - A call that packs keeps the snapshot, and a call that compares clears suspects, only if
 *   `events` is what it was before the values were read. Then no lease began or ended meanwhile
 *   and the library finished no change: a parameter without a lease had the same values all the
 *   time. (A change that the library has begun and not finished will clear `current` when it
 *   ends.)
 * - A comparison is valid only for the snapshot that it was made with, and counts if that is still
 *   the snapshot of the weights. Another call may clear a suspect before this one has read it, but
 *   as the snapshot is the same, that call has found the parameter's values in it.
 * - A leased parameter may be written to while it is packed or compared. It stays a suspect, and
 *   both read each value once: the next comparison is with exactly the values that were packed.
 *
 * Copies of parameters, which make comparisons shorter, belong to a snapshot. They come and go
 * under the lock while no call is comparing (`readers` is 0). If a fork leaves `readers` above 0
 * in the child, copies stay as they are until the snapshot is replaced.
 */
#include "weights.h"

#include "errors.h"
#include "memory.h"

#include "../core/pack.h"
#include "../core/params.h"

struct weights *weights_new(const struct rnn_net *net, bool cell)
{
    const ptrdiff_t nbytes = rnn_stored_size(net);
    /* A size that overflows leaves no number that could be counted. */
    const ptrdiff_t count = nbytes < 0 ? 0 : rnn_param_count(net);
    const size_t header = sizeof(struct weights) + (size_t)count * sizeof(struct watch);
    /* A module whose packed copy cannot be counted could be built but never called. */
    if (snapshot_values_size(nbytes, 1, header) < 0 ||
        snapshot_values_size(rnn_packed_size(net), net->kernels->itemsize, header) < 0)
        return NULL;
    struct weights *weights = memory_new_zeroed(header + MEMORY_ALIGNMENT + (size_t)nbytes);
    if (weights == NULL) {
        error_too_large();
        return NULL;
    }
    atomic_init(&weights->references, 1);
    weights->net = *net;
    weights->cell = cell;
    weights->nbytes = (size_t)nbytes;
    weights->params = memory_align((char *)weights + header, MEMORY_ALIGNMENT);
    weights->watches = (struct watch *)(weights + 1);
    for (ptrdiff_t i = 0; i < count; i++) {
        const struct rnn_param param = rnn_param_at(net, i);
        struct watch *watch = &weights->watches[i];
        watch->values = (char *)weights->params + rnn_stored_at(net, i).values;
        watch->elements = param.rows * param.cols;
        watch->alone = param.kind != BIAS_IH && param.kind != BIAS_HH;
        atomic_init(&watch->suspect, false);
    }
    return weights;
}

struct weights *weights_acquire(struct weights *weights)
{
    atomic_fetch_add_explicit(&weights->references, 1, memory_order_relaxed);
    return weights;
}

void weights_release(struct weights *weights)
{
    if (weights == NULL ||
        atomic_fetch_sub_explicit(&weights->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    snapshot_release(weights->snapshot);
    memory_free(weights);
}

void weights_changed(struct weights *weights)
{
    lock_acquire(&weights->lock);
    weights->current = false;
    weights->events++;
    lock_release(&weights->lock);
}

void weights_lease_begin(struct weights *weights, ptrdiff_t index)
{
    struct watch *watch = &weights->watches[index];

    lock_acquire(&weights->lock);
    weights->events++;
    weights->leases++;
    watch->leases++;
    if (!watch_suspects(watch)) {
        atomic_store_explicit(&watch->suspect, true, memory_order_relaxed);
        weights->suspects += watch->elements;
    }
    lock_release(&weights->lock);
}

/* The caller holds the lock; the snapshot has no reader. */
static void drop_copy(struct snapshot *snapshot, ptrdiff_t index)
{
    memory_free(snapshot->copies[index]);
    snapshot->copies[index] = NULL;
}

void weights_lease_end(struct weights *weights, ptrdiff_t index)
{
    struct watch *watch = &weights->watches[index];

    lock_acquire(&weights->lock);
    weights->events++;
    weights->leases--;
    watch->leases--;
    if (watch->leases == 0) {
        watch->held = false;
        if (weights->snapshot != NULL && weights->snapshot->readers == 0)
            drop_copy(weights->snapshot, index);
    }
    lock_release(&weights->lock);
}

size_t weights_leases(struct weights *weights)
{
    lock_acquire(&weights->lock);
    const size_t leases = weights->leases;
    lock_release(&weights->lock);
    return leases;
}

/* Clears the suspects without a lease: their values are in the snapshot, and `events` has not
 * moved since they were read. The caller holds the lock. */
static void clear_suspects(struct weights *weights)
{
    for (ptrdiff_t i = 0; i < rnn_param_count(&weights->net) && weights->suspects > 0; i++) {
        struct watch *watch = &weights->watches[i];
        if (watch->leases == 0 && watch_suspects(watch)) {
            atomic_store_explicit(&watch->suspect, false, memory_order_relaxed);
            weights->suspects -= watch->elements;
        }
    }
}

HOT struct snapshot *weights_cached_snapshot(struct weights *weights)
{
    struct snapshot *snapshot = NULL;
    lock_acquire(&weights->lock);
    if (weights->current && weights->suspects == 0)
        snapshot = snapshot_acquire(weights->snapshot);
    lock_release(&weights->lock);
    return snapshot;
}

/* A comparison of the suspects of weights with their snapshot, from one use of the lock to the
 * next. */
struct comparison {
    struct snapshot *snapshot;
    size_t events;      /* of the weights, when the comparison began */
    ptrdiff_t suspects; /* likewise */
    ptrdiff_t copied;   /* the parameter that gets a copy, or -1 */
    void *copy;
};

/* True if there is a snapshot to compare with. */
static bool comparison_begin(struct comparison *at, struct weights *weights)
{
    *at = (struct comparison){.copied = -1};
    lock_acquire(&weights->lock);
    at->events = weights->events;
    at->suspects = weights->suspects;
    if (weights->current) {
        at->snapshot = snapshot_acquire(weights->snapshot);
        at->snapshot->readers++;
        /* At most one copy in a call, since a deep network has many parameters. */
        for (ptrdiff_t i = 0; i < rnn_param_count(&weights->net) && at->copied < 0; i++)
            if (weights->watches[i].held && snapshot_wants_copy(at->snapshot, weights->watches, i))
                at->copied = i;
    }
    lock_release(&weights->lock);
    return at->snapshot != NULL;
}

/* True if no suspect differs (`same`) and the comparison counts. Also settles which copies exist:
 * of parameters that stay leased from this call to the next. */
static bool comparison_end(struct comparison *at, struct weights *weights, bool same)
{
    struct snapshot *snapshot = at->snapshot;

    lock_acquire(&weights->lock);
    snapshot->readers--;
    same = same && weights->snapshot == snapshot;
    if (same && weights->events == at->events)
        clear_suspects(weights);
    for (ptrdiff_t i = 0; i < rnn_param_count(&weights->net); i++) {
        struct watch *watch = &weights->watches[i];
        watch->held = watch->leases > 0;
        if (snapshot->readers > 0)
            continue;
        if (!watch->held) {
            drop_copy(snapshot, i);
        } else if (i == at->copied && snapshot->copies[i] == NULL) {
            snapshot->copies[i] = at->copy;
            at->copy = NULL;
        }
    }
    lock_release(&weights->lock);
    memory_free(at->copy);
    return same;
}

/* Returns 1 and a new reference to the snapshot of the weights if that has the present values, 0 if
 * not, -1 on failure. */
static int confirmed_snapshot(struct weights *weights, struct snapshot **snapshot)
{
    struct comparison at;

    if (!comparison_begin(&at, weights))
        return 0;
    int status = snapshot_has_suspects(at.snapshot, weights->watches, at.suspects);
    if (status == 1 && at.copied >= 0 &&
        snapshot_copy(at.snapshot, weights->watches, at.copied, &at.copy) < 0) {
        status = -1;
    }
    if (!comparison_end(&at, weights, status == 1) && status == 1)
        status = 0;
    if (status == 1)
        *snapshot = at.snapshot;
    else
        snapshot_release(at.snapshot);
    return status;
}

/* Packs the present values, and keeps the result for later calls unless `events` has moved. */
static struct snapshot *packed_snapshot(struct weights *weights)
{
    struct snapshot *old = NULL;

    lock_acquire(&weights->lock);
    const size_t events = weights->events;
    lock_release(&weights->lock);
    struct snapshot *snapshot = snapshot_new(&weights->net, weights->params);
    if (snapshot == NULL)
        return NULL;
    lock_acquire(&weights->lock);
    if (weights->events == events) {
        old = weights->snapshot;
        weights->snapshot = snapshot_acquire(snapshot);
        weights->current = true;
        clear_suspects(weights);
    }
    lock_release(&weights->lock);
    snapshot_release(old);
    return snapshot;
}

struct snapshot *weights_snapshot(struct weights *weights)
{
    struct snapshot *snapshot = NULL;

    if (confirmed_snapshot(weights, &snapshot) == 0)
        snapshot = packed_snapshot(weights);
    return snapshot;
}

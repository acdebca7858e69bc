/* Parameter blocks: memory, reference counts, leases, and the snapshot that a call computes with.
 *
 * A change never touches what a running call reads: a later call packs a new snapshot. Changes by
 * the library are announced by block_changed(). Writes through a leased array are not, so a
 * parameter is a suspect from the time at which a lease on it begins. It ceases to be one when a
 * call that began after the end of its last lease finds its values in the snapshot. A call
 * compares all suspects with the snapshot (snapshot.c) and packs only if one differs.
 *
 * Invariant: while `current` is set, every parameter that is not a suspect has in the snapshot the
 * values that it has in the block.
 *
 * The lock guards everything in a block but the values of parameters. In builds with a GIL that is
 * the lock, so nothing between lock_acquire() and lock_release() lets go of the GIL. Packing and
 * comparing read the values without the lock. Why the invariant holds all the same, without a GIL
 * too:
 *
 * - A write through a lease comes before the end of that lease, and a write by the library before
 *   its block_changed(); both take the lock. So a call that finds the lease ended, or `current`
 *   cleared, reads the written values. While the lease lasts the parameter is a suspect, and the
 *   comparison reads whatever the program has ordered before the call.
 * - A call that packs keeps the snapshot, and a call that compares clears suspects, only if
 *   `events` is what it was before the values were read. Then no lease began or ended meanwhile
 *   and the library finished no change: a parameter without a lease had the same values all the
 *   time. (A change that the library has begun and not finished will clear `current` when it
 *   ends.)
 * - A comparison is valid only for the snapshot that it was made with, and counts if that is still
 *   the snapshot of the block. Another call may clear a suspect before this one has read it, but
 *   as the snapshot is the same, that call has found the parameter's values in it.
 * - A leased parameter may be written to while it is packed or compared. It stays a suspect, and
 *   both read each value once: the next comparison is with exactly the values that were packed.
 *
 * Copies of parameters, which make comparisons shorter, belong to a snapshot. They come and go
 * under the lock while no call is comparing (`readers` is 0). If a fork leaves `readers` above 0
 * in the child, copies stay as they are until the snapshot is replaced.
 */
#include "pylstm.h"

struct block *block_new(const struct rnn_net *net, bool cell)
{
    const ptrdiff_t elements = rnn_params_size(net);
    /* A size that overflows leaves no number that could be counted. */
    const ptrdiff_t count = elements < 0 ? 0 : rnn_param_count(net);
    const size_t header = sizeof(struct block) + (size_t)count * sizeof(struct watch);
    const ptrdiff_t nbytes = values_size(net, elements, header);
    /* A module whose packed copy cannot be counted could be built but never called. */
    if (nbytes < 0 || values_size(net, rnn_packed_size(net), header) < 0) {
        return NULL;
    }
    struct block *block = memory_new_zeroed(header + VALUES_ALIGNMENT + (size_t)nbytes);
    if (block == NULL) {
        error_too_large();
        return NULL;
    }
    atomic_init(&block->references, 1);
    block->net = *net;
    block->cell = cell;
    block->nbytes = (size_t)nbytes;
    block->params = values_align((char *)block + header);
    block->watches = (struct watch *)(block + 1);
    for (ptrdiff_t i = 0; i < count; i++) {
        const struct rnn_param param = rnn_param_at(net, i);
        struct watch *watch = &block->watches[i];
        watch->values = (char *)block->params + (size_t)param.offset * net->kernels->itemsize;
        watch->elements = param.rows * param.cols;
        watch->matrix = param.ndim == 2;
        atomic_init(&watch->suspect, false);
    }
    return block;
}

struct block *block_acquire(struct block *block)
{
    atomic_fetch_add_explicit(&block->references, 1, memory_order_relaxed);
    return block;
}

void block_release(struct block *block)
{
    if (block == NULL ||
        atomic_fetch_sub_explicit(&block->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    snapshot_release(block->snapshot);
    memory_free(block);
}

void block_changed(struct block *block)
{
    lock_acquire(&block->lock);
    block->current = false;
    block->events++;
    lock_release(&block->lock);
}

void block_lease_begin(struct block *block, ptrdiff_t index)
{
    struct watch *watch = &block->watches[index];

    lock_acquire(&block->lock);
    block->events++;
    block->leases++;
    watch->leases++;
    if (!block_suspects(block, index)) {
        atomic_store_explicit(&watch->suspect, true, memory_order_relaxed);
        block->suspects += watch->elements;
    }
    lock_release(&block->lock);
}

/* The caller holds the lock; the snapshot has no reader. */
static void drop_copy(struct snapshot *snapshot, ptrdiff_t index)
{
    memory_free(snapshot->copies[index]);
    snapshot->copies[index] = NULL;
}

void block_lease_end(struct block *block, ptrdiff_t index)
{
    struct watch *watch = &block->watches[index];

    lock_acquire(&block->lock);
    block->events++;
    block->leases--;
    watch->leases--;
    if (watch->leases == 0) {
        watch->held = false;
        if (block->snapshot != NULL && block->snapshot->readers == 0) {
            drop_copy(block->snapshot, index);
        }
    }
    lock_release(&block->lock);
}

size_t block_leases(struct block *block)
{
    lock_acquire(&block->lock);
    const size_t leases = block->leases;
    lock_release(&block->lock);
    return leases;
}

/* Clears the suspects without a lease: their values are in the snapshot, and `events` has not
 * moved since they were read. The caller holds the lock. */
static void clear_suspects(struct block *block)
{
    for (ptrdiff_t i = 0; i < rnn_param_count(&block->net) && block->suspects > 0; i++) {
        struct watch *watch = &block->watches[i];
        if (watch->leases == 0 && block_suspects(block, i)) {
            atomic_store_explicit(&watch->suspect, false, memory_order_relaxed);
            block->suspects -= watch->elements;
        }
    }
}

struct snapshot *block_cached_snapshot(struct block *block)
{
    struct snapshot *snapshot = NULL;
    lock_acquire(&block->lock);
    if (block->current && block->suspects == 0) {
        snapshot = snapshot_acquire(block->snapshot);
    }
    lock_release(&block->lock);
    return snapshot;
}

/* A comparison of a block's suspects with its snapshot, from one use of the lock to the next. */
struct comparison {
    struct snapshot *snapshot;
    size_t events;      /* of the block, when the comparison began */
    ptrdiff_t suspects; /* likewise */
    ptrdiff_t copied;   /* the parameter that gets a copy, or -1 */
    void *copy;
};

/* True if there is a snapshot to compare with. */
static bool comparison_begin(struct comparison *at, struct block *block)
{
    *at = (struct comparison){.copied = -1};
    lock_acquire(&block->lock);
    at->events = block->events;
    at->suspects = block->suspects;
    if (block->current) {
        at->snapshot = snapshot_acquire(block->snapshot);
        at->snapshot->readers++;
        /* At most one copy in a call, since a deep network has many parameters. */
        for (ptrdiff_t i = 0; i < rnn_param_count(&block->net) && at->copied < 0; i++) {
            if (block->watches[i].held && snapshot_wants_copy(at->snapshot, block, i)) {
                at->copied = i;
            }
        }
    }
    lock_release(&block->lock);
    return at->snapshot != NULL;
}

/* True if no suspect differs (`same`) and the comparison counts. Also settles which copies exist:
 * of parameters that stay leased from this call to the next. */
static bool comparison_end(struct comparison *at, struct block *block, bool same)
{
    struct snapshot *snapshot = at->snapshot;

    lock_acquire(&block->lock);
    snapshot->readers--;
    same = same && block->snapshot == snapshot;
    if (same && block->events == at->events) {
        clear_suspects(block);
    }
    for (ptrdiff_t i = 0; i < rnn_param_count(&block->net); i++) {
        struct watch *watch = &block->watches[i];
        watch->held = watch->leases > 0;
        if (snapshot->readers > 0) {
            continue;
        }
        if (!watch->held) {
            drop_copy(snapshot, i);
        } else if (i == at->copied && snapshot->copies[i] == NULL) {
            snapshot->copies[i] = at->copy;
            at->copy = NULL;
        }
    }
    lock_release(&block->lock);
    memory_free(at->copy);
    return same;
}

/* Returns 1 and a new reference to the block's snapshot if that has the present values, 0 if not,
 * -1 on failure. */
static int confirmed_snapshot(struct block *block, struct snapshot **snapshot)
{
    struct comparison at;

    if (!comparison_begin(&at, block)) {
        return 0;
    }
    int status = snapshot_has_suspects(at.snapshot, block, at.suspects);
    if (status == 1 && at.copied >= 0 &&
        snapshot_copy(at.snapshot, block, at.copied, &at.copy) < 0) {
        status = -1;
    }
    if (!comparison_end(&at, block, status == 1) && status == 1) {
        status = 0;
    }
    if (status == 1) {
        *snapshot = at.snapshot;
    } else {
        snapshot_release(at.snapshot);
    }
    return status;
}

/* Packs the present values, and keeps the result for later calls unless `events` has moved. */
static struct snapshot *packed_snapshot(struct block *block)
{
    struct snapshot *old = NULL;

    lock_acquire(&block->lock);
    const size_t events = block->events;
    lock_release(&block->lock);
    struct snapshot *snapshot = snapshot_new(block);
    if (snapshot == NULL) {
        return NULL;
    }
    lock_acquire(&block->lock);
    if (block->events == events) {
        old = block->snapshot;
        block->snapshot = snapshot_acquire(snapshot);
        block->current = true;
        clear_suspects(block);
    }
    lock_release(&block->lock);
    snapshot_release(old);
    return snapshot;
}

struct snapshot *block_snapshot(struct block *block)
{
    struct snapshot *snapshot = NULL;

    if (confirmed_snapshot(block, &snapshot) == 0) {
        snapshot = packed_snapshot(block);
    }
    return snapshot;
}

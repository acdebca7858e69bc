/* Parameter blocks and the packed snapshots made from them: memory and reference counts.
 *
 * A change never touches what a running call reads: it counts the version up, and the next
 * call packs anew. The order of the loads below is what makes that hold without a GIL: a
 * lease bumps the version before it leaves the count, so whoever sees no lease also sees
 * every version that leases have left behind.
 */
#include "pylstm.h"

#define ALIGNMENT 64
/* Elements from which packing takes long enough (about 50 us) to let other threads run. */
#define UNLOCKED_PACK_ELEMENTS 100000

static void *align_up(void *pointer)
{
    uintptr_t address = ((uintptr_t)pointer + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1);
    return (char *)pointer + (address - (uintptr_t)pointer);
}

/* Bytes of "elements" values; MemoryError and -1 where that is absurd. */
static ptrdiff_t byte_count(const struct rnn_net *net, ptrdiff_t elements, size_t header)
{
    ptrdiff_t spare = (ptrdiff_t)header + ALIGNMENT;
    if (elements < 0 || elements > (PTRDIFF_MAX - spare) / (ptrdiff_t)net->kernels->itemsize) {
        return error_too_large();
    }
    return elements * (ptrdiff_t)net->kernels->itemsize;
}

struct block *block_new(const struct rnn_net *net, bool cell)
{
    ptrdiff_t nbytes = byte_count(net, rnn_params_size(net), sizeof(struct block));
    /* A module whose packed copy cannot be counted could be built but never called. */
    if (nbytes < 0 || byte_count(net, rnn_packed_size(net), sizeof(struct snapshot)) < 0) {
        return NULL;
    }
    struct block *block = memory_new_zeroed(sizeof(struct block) + ALIGNMENT + (size_t)nbytes);
    if (block == NULL) {
        error_too_large();
        return NULL;
    }
    atomic_init(&block->references, 1);
    atomic_init(&block->leases, 0);
    atomic_init(&block->version, 0);
    block->net = *net;
    block->cell = cell;
    block->nbytes = (size_t)nbytes;
    block->params = align_up(block + 1);
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
    atomic_fetch_add_explicit(&block->version, 1, memory_order_release);
}

static struct snapshot *snapshot_acquire(struct snapshot *snapshot)
{
    atomic_fetch_add_explicit(&snapshot->references, 1, memory_order_relaxed);
    return snapshot;
}

void snapshot_release(struct snapshot *snapshot)
{
    if (snapshot != NULL &&
        atomic_fetch_sub_explicit(&snapshot->references, 1, memory_order_acq_rel) == 1) {
        memory_free(snapshot);
    }
}

/* Packs the values that the block holds now. */
static struct snapshot *snapshot_new(const struct block *block)
{
    ptrdiff_t elements = rnn_packed_size(&block->net);
    ptrdiff_t nbytes = byte_count(&block->net, elements, sizeof(struct snapshot));
    if (nbytes < 0) {
        return NULL;
    }
    struct snapshot *snapshot = memory_new(sizeof(struct snapshot) + ALIGNMENT + (size_t)nbytes);
    if (snapshot == NULL) {
        error_too_large();
        return NULL;
    }
    atomic_init(&snapshot->references, 1);
    snapshot->net = block->net;
    snapshot->packed = align_up(snapshot + 1);
    if (elements < UNLOCKED_PACK_ELEMENTS) {
        snapshot->finite = rnn_pack(&block->net, block->params, snapshot->packed);
    } else {
        Py_BEGIN_ALLOW_THREADS
        snapshot->finite = rnn_pack(&block->net, block->params, snapshot->packed);
        Py_END_ALLOW_THREADS
    }
    return snapshot;
}

struct snapshot *block_cached_snapshot(struct block *block)
{
    struct snapshot *snapshot = NULL;
    lock_acquire(&block->lock);
    if (block->snapshot != NULL &&
        atomic_load_explicit(&block->leases, memory_order_acquire) == 0 &&
        atomic_load_explicit(&block->version, memory_order_acquire) == block->snapshot_version) {
        snapshot = snapshot_acquire(block->snapshot);
    }
    lock_release(&block->lock);
    return snapshot;
}

struct snapshot *block_snapshot(struct block *block)
{
    struct snapshot *snapshot = block_cached_snapshot(block);
    if (snapshot != NULL) {
        return snapshot;
    }
    /* Both are read before packing: what changes meanwhile makes the result out of date. */
    size_t version = atomic_load_explicit(&block->version, memory_order_acquire);
    bool leased = atomic_load_explicit(&block->leases, memory_order_acquire) != 0;
    snapshot = snapshot_new(block);
    if (snapshot == NULL || leased) {
        return snapshot;
    }
    lock_acquire(&block->lock);
    struct snapshot *old = block->snapshot;
    block->snapshot = snapshot_acquire(snapshot);
    block->snapshot_version = version;
    lock_release(&block->lock);
    snapshot_release(old);
    return snapshot;
}

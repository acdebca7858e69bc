#include "snapshot.h"

#include "errors.h"
#include "memory.h"

#include "../core/pack.h"
#include "../core/params.h"
#include "../simd/storage.h"

#include <string.h>

/* Elements from which packing or comparing takes long enough (about 50 us) to let other threads
 * run. */
#define UNLOCKED_PACK_ELEMENTS 300000
#define UNLOCKED_COMPARE_ELEMENTS 500000
/* Bytes of a parameter up to which a copy is made: larger ones come from memory, at its speed
 * either way. */
#define MOST_COPIED (4 << 20)
/* Bytes of packed weights for which it pays to alternate the order of panels from one call of one step
 * to the next. Fewer fit the first-level cache; of more, too few are still in the second-level cache.
 * Floats of 16 bits wait for their widening, not for the second-level cache: those gain where they do
 * not fit that cache. */
#define LEAST_ALTERNATING (64 << 10)
#define LEAST_ALTERNATING_HALVES (1 << 20)
#define MOST_ALTERNATING (16 << 20)

ptrdiff_t snapshot_values_size(ptrdiff_t elements, size_t itemsize, size_t header)
{
    const ptrdiff_t spare = (ptrdiff_t)header + MEMORY_ALIGNMENT;

    if (elements < 0 || elements > (PTRDIFF_MAX - spare) / (ptrdiff_t)itemsize)
        return error_too_large();
    return elements * (ptrdiff_t)itemsize;
}

HOT void snapshot_release(struct snapshot *snapshot)
{
    if (snapshot == NULL ||
        atomic_fetch_sub_explicit(&snapshot->references, 1, memory_order_acq_rel) != 1)
        return;
    for (ptrdiff_t index = 0; index < rnn_param_count(&snapshot->net); index++)
        memory_free(snapshot->copies[index]);
    memory_free(snapshot);
}

static bool alternates(const struct rnn_net *net, ptrdiff_t nbytes)
{
    const bool halves = rnn_is_compressed(net) && !storage_is_integer(net->kernels->storage);

    return nbytes >= (halves ? LEAST_ALTERNATING_HALVES : LEAST_ALTERNATING) &&
           nbytes <= MOST_ALTERNATING;
}

struct snapshot *snapshot_new(const struct rnn_net *net, const void *params)
{
    const size_t copies = (size_t)rnn_param_count(net) * sizeof(void *);
    const size_t header = sizeof(struct snapshot) + copies;
    const ptrdiff_t elements = rnn_packed_size(net);
    const ptrdiff_t nbytes = snapshot_values_size(elements, net->kernels->itemsize, header);
    struct snapshot *snapshot;

    if (nbytes < 0)
        return NULL;
    snapshot = memory_new(header + MEMORY_ALIGNMENT + (size_t)nbytes);
    if (snapshot == NULL) {
        error_too_large();
        return NULL;
    }
    memset(snapshot, 0, header);
    atomic_init(&snapshot->references, 1);
    snapshot->net = *net;
    snapshot->row_work = rnn_row_work(net);
    snapshot->alternates = alternates(net, nbytes);
    snapshot->copies = (void **)(snapshot + 1);
    snapshot->packed = memory_align((char *)snapshot + header, MEMORY_ALIGNMENT);
    if (elements < UNLOCKED_PACK_ELEMENTS) {
        snapshot->finite = rnn_pack(net, params, snapshot->packed);
    } else {
        Py_BEGIN_ALLOW_THREADS
        snapshot->finite = rnn_pack(net, params, snapshot->packed);
        Py_END_ALLOW_THREADS
    }
    return snapshot;
}

static bool has_param(const struct snapshot *snapshot, const struct watch *watches, ptrdiff_t index)
{
    const struct watch *watch = &watches[index];
    void *copy = snapshot->copies[index];

    if (copy != NULL)
        return snapshot->net.kernels->same(watch->values, memory_align(copy, MEMORY_ALIGNMENT),
                                           watch->elements);
    return rnn_param_is_packed(&snapshot->net, index, watches[0].values, snapshot->packed);
}

static bool has_suspects(const struct snapshot *snapshot, const struct watch *watches)
{
    bool sum = false; /* that of the biases beside this parameter has been compared */

    /* The last first, as in pack.c. */
    for (ptrdiff_t index = rnn_param_count(&snapshot->net) - 1; index >= 0; index--) {
        const bool alone = watches[index].alone;
        sum = sum && !alone;
        if (sum || !watch_suspects(&watches[index]))
            continue;
        if (!has_param(snapshot, watches, index))
            return false;
        sum = !alone;
    }
    return true;
}

bool snapshot_has_suspects(const struct snapshot *snapshot, const struct watch *watches,
                           ptrdiff_t elements)
{
    bool same;

    if (elements < UNLOCKED_COMPARE_ELEMENTS)
        return has_suspects(snapshot, watches);
    Py_BEGIN_ALLOW_THREADS
    same = has_suspects(snapshot, watches);
    Py_END_ALLOW_THREADS
    return same;
}

bool snapshot_wants_copy(const struct snapshot *snapshot, const struct watch *watches,
                         ptrdiff_t index)
{
    const struct watch *watch = &watches[index];
    const size_t nbytes = (size_t)watch->elements * snapshot->net.kernels->itemsize;

    /* Of biases only the sum is packed: a copy of one could not be checked. They are small. */
    return watch->alone && nbytes <= MOST_COPIED && snapshot->copies[index] == NULL;
}

/* Copies the parameter. Returns whether the copy has the bytes that were packed. */
static bool copy_param(const struct snapshot *snapshot, const struct watch *watches,
                       ptrdiff_t index, void *copy)
{
    const struct watch *watch = &watches[index];

    memcpy(copy, watch->values, (size_t)watch->elements * snapshot->net.kernels->itemsize);
    return rnn_weight_is_packed(&snapshot->net, index, copy, snapshot->packed);
}

int snapshot_copy(const struct snapshot *snapshot, const struct watch *watches, ptrdiff_t index,
                  void **copy)
{
    const ptrdiff_t elements = watches[index].elements;
    bool same;

    *copy = memory_new(MEMORY_ALIGNMENT + (size_t)elements * snapshot->net.kernels->itemsize);
    if (*copy == NULL)
        return error_too_large();
    if (elements < UNLOCKED_COMPARE_ELEMENTS) {
        same = copy_param(snapshot, watches, index, memory_align(*copy, MEMORY_ALIGNMENT));
    } else {
        Py_BEGIN_ALLOW_THREADS
        same = copy_param(snapshot, watches, index, memory_align(*copy, MEMORY_ALIGNMENT));
        Py_END_ALLOW_THREADS
    }
    if (!same) { /* written to since it was compared: the next call packs */
        memory_free(*copy);
        *copy = NULL;
    }
    return 0;
}

/* Snapshots: the packed copy of the parameters of weights, and whether it still has their values.
 *
 * A parameter is compared with what is packed, in which its rows lie side by side. Once a lease on
 * it has lasted from one call to the next, it is compared with a copy instead, which is two
 * sequential streams: at hidden 64 in two thirds of the time. The bytes of a copy are those that
 * were packed. That is checked when the copy is made, since the parameter may be written to
 * meanwhile.
 */
#include "pylstm.h"

#include <string.h>

/* Elements from which packing or comparing takes long enough (about 50 us) to let other threads
 * run. */
#define UNLOCKED_PACK_ELEMENTS 300000
#define UNLOCKED_COMPARE_ELEMENTS 500000
/* Bytes of a parameter up to which a copy is made: larger ones come from memory, at its speed
 * either way. */
#define MOST_COPIED (4 << 20)

ptrdiff_t values_size(const struct rnn_net *net, ptrdiff_t elements, size_t header)
{
    const ptrdiff_t spare = (ptrdiff_t)header + VALUES_ALIGNMENT;

    if (elements < 0 || elements > (PTRDIFF_MAX - spare) / (ptrdiff_t)net->kernels->itemsize)
        return error_too_large();
    return elements * (ptrdiff_t)net->kernels->itemsize;
}

void *values_align(void *pointer)
{
    const uintptr_t mask = VALUES_ALIGNMENT - 1;
    const uintptr_t address = ((uintptr_t)pointer + mask) & ~mask;

    return (char *)pointer + (address - (uintptr_t)pointer);
}

void snapshot_release(struct snapshot *snapshot)
{
    if (snapshot == NULL ||
        atomic_fetch_sub_explicit(&snapshot->references, 1, memory_order_acq_rel) != 1)
        return;
    for (ptrdiff_t index = 0; index < rnn_param_count(&snapshot->net); index++)
        memory_free(snapshot->copies[index]);
    memory_free(snapshot);
}

struct snapshot *snapshot_new(const struct weights *weights)
{
    const size_t copies = (size_t)rnn_param_count(&weights->net) * sizeof(void *);
    const size_t header = sizeof(struct snapshot) + copies;
    const ptrdiff_t elements = rnn_packed_size(&weights->net);
    const ptrdiff_t nbytes = values_size(&weights->net, elements, header);
    struct snapshot *snapshot;

    if (nbytes < 0)
        return NULL;
    snapshot = memory_new(header + VALUES_ALIGNMENT + (size_t)nbytes);
    if (snapshot == NULL) {
        error_too_large();
        return NULL;
    }
    memset(snapshot, 0, header);
    atomic_init(&snapshot->references, 1);
    snapshot->net = weights->net;
    snapshot->copies = (void **)(snapshot + 1);
    snapshot->packed = values_align((char *)snapshot + header);
    if (elements < UNLOCKED_PACK_ELEMENTS) {
        snapshot->finite = rnn_pack(&weights->net, weights->params, snapshot->packed);
    } else {
        Py_BEGIN_ALLOW_THREADS
        snapshot->finite = rnn_pack(&weights->net, weights->params, snapshot->packed);
        Py_END_ALLOW_THREADS
    }
    return snapshot;
}

static bool has_param(const struct snapshot *snapshot, const struct weights *weights,
                      ptrdiff_t index)
{
    const struct watch *watch = &weights->watches[index];
    void *copy = snapshot->copies[index];

    if (copy != NULL)
        return weights->net.kernels->same(watch->values, values_align(copy), watch->elements);
    return rnn_param_is_packed(&weights->net, index, weights->params, snapshot->packed);
}

static bool has_suspects(const struct snapshot *snapshot, const struct weights *weights)
{
    bool sum = false; /* that of the biases beside this parameter has been compared */

    /* The last first, as in pack.c. */
    for (ptrdiff_t index = rnn_param_count(&weights->net) - 1; index >= 0; index--) {
        const bool matrix = weights->watches[index].matrix;
        sum = sum && !matrix;
        if (sum || !weights_suspects(weights, index))
            continue;
        if (!has_param(snapshot, weights, index))
            return false;
        sum = !matrix;
    }
    return true;
}

bool snapshot_has_suspects(const struct snapshot *snapshot, const struct weights *weights,
                           ptrdiff_t elements)
{
    bool same;

    if (elements < UNLOCKED_COMPARE_ELEMENTS)
        return has_suspects(snapshot, weights);
    Py_BEGIN_ALLOW_THREADS
    same = has_suspects(snapshot, weights);
    Py_END_ALLOW_THREADS
    return same;
}

bool snapshot_wants_copy(const struct snapshot *snapshot, const struct weights *weights,
                         ptrdiff_t index)
{
    const struct watch *watch = &weights->watches[index];
    const size_t nbytes = (size_t)watch->elements * weights->net.kernels->itemsize;

    /* Of biases only the sum is packed: a copy of one could not be checked. They are small. */
    return watch->matrix && nbytes <= MOST_COPIED && snapshot->copies[index] == NULL;
}

/* Copies the parameter. Returns whether the copy has the bytes that were packed. */
static bool copy_param(const struct snapshot *snapshot, const struct weights *weights,
                       ptrdiff_t index, void *copy)
{
    const struct watch *watch = &weights->watches[index];

    memcpy(copy, watch->values, (size_t)watch->elements * weights->net.kernels->itemsize);
    return rnn_weight_is_packed(&weights->net, index, copy, snapshot->packed);
}

int snapshot_copy(const struct snapshot *snapshot, const struct weights *weights, ptrdiff_t index,
                  void **copy)
{
    const ptrdiff_t elements = weights->watches[index].elements;
    bool same;

    *copy = memory_new(VALUES_ALIGNMENT + (size_t)elements * weights->net.kernels->itemsize);
    if (*copy == NULL)
        return error_too_large();
    if (elements < UNLOCKED_COMPARE_ELEMENTS) {
        same = copy_param(snapshot, weights, index, values_align(*copy));
    } else {
        Py_BEGIN_ALLOW_THREADS
        same = copy_param(snapshot, weights, index, values_align(*copy));
        Py_END_ALLOW_THREADS
    }
    if (!same) { /* written to since it was compared: the next call packs */
        memory_free(*copy);
        *copy = NULL;
    }
    return 0;
}

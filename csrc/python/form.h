/* Forms: what a module's parameters may be kept as, by name: the two dtypes, and the storages of
 * compressed weights, whose values are float32.
 */
#ifndef PYLSTM_PYTHON_FORM_H
#define PYLSTM_PYTHON_FORM_H

#include "common.h"

#include "../simd/storage.h"

/* The kernels in use for a dtype and, where that is not NULL, a storage. ValueError for others, and
 * for a storage of float64; returns NULL then. */
const struct rnn_kernels *form_kernels(const char *dtype, const char *weights);
/* The kernels in use for "float32", "float64" or the name of a storage, likewise. */
const struct rnn_kernels *form_kernels_of(const char *form);

/* Which storage the kernels are of. */
static inline enum storage form_storage(const struct rnn_kernels *kernels)
{
    return (enum storage)(kernels->storage - storage_formats);
}

#endif

/* Parameters of compressed weights: what Python sees of them, and how they are written.
 *
 * No array shows them writable, so that a module with compressed weights has no lease, and its
 * parameters are never suspects (weights.h). The weights that functions take are compressed, those of
 * compressed_converted() aside.
 */
#ifndef PYLSTM_PYTHON_COMPRESSED_H
#define PYLSTM_PYTHON_COMPRESSED_H

#include "module_state.h"
#include "weights.h"

/* Parameter `index` widened: a new array that stays read-only. */
PyObject *compressed_widened(struct module_state *module_state, const struct weights *weights,
                             ptrdiff_t index);
/* What is stored of parameter `index`, and its scales or None: a tuple of read-only arrays on the
 * memory of the weights. */
PyObject *compressed_stored(struct module_state *module_state, struct weights *weights,
                            ptrdiff_t index);

/* The bytes of parameter `index` for a value: an array of float32, which is compressed, or what
 * compressed_stored() returns. ValueError for what has another shape, dtype or layout, for a weight
 * that the storage cannot hold, and for stored weights that the kernels cannot rely on. The caller
 * frees the memory. */
void *compressed_bytes(const struct weights *weights, ptrdiff_t index, PyObject *name,
                       PyObject *value);
/* Writes them. weights_changed() is due then. */
void compressed_write(struct weights *weights, ptrdiff_t index, const void *bytes);

/* Writes rows of parameter `index`, from row `first` on: an array of float32, which is compressed and
 * which the caller has checked, or what compressed_stored() returns of an array of which the caller
 * has checked the number of rows. After a ValueError these rows are undefined, and the kernels can
 * still rely on them. weights_changed() is due then. */
int compressed_write_rows(struct weights *weights, ptrdiff_t index, PyObject *name, ptrdiff_t first,
                          PyObject *value);

/* Fresh weights with the values of others: compressed ones of those of float32, or the other way
 * round. ValueError that names a weight which the storage cannot hold. */
struct weights *compressed_converted(const struct weights *weights,
                                     const struct rnn_kernels *kernels);

#endif

/* Packing: parameters in torch's layout to the layout that the kernels read. */
#ifndef PYLSTM_CORE_PACK_H
#define PYLSTM_CORE_PACK_H

#include "rnn.h"

/* Elements of the packed copy. Returns -1 where that overflows. */
ptrdiff_t rnn_packed_size(const struct rnn_net *net);
/* Packs "params", which are as rnn_stored_at() says, to "packed", which is 64-byte aligned and does not overlap them. Returns whether
 * every weight_hh is finite, which rnn_call.finite_weights needs. Each weight is read once: what
 * another thread writes meanwhile is packed as it was before or after, and the result says what was
 * packed. */
bool rnn_pack(const struct rnn_net *net, const void *params, void *packed);
/* True if rnn_pack() would write the bytes that "packed" holds for parameter "index". A bias counts
 * together with the other bias of its direction, since their sum alone is packed. Not for compressed
 * weights. */
bool rnn_param_is_packed(const struct rnn_net *net, ptrdiff_t index, const void *params,
                         const void *packed);
/* Like rnn_param_is_packed(), but of a matrix or a peephole that stands elsewhere. */
bool rnn_weight_is_packed(const struct rnn_net *net, ptrdiff_t index, const void *weight,
                          const void *packed);

#endif

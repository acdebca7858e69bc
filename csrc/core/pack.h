/* Packing: parameters in torch's layout to the layout that the kernels read. */
#ifndef PYLSTM_CORE_PACK_H
#define PYLSTM_CORE_PACK_H

#include "rnn.h"

/* Elements of the packed copy. Returns -1 where that overflows. */
ptrdiff_t rnn_packed_size(const struct rnn_net *net);
/* Packs "params" to "packed", which is 64-byte aligned and does not overlap them. Returns whether
 * every weight_hh is finite, which rnn_call.finite_weights needs. */
bool rnn_pack(const struct rnn_net *net, const void *params, void *packed);

#endif

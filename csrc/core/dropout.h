/* Dropout between layers. Internal to csrc/core. */
#ifndef PYLSTM_CORE_DROPOUT_H
#define PYLSTM_CORE_DROPOUT_H

#include "rnn.h"

/* Drops elements of a layer's output y with probability call->dropout and scales the others by
 * 1/(1 - dropout), drawing in torch's element order (step, row, column); with
 * lengths in that of the packed call. */
void dropout_apply(const struct rnn_net *net, const struct rnn_call *call, void *y,
                   ptrdiff_t y_step, ptrdiff_t y_row);

#endif

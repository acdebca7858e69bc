/* Dropout of the numbers of an array, and between the layers of a network. */
#ifndef PYLSTM_CORE_DROPOUT_H
#define PYLSTM_CORE_DROPOUT_H

#include "rnn.h"

/* Multiplies each number by 0 with probability p, else by 1/(1 - p). */
void dropout_f32(struct generator *rng, double p, float *y, ptrdiff_t count);
void dropout_f64(struct generator *rng, double p, double *y, ptrdiff_t count);

/* Dropout between layers, internal to csrc/core. Drops elements of a layer's output y with probability call->dropout and scales the others by
 * 1/(1 - dropout), drawing in torch's element order (step, row, column); with
 * lengths in that of the packed call. */
void dropout_apply(const struct rnn_net *net, const struct rnn_call *call, void *y,
                   ptrdiff_t y_step, ptrdiff_t y_row);

#endif

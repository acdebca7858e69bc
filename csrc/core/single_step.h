/* One step of one layer and direction: the shape of an LSTMCell. Internal to csrc/core. */
#ifndef PYLSTM_CORE_SINGLE_STEP_H
#define PYLSTM_CORE_SINGLE_STEP_H

#include "rnn.h"

/* True if the call is of that shape. */
static inline bool single_step_suits(const struct rnn_net *net, const struct rnn_call *call)
{
    return call->within == NULL && call->steps == 1 &&
           (net->num_layers | net->num_directions) == 1 && net->proj_size == 0 &&
           !net->variant.reset_before && call->batch_sizes == NULL &&
           (call->h0 != NULL || call->finite_weights);
}

/* True if the rows of integers of such a call find room: then single_step() runs it, which needs no
 * workspace. */
bool single_step_has_room(const struct rnn_net *net, const struct rnn_call *call);
/* The bits of rnn_forward, in the caller's floating-point environment. Returns false, and does
 * nothing, where there is no room. */
bool single_step(const struct rnn_net *net, const void *packed, const struct rnn_call *call);

#endif

/* One step of one layer and direction: the shape of an LSTMCell. Internal to csrc/core. */
#ifndef PYLSTM_CORE_SINGLE_STEP_H
#define PYLSTM_CORE_SINGLE_STEP_H

#include "rnn.h"

/* True if single_step() may run the call, which then needs no workspace. */
bool single_step_suits(const struct rnn_net *net, const struct rnn_call *call);
/* The bits of rnn_forward, in the caller's floating-point environment. */
void single_step(const struct rnn_net *net, const void *packed, const struct rnn_call *call);

#endif

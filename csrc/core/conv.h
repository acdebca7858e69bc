/* Convolutions over one axis: y[n, o, t] = bias[o] + sum of w[o, c, k] x[n, c, t stride + k dilation -
 * padding], by the contract's blocked sum over c and k, in the order of the weight.
 */
#ifndef PYLSTM_CORE_CONV_H
#define PYLSTM_CORE_CONV_H

#include "operands.h"

/* A call. x is [batch, C, length] with the given strides; what lies beyond its length is +0. Channels
 * are cut into groups, and those of y see those of x of the same group alone. */
struct conv_call {
    ptrdiff_t batch, length, frames; /* frames: of y */
    ptrdiff_t groups, stride, padding, dilation;
    const void *x;
    ptrdiff_t x_batch, x_channel, x_time;
    void *y;                     /* contiguous; overlaps nothing else */
    bool time_major;             /* y is [frames, batch, O]; else [batch, O, frames] */
    void *workspace;             /* conv_workspace() bytes, 64-byte aligned */
    const struct rnn_stop *stop; /* asked now and then; NULL: never */
};

/* Bytes of the workspace of a call. Returns -1 where that overflows. */
ptrdiff_t conv_workspace(const struct rnn_net *net, const struct conv_call *call);

/* Runs a layer that convolves, of a net with a kernel, in the default floating-point environment, and
 * restores the caller's. Returns false where call->stop ended it: y is unfinished then. */
bool conv_forward(const struct rnn_net *net, const void *packed, const struct conv_call *call);

#endif

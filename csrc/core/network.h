/* A slice of a call, which one thread runs: some layers, directions and rows. Internal to
 * csrc/core.
 */
#ifndef PYLSTM_CORE_NETWORK_H
#define PYLSTM_CORE_NETWORK_H

#include "scan.h"

/* Where each piece of a slice's own memory begins, in bytes, and its whole size; -1 where that
 * overflows. */
struct scratch {
    ptrdiff_t input_gates, zeros, hidden, projected, gathered, states, c, gates, integers, size;
};

struct slice {
    const struct rnn_net *net;
    const void *packed;
    const struct rnn_call *call;
    ptrdiff_t first_layer, end_layer;
    int first_direction, end_direction;
    ptrdiff_t first_row, rows;
    void *buffer;  /* [T, N, D*Hout] every other layer's output, shared by all slices of a call */
    char *scratch; /* the slice's own */
};

/* Bytes of the buffer, 0 where there is one layer; -1 where that overflows. */
ptrdiff_t layer_buffer_size(const struct rnn_net *net, const struct rnn_call *call);
struct scratch scratch_layout(const struct rnn_net *net, const struct rnn_call *call,
                              ptrdiff_t rows);
/* The slice that is all of the call. "workspace" begins with the buffer, and goes on with the
 * scratch memory. */
struct slice whole_slice(const struct rnn_net *net, const void *packed, const struct rnn_call *call,
                         void *workspace);
/* Runs it. Returns false where it was stopped. "stop" and "share" may be NULL. */
bool slice_run(const struct slice *slice, const struct rnn_stop *stop, struct rnn_share *share);

#endif

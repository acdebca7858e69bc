/* The mathematics of an LSTM network: parameters, packing and the scan of a sequence.
 *
 * Plain C11 on memory that the caller owns: nothing here allocates, prints, fails or keeps
 * state, so every function is thread-safe as long as its buffers are the caller's own.
 * All sizes and strides are in elements; Y layers, D directions, T steps, N rows,
 * I = input_size, H = hidden_size, P = proj_size, Hout = P ? P : H.
 */
#ifndef PYLSTM_CORE_RNN_H
#define PYLSTM_CORE_RNN_H

#include "../simd/kernels.h"
#include "random.h"

#include <stdint.h>

/* Blueprint: what the constructor fixed. */
struct rnn_net {
    const struct rnn_kernels *kernels;
    ptrdiff_t input_size;
    ptrdiff_t hidden_size;
    ptrdiff_t proj_size; /* 0: none */
    ptrdiff_t num_layers;
    int num_directions; /* 1 or 2 */
    bool bias;
};

/* In the order of torch. */
enum rnn_param_kind { WEIGHT_IH, WEIGHT_HH, BIAS_IH, BIAS_HH, WEIGHT_HR };

/* One parameter in torch's order; a bias has cols 1 and ndim 1. */
struct rnn_param {
    enum rnn_param_kind kind;
    ptrdiff_t layer;
    int direction;
    int ndim;
    ptrdiff_t rows, cols;
    ptrdiff_t offset; /* from the start of the parameters */
};

ptrdiff_t rnn_hidden_out(const struct rnn_net *net); /* Hout */
ptrdiff_t rnn_param_count(const struct rnn_net *net);
struct rnn_param rnn_param_at(const struct rnn_net *net, ptrdiff_t index);
/* Elements of the parameters. Returns -1 where that overflows. */
ptrdiff_t rnn_params_size(const struct rnn_net *net);

/* Elements of the packed copy. Returns -1 where that overflows. */
ptrdiff_t rnn_packed_size(const struct rnn_net *net);
/* Lays `params` out for the kernels in `packed` (64-byte aligned). Returns whether every packed
 * weight_hh is finite, which call.finite_weights needs. Reads each value once: one that another
 * thread is writing is packed as it was before or as it is after. */
bool rnn_pack(const struct rnn_net *net, const void *params, void *packed);
/* True if rnn_pack() would write the bytes that `packed` holds of parameter `index`. Of the two
 * biases of a direction the sum is packed, and compared for either. */
bool lstm_param_is_packed(const struct rnn_net *net, ptrdiff_t index, const void *params,
                          const void *packed);
/* Like lstm_param_is_packed() for a parameter that is no bias, with its values at `weight`. */
bool lstm_weight_is_packed(const struct rnn_net *net, ptrdiff_t index, const void *weight,
                           const void *packed);

/* Draws every parameter from U(-1/sqrt(H), 1/sqrt(H)), bit-identical to torch. */
void rnn_reset_parameters(const struct rnn_net *net, struct generator *rng, void *params);

/* One call: inputs, outputs and the options that may change between calls. */
struct rnn_call {
    ptrdiff_t steps; /* T */
    ptrdiff_t batch; /* N; with batch_sizes: batch_sizes[0] */
    /* NULL: every step has N rows. Else [T] rows of each step, non-increasing, >= 1:
     * x and y are then packed, row after row, and x_step, y_step are not used. */
    const int64_t *batch_sizes;

    const void *x; /* [T, N, I] */
    ptrdiff_t x_step, x_row;
    void *y; /* [T, N, D*Hout] */
    ptrdiff_t y_step, y_row;

    const void *h0; /* [Y*D, N, Hout]; NULL: zeros */
    ptrdiff_t h0_layer, h0_row;
    const void *c0; /* [Y*D, N, H]; NULL: zeros */
    ptrdiff_t c0_layer, c0_row;
    void *h_n; /* [Y*D, N, Hout], contiguous */
    void *c_n; /* [Y*D, N, H], contiguous; must not overlap the inputs */

    bool finite_weights;   /* what rnn_pack returned */
    double dropout;        /* 0 unless training */
    struct generator *rng; /* used where dropout is not 0 */

    const struct rnn_stop *stop; /* asked after every step; NULL: never */
};

/* Whether to give up a call. */
struct rnn_stop {
    bool (*asked)(void *data);
    void *data;
};

/* Bytes of scratch memory that rnn_forward needs. Returns -1 where that overflows. */
ptrdiff_t rnn_workspace_size(const struct rnn_net *net, const struct rnn_call *call);

/* Runs the network. "packed" is what rnn_pack wrote, "workspace" is 64-byte aligned and
 * holds rnn_workspace_size() bytes. Runs in the default floating-point environment and
 * restores the caller's. N = 0 is allowed, T = 0 is not. Returns false where call->stop ended
 * it: the results are unfinished then. */
bool rnn_forward(const struct rnn_net *net, const void *packed, const struct rnn_call *call,
                 void *workspace);

/* Multiply-adds of a call: the caller's measure for whether to release a lock. */
double rnn_work(const struct rnn_net *net, const struct rnn_call *call);

#endif

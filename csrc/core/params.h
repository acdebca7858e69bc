/* The parameters of a network: kinds and shapes in the order of torch, and their initial values. */
#ifndef PYLSTM_CORE_PARAMS_H
#define PYLSTM_CORE_PARAMS_H

#include "rnn.h"

/* In the order of torch; behind its parameters those of peepholes. */
enum rnn_param_kind {
    WEIGHT_IH,
    WEIGHT_HH,
    BIAS_IH,
    BIAS_HH,
    WEIGHT_HR,
    WEIGHT_PI,
    WEIGHT_PF,
    WEIGHT_PO,
    PARAM_KINDS
};

/* One parameter; a bias and a peephole have cols 1 and ndim 1. A linear layer has WEIGHT_IH and, with
 * a bias, BIAS_IH. The weight of one that convolves has ndim 3: its cols are those of two axes, of which
 * the last has net->kernel. */
struct rnn_param {
    enum rnn_param_kind kind;
    ptrdiff_t layer;
    int direction;
    int ndim;
    ptrdiff_t rows, cols;
    ptrdiff_t offset; /* elements from the start of the parameters */
};

/* Parameters of one direction of one layer, which lie side by side. */
ptrdiff_t rnn_params_per_direction(const struct rnn_net *net);
ptrdiff_t rnn_param_count(const struct rnn_net *net);
struct rnn_param rnn_param_at(const struct rnn_net *net, ptrdiff_t index);
/* Elements of all parameters. Returns -1 where that overflows. */
ptrdiff_t rnn_params_size(const struct rnn_net *net);
/* Where a parameter stands among stored parameters, in bytes from their start, which is 64-byte
 * aligned. Without compressed weights that is the block above. With them, matrices are in their
 * storage, other parameters float32, and behind a matrix of integers stand its scales, one a row. */
struct rnn_stored {
    size_t values, scales, end; /* scales: `end` where there are none */
    bool compressed;
};
struct rnn_stored rnn_stored_at(const struct rnn_net *net, ptrdiff_t index);
/* Bytes of all stored parameters. Returns -1 where that overflows. */
ptrdiff_t rnn_stored_size(const struct rnn_net *net);

/* Draws every parameter, in their order, from U(-1/sqrt(H), 1/sqrt(H)), of a linear layer
 * from U(-1/sqrt(I), 1/sqrt(I)), bit-identical to torch. */
void rnn_reset_parameters(const struct rnn_net *net, struct generator *rng, void *params);

#endif

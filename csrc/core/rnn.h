/* The mathematics of recurrent networks: parameters, packing and the scan of a sequence.
 *
 * Plain C11 on memory that the caller owns: nothing here allocates, prints, fails or keeps
 * state, so every function is thread-safe as long as its buffers are the caller's own.
 * All sizes and strides are in elements; Y layers, D directions, T steps, N rows,
 * I = input_size, H = hidden_size, P = proj_size, Hout = P ? P : H.
 */
#ifndef PYLSTM_CORE_RNN_H
#define PYLSTM_CORE_RNN_H

#include "../simd/kernels.h"
#include "cells.h"
#include "random.h"

#include <stdint.h>

/* Blueprint: what the constructor fixed. */
struct rnn_net {
    const struct rnn_kernels *kernels;
    enum cell_kind kind;
    ptrdiff_t input_size;
    ptrdiff_t hidden_size;
    ptrdiff_t proj_size; /* 0: none */
    ptrdiff_t num_layers;
    int num_directions; /* 1 or 2 */
    bool bias;
    bool reverse;                /* the one direction begins at the end of the sequence */
    struct cell_variant variant; /* of an LSTM without reset_before, of a GRU without peepholes and
                                    clip, of an RNN none */
    /* Not a recurrent network but a linear layer (linear.h): a weight [H, I] and one bias. `kind` is then
     * CELL_RNN_TANH, which has one gate too. */
    bool is_linear;
    /* Of a linear layer that convolves (conv.h): how many positions its kernel has, by which a row of the
     * weight is [I / kernel, kernel]. 0: it does not. */
    ptrdiff_t kernel;
};

/* True if the weights are compressed. */
static inline bool rnn_is_compressed(const struct rnn_net *net)
{
    return kernels_are_compressed(net->kernels);
}

/* True if no h of the cell, before a projection, passes 1 where the one before did not. */
static inline bool rnn_is_bounded(const struct rnn_net *net)
{
    const enum activation activation = net->variant.activation;

    return net->kind != CELL_RNN_RELU &&
           (activation == ACTIVATION_TANH || activation == ACTIVATION_SOFTSIGN);
}

/* True if both networks compute the same of the same parameters. */
bool rnn_computes_alike(const struct rnn_net *net, const struct rnn_net *other);
/* Features of h: P where there is a projection, else H. */
static inline ptrdiff_t rnn_hidden_out(const struct rnn_net *net)
{
    return net->proj_size ? net->proj_size : net->hidden_size;
}

/* Rows of weight_ih: gates * H. */
static inline ptrdiff_t rnn_gate_rows(const struct rnn_net *net)
{
    return cells[net->kind].gates * net->hidden_size;
}

static inline bool rnn_has_c(const struct rnn_net *net) { return cell_has_c(&cells[net->kind]); }

/* Where the gates and states of every step go: matrices [Y, D, T, N, H], contiguous, in the order of
 * time and of the rows of x; NULL where one is not wanted. Zero beyond the end of a sequence. */
struct rnn_trace {
    void *gates[PANEL_VECTORS]; /* activated, in the order of gate_names; of an RNN none */
    void *c;                    /* c' of an LSTM */
    void *h;                    /* h', before a projection */
};

/* What a call may have inside its sequences: lengths, or resets, and a trace. */
struct rnn_within {
    ptrdiff_t steps; /* T of the arrays; call->steps is the longest length */
    /* NULL: every sequence has all steps. Else [N], 1 <= length <= T: a sequence begins at step 0, and
     * in reverse direction at its own last step. x and y are [T, N] as in a dense call. */
    const int64_t *lengths;
    const int64_t *order; /* [N] rows from the longest to the shortest; NULL: as they are */
    const int64_t *sizes; /* [call->steps] sequences that are longer than t */
    /* NULL: no resets. Else [T, N], in bytes: where it is not 0 a new sequence begins at this step,
     * from zeros. Never with lengths. */
    const unsigned char *reset;
    ptrdiff_t reset_step, reset_row;
    struct rnn_trace trace;
};

/* One call: inputs, outputs and the options that may change between calls. */
struct rnn_call {
    ptrdiff_t steps; /* T */
    ptrdiff_t batch; /* N; with batch_sizes: batch_sizes[0] */
    /* NULL: every step has N rows. Else [T] rows of each step, non-increasing, >= 1:
     * x and y are then packed, row after row, and x_step, y_step are not used. */
    const int64_t *batch_sizes;
    const struct rnn_within *within; /* NULL: nothing of it. Never with batch_sizes */

    const void *x; /* [T, N, I] */
    ptrdiff_t x_step, x_row;
    void *y; /* [T, N, D*Hout]; may be h_n itself where T, Y and D are 1 */
    ptrdiff_t y_step, y_row;

    const void *h0; /* [Y*D, N, Hout]; NULL: zeros */
    ptrdiff_t h0_layer, h0_row;
    const void *c0; /* [Y*D, N, H]; NULL: zeros, and where there is no c */
    ptrdiff_t c0_layer, c0_row;
    void *h_n; /* [Y*D, N, Hout], contiguous */
    /* [Y*D, N, H], contiguous; NULL where there is no c. No result overlaps an input, or another
     * result but y. */
    void *c_n;

    bool finite_weights;   /* what rnn_pack() returned */
    bool descending;       /* the first step takes the panels in descending order, the second in
                              ascending order, and so on (cache reuse only) */
    double dropout;        /* 0 unless training */
    struct generator *rng; /* used where dropout is not 0 */

    const struct rnn_stop *stop; /* asked after every step; NULL: never */
};

/* The question of whether to give up a call, which asked() answers: true to give it up. */
struct rnn_stop {
    bool (*asked)(void *data);
    void *data;
};

/* How one of several threads takes part in a scan whose hidden units are shared: the thread asks
 * before every step which units are its own, and waits after the step until the others have theirs.
 * The core calls these functions and knows no thread; csrc/threads supplies them. */
struct rnn_share {
    /* True if this thread computes units of step "step", counted over all scans of the call. Then
     * [*first, *end) are its units. */
    bool (*take)(struct rnn_share *share, ptrdiff_t step, ptrdiff_t *first, ptrdiff_t *end);
    /* Waits until the others have finished the step that was taken last. Returns false where the
     * call is given up, which "stop" may ask for; "stop" may be NULL. */
    bool (*wait)(struct rnn_share *share, const struct rnn_stop *stop);
    bool leads; /* this thread writes h_n for all of them */
    bool alone; /* the units are not shared yet: others may still come */
};

/* Writes the order of "lengths" to "order" [count], stable, from the longest to the shortest, and to
 * "sizes" [longest length] how many sequences are longer than t. Returns true if the order is that of
 * the rows. */
bool rnn_order_lengths(const int64_t *lengths, ptrdiff_t count, int64_t *order, int64_t *sizes);
/* Writes zeros to y, and to the trace, beyond the end of each sequence. Due before rnn_forward or
 * after it, where there are lengths. */
void rnn_clear_padding(const struct rnn_net *net, const struct rnn_call *call);

/* True if the call writes a trace. */
bool rnn_is_traced(const struct rnn_call *call);

/* Bytes of scratch memory that rnn_forward needs. Returns -1 where that overflows. */
ptrdiff_t rnn_workspace_size(const struct rnn_net *net, const struct rnn_call *call);

/* Runs the network. "packed" is what rnn_pack wrote, "workspace" is 64-byte aligned and
 * holds rnn_workspace_size() bytes. Runs in the default floating-point environment and
 * restores the caller's. N = 0 is allowed, T = 0 is not. Returns false where call->stop ended
 * it: the results are unfinished then. */
bool rnn_forward(const struct rnn_net *net, const void *packed, const struct rnn_call *call,
                 void *workspace);

/* Runs a call that is one step of one layer and direction, and needs no workspace. Returns false, and
 * does nothing, where the call is another one: then rnn_forward() is due. */
bool rnn_forward_single(const struct rnn_net *net, const void *packed, const struct rnn_call *call);

/* Multiply-adds of one row and one step. */
double rnn_row_work(const struct rnn_net *net);
/* Multiply-adds of a call: the caller's measure for whether to release a lock. */
static inline double rnn_work(double row_work, const struct rnn_call *call)
{
    return row_work * (double)call->steps * (double)call->batch;
}

#endif

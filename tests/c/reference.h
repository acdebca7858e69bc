/* The numeric contract as plain scalar code (ARCHITECTURE.md), written from its text: libm's
 * fma() for the sums, no tiles, no packing. Arrays are contiguous doubles that hold values
 * of the dtype; every operation is rounded to the dtype. sigmoid and tanh are the portable
 * kernels' own, whose values test_activations.c checks. */
#ifndef PYLSTM_TESTS_REFERENCE_H
#define PYLSTM_TESTS_REFERENCE_H

#include "../../csrc/core/pack.h"
#include "../../csrc/core/params.h"

/* total[i] += blocked sum over k of w[i, k] v[k], i < rows; w: [rows, depth]. */
void reference_add_product(enum dtype dtype, const double *w, const double *v, ptrdiff_t rows,
                           ptrdiff_t depth, double *total);

/* The update of a cell, from totals [gates, hidden] to h'. A GRU's totals of n are the recurrent part
 * alone; its input part is `aside` [hidden]. With reset_before n has one total, and `aside` is not
 * used. An LSTM also has c and c_out, which may be c. */
struct reference_update {
    enum dtype dtype;
    ptrdiff_t hidden;
    const struct cell_variant *variant; /* NULL: none */
    const double *peepholes;            /* [3, hidden] of i, f, o; NULL: none */
    const double *totals, *aside, *h, *c;
    double *c_out, *h_out; /* h_out may be h */
    double *gates;         /* [gates, hidden] activated; NULL: not kept */
};
void reference_update(enum cell_kind kind, const struct reference_update *update);
/* A gate from its total, as the variant has it. */
double reference_gate(enum dtype dtype, const struct cell_variant *variant, double total);

/* A whole call, as rnn_forward() but dense: x [rows, I], y [rows, D*Hout] with `rows` the
 * sum of batch_sizes, the rest shaped as in struct rnn_call. */
struct reference_call {
    ptrdiff_t steps, batch;
    const int64_t *batch_sizes; /* [T], never NULL */
    const double *x, *h0, *c0;  /* h0, c0 may be NULL */
    double *y, *h_n, *c_n;
    double dropout;
    struct generator *rng;
    const unsigned char *reset; /* [T, N], of a dense call; NULL: none */
    double
        *trace; /* [6, Y*D, rows, H]: up to four gates, c and h before a projection; NULL: none */
};
void reference_forward(const struct rnn_net *net, const double *params,
                       const struct reference_call *call);

#endif

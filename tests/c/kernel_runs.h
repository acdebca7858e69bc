/* One kernel call of the tests: its shape and options, its data as plain matrices, the
 * expected result, and the call itself on guarded buffers in kernel layout. */
#ifndef PYLSTM_TESTS_KERNEL_RUNS_H
#define PYLSTM_TESTS_KERNEL_RUNS_H

#include "support.h"

enum cell_input { CELL_NULL, CELL_SEPARATE, CELL_IN_PLACE, CELL_INPUTS };

struct step_shape {
    enum dtype dtype;
    ptrdiff_t rows, hidden, depth_x, depth_h;
    ptrdiff_t gap;  /* elements between one row and the next */
    bool init_rows; /* one row of starting totals per batch row, not one for all */
    bool with_x, with_h, descending;
    enum cell_input cell;
    enum values values;
    uint64_t seed;
};

/* Values in the plain order of the contract; kernel layout is made per level. */
struct step_data {
    double *init;      /* [rows or 1, 4, hidden] */
    double *wx, *wh;   /* [4, hidden, depth] */
    double *x, *h, *c; /* [rows, depth_x], [rows, depth_h], [rows, hidden] */
    double *memory;
};
struct step_data step_data_make(const struct step_shape *shape);
void step_data_free(struct step_data *data);

/* What the contract asks for: c_out, h_out [rows, hidden]. */
void step_expect(const struct step_shape *shape, const struct step_data *data, double *c_out,
                 double *h_out);
/* What the kernels give; checks the memory around every buffer too. */
void step_run(const struct rnn_kernels *kernels, const struct step_shape *shape,
              const struct step_data *data, enum placement placement, double *c_out, double *h_out);
/* The same from a gemm of x, a gemm of h and the elementwise update. */
void step_run_unfused(const struct rnn_kernels *kernels, const struct step_shape *shape,
                      const struct step_data *data, double *c_out, double *h_out);
void step_describe(const struct step_shape *shape, const char *level);

/* A product is described by the fields rows, hidden (units), depth_x, gap, init_rows, with_h
 * (whether there is an init), descending (in two groups, where that can be), values and seed of a
 * step; it uses init, wx and x. */
void product_expect(const struct step_shape *shape, const struct step_data *data, double *out);
void product_run(const struct rnn_kernels *kernels, const struct step_shape *shape,
                 const struct step_data *data, enum placement placement, double *out);

/* sigmoid or tanh of `count` values, on guarded buffers. */
void activation_run(const struct rnn_kernels *kernels, bool is_tanh, const double *x,
                    ptrdiff_t count, enum placement placement, double *out);

#endif

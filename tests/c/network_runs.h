/* One call of csrc/core: a network, its data as dense doubles, the expected result, and the
 * call itself on guarded buffers. */
#ifndef PYLSTM_TESTS_NETWORK_RUNS_H
#define PYLSTM_TESTS_NETWORK_RUNS_H

#include "../../csrc/core/pack.h"
#include "../../csrc/core/params.h"
#include "support.h"

/* What a call has inside its sequences. */
enum inside {
    INSIDE_NOTHING,
    INSIDE_LENGTHS,
    INSIDE_SHUFFLED_LENGTHS,
    INSIDE_RESETS,
    INSIDE_COUNT
};

struct network_shape {
    enum dtype dtype;
    enum storage storage;
    enum cell_kind kind;
    ptrdiff_t input_size, hidden_size, proj_size, num_layers;
    int num_directions;
    bool bias, reverse;
    bool infinite; /* one infinite value in each weight_hh of the first layer */
    struct cell_variant variant;
    ptrdiff_t steps, batch;
    bool ragged;        /* batch_sizes that shrink, rows packed; with lengths rows stand dense */
    enum inside inside; /* lengths need "ragged", resets need its absence */
    int traced;         /* a bit for each array: up to four gates, c and h */
    bool batch_major;   /* x and y with the batch axis outside */
    bool with_h0, with_c0;
    bool y_is_h_n; /* as a cell calls: one step, one layer, dense */
    ptrdiff_t gap; /* elements between rows */
    double dropout;
    enum values values; /* of x, h0 and c0 */
    uint64_t seed;
};
/* What struct rnn_call says of the order of panels: in half of all cases either, as a hash of the seed
 * says, whose own digits choose the kind and the storage. */
static inline bool network_descends(const struct network_shape *shape)
{
    return (shape->seed + 1) * UINT64_C(0x9e3779b97f4a7c15) >> 63;
}

struct network_data {
    struct rnn_net net; /* kernels: portable */
    ptrdiff_t params_size, rows;
    int64_t *batch_sizes;         /* [T] */
    int64_t *places;              /* [N] row in the matrices of each row of the packed order */
    unsigned char *reset;         /* [T, N], not all 0 where there are resets */
    double *params, *x, *h0, *c0; /* x: [rows, I] */
    ptrdiff_t y_size, h_size, c_size;
    ptrdiff_t trace_size; /* of all arrays that are wanted, in the packed order */
    double *memory;
};
/* A variant that the kind may have, not always another than torch's. */
struct cell_variant random_variant(struct random *random, enum cell_kind kind);
struct network_data network_data_make(const struct network_shape *shape);
void network_data_free(struct network_data *data);

bool network_is_packed(const struct network_shape *shape);
bool network_has_lengths(const struct network_shape *shape);
/* Steps of a row of the packed order. */
ptrdiff_t network_length(const struct network_data *data, ptrdiff_t steps, ptrdiff_t row);
/* T of x and y, which may be longer than the longest sequence. */
ptrdiff_t network_array_steps(const struct network_shape *shape);
/* Element where row "row" of all steps begins, counted as in packed data. */
ptrdiff_t network_row_at(const struct network_shape *shape, const struct network_data *data,
                         ptrdiff_t step_stride, ptrdiff_t row_stride, ptrdiff_t row);
/* Element of a state in the matrices, [layers, N, width], from the one in the packed order. */
ptrdiff_t network_state_at(const struct network_shape *shape, const struct network_data *data,
                           ptrdiff_t i, ptrdiff_t width);

/* Arrays of a trace: four gates, c and h. */
enum { TRACES = 6 };
/* True if the shape asks for an array of the trace that its kind has. */
bool network_has_trace(const struct network_shape *shape, int array);
/* Elements of y, h_n, c_n and the trace, which lie behind one another in "out". */
ptrdiff_t network_result_size(const struct network_data *data);
void network_expect(const struct network_shape *shape, const struct network_data *data,
                    double *out);
/* The kernels of a level; of compressed weights "level" is a flavour. */
const struct rnn_kernels *network_kernels(const char *level, const struct network_shape *shape);
/* Compresses the parameters of a network to rnn_stored_size() bytes at "stored". */
void network_compress(const struct rnn_net *net, const struct network_data *data, char *stored);
/* Packs and runs, at one level or flavour. */
void network_run(const char *level, const struct network_shape *shape,
                 const struct network_data *data, enum placement placement, double *out);
void network_describe(const struct network_shape *shape, const char *level);

#endif

/* Kernels: the arithmetic of the layers, once per instruction set and dtype.
 *
 * Everything here is plain C11: no allocation, no global state but the tables that
 * dispatch.c fills, no floating-point environment of its own (the core sets it).
 * Strides count elements, not bytes. Pointers are `void` because one struct serves
 * float and double; `kernels->itemsize` says which.
 */
#ifndef PYLSTM_SIMD_KERNELS_H
#define PYLSTM_SIMD_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

/* Numeric contract: a sum over k is cut into blocks of this many terms (ARCHITECTURE.md).
 * Frozen with the first recorded bits; the table that led to 32 is in ARCHITECTURE.md. */
#ifndef PYLSTM_SUM_BLOCK
#define PYLSTM_SUM_BLOCK 32
#endif

/* A panel of packed weights is this many vectors wide: the four gates of `lanes` units of an LSTM,
 * or four vectors of output columns. */
#define PANEL_VECTORS 4

enum dtype { DTYPE_FLOAT32, DTYPE_FLOAT64, DTYPE_COUNT };

/* How weights are stored and packed; storage.h describes it. All but STORAGE_FLOAT belong to
 * DTYPE_FLOAT32. */
enum storage {
    STORAGE_FLOAT, /* as the dtype */
    STORAGE_INT8,
    STORAGE_INT8_FAST,
    STORAGE_INT16,
    STORAGE_BFLOAT16,
    STORAGE_FLOAT16,
    STORAGES
};

/* The kinds of cells; csrc/core/cells.h describes them. */
enum cell_kind { CELL_LSTM, CELL_GRU, CELL_RNN_TANH, CELL_RNN_RELU, CELL_KINDS };

/* The steps of the table: first those of the kinds, by kind, then those of the variants, which read
 * struct cell_variant and take more time. */
enum cell_step {
    STEP_LSTM_VARIANT = CELL_KINDS,
    STEP_GRU_VARIANT,
    STEP_GRU_RESET_BEFORE, /* the reset gate acts on h before the product, not on the product */
    CELL_STEPS
};

/* Each is one fused multiply-add, then a clip to [0, 1]; a NaN stays one. */
enum gate_activation {
    GATE_SIGMOID,
    GATE_HARD_SIGMOID,  /* x / 5 + 1/2 */
    GATE_HARD_SIGMOID3, /* x / 6 + 1/2 */
    GATE_ACTIVATIONS
};

enum activation {
    ACTIVATION_TANH,
    ACTIVATION_RELU,     /* x < 0 ? +0 : x */
    ACTIVATION_SOFTSIGN, /* x / (1 + |x|), which is NaN at infinity */
    ACTIVATION_LINEAR,
    ACTIVATIONS
};

/* What a cell does otherwise than torch's; all zero: nothing. RNNs have no variants.
 *
 * LSTM: peepholes add fma(p, c, total) to the totals of i and f after both parts, and
 * fma(p, c', total) to that of o. c' is clipped as soon as it is computed, as TensorFlow does it:
 * what o's peephole, h and the next step see is the clipped c'. `activation` is that of g and
 * of c'.
 * GRU: `activation` is that of n. With reset_before n has one total: both biases, which were added
 * when packed, the x part, then the product of r h, rounded once. */
struct cell_variant {
    enum gate_activation gate_activation;
    enum activation activation;
    bool peepholes;
    bool reset_before;
    double cell_clip; /* bounds c' to [-cell_clip, cell_clip]; 0: does not */
};

/* One weight matrix (4*units rows, depth columns) in kernel layout: units are grouped
 * into panels of `lanes` units, the last one perhaps of `narrow_lanes`;
 * per panel [depth][gate][lane], zero padded, 64-byte aligned.
 *
 * Of a GRU and an RNN, the output columns are cut into panels of PANEL_VECTORS * `lanes` columns, the
 * last one perhaps of PANEL_VECTORS * `narrow_lanes`, whatever gates they belong to. Column after
 * column: blocks of PANEL_VECTORS * `lanes` units, in each of them gate after gate
 * (kernels_segment). So are those of a variant of an LSTM. With reset_before a matrix is two such
 * pieces, r and z, then n, each with a last panel of its own. */

/* Where a kernel with integer weights keeps rows of values as integers, and how it makes them
 * (storage.h). Kernels with other weights do not read it. */
struct integer_rows {
    void *memory; /* storage_row_size() bytes for each row, 64-byte aligned */
    int planes;   /* bytes of an integer: 1 or 2. Of int16 1 */
    bool bounded; /* a row within [-1, 1] has the fixed scale */
};

/* Where a step writes its activated gates, in the order of the cell's gate_names: of an RNN none; and
 * of a plain LSTM c_out and h_out again. */
struct gate_trace {
    void *gates[PANEL_VECTORS]; /* each [rows, hidden]; NULL where one is not wanted */
    void *c, *h;                /* likewise */
    ptrdiff_t stride;
};

/* One step of one layer and direction, all rows of the batch. */
struct rnn_step {
    ptrdiff_t rows;   /* batch rows that take part */
    ptrdiff_t hidden; /* units H */
    /* The units that are computed: first is a multiple of `lanes`, end is one too or is H. The
     * pointers below are those of all units. */
    ptrdiff_t first, end;

    /* Where the sums start: the packed bias (init_stride 0) or, for precomputed input
     * gates, one row of totals per batch row. [rows, padded gates] */
    const void *init;
    ptrdiff_t init_stride;

    const void *wx; /* packed weight_ih; NULL: init has the input gates already */
    ptrdiff_t depth_x;
    const void *x; /* [rows, depth_x] */
    ptrdiff_t x_stride;

    const void *bias_h; /* GRU: where the recurrent part of n starts; [hidden], padded to `lanes` */

    const void *wh; /* packed weight_hh */
    ptrdiff_t depth_h;
    const void *h; /* [rows, depth_h]; NULL: zeros times finite weights, which add +0 */
    ptrdiff_t h_stride;

    const void *c; /* [rows, hidden]; NULL: zeros */
    ptrdiff_t c_stride;

    void *c_out; /* [rows, hidden], may be c itself */
    ptrdiff_t c_out_stride;
    void *h_out; /* [rows, hidden], must not overlap x or h */
    ptrdiff_t h_out_stride;

    bool descending; /* walk the panels from last to first (cache reuse only) */

    struct gate_trace *trace; /* of traced steps, and of variants, where NULL is none */

    /* Of the steps of variants alone, which others do not read. */
    const struct cell_variant *variant;
    const void *peepholes; /* p_i, p_f, p_o, each [hidden], peephole_stride apart; NULL: none */
    ptrdiff_t peephole_stride;
    ptrdiff_t piece; /* reset_before: columns that lie before those of n */
    void *reset_h;   /* reset_before: scratch memory [rows, hidden]; all units are computed */

    struct integer_rows rows_x, rows_h; /* of x and h */
};

/* out = init + x * W', for precomputed input gates or a projection. The weights are read
 * once for all rows of all groups. `out` may be `init`, of one group, and overlaps nothing else. */
struct gemm {
    ptrdiff_t rows;
    ptrdiff_t groups; /* so many times `rows` rows, at x + i x_group and out + i out_group */
    ptrdiff_t units;  /* output columns are 4*units, in kernel layout, padded */
    const void *init; /* [rows, padded gates] or, with init_stride 0, one row; NULL: +0. The same
                         in every group */
    ptrdiff_t init_stride;
    const void *w;
    ptrdiff_t depth;
    const void *x; /* [groups, rows, depth] */
    ptrdiff_t x_stride, x_group;
    void *out; /* [groups, rows, padded gates] */
    ptrdiff_t out_stride, out_group;
    struct integer_rows rows_x; /* of all rows of all groups */
};

/* The weights of one panel in torch's layout: for each of its vectors, a row for each lane that is
 * used. In kernel layout they are [depth][vector][lane]. */
struct panel {
    const void *rows[PANEL_VECTORS]; /* [counts[i], depth], contiguous */
    ptrdiff_t depth;
    ptrdiff_t lanes;                    /* the kernels' lanes or narrow_lanes */
    ptrdiff_t counts[PANEL_VECTORS];    /* rows of each vector: 0..lanes */
    const float *scales[PANEL_VECTORS]; /* [counts[i]] of rows of integers */
};

struct rnn_kernels {
    const char *level; /* "portable", "avx2", "avx512", "neon" */
    enum dtype dtype;
    const struct storage_format *storage;
    size_t itemsize;           /* of values and results, and of an element of packed weights */
    ptrdiff_t lanes;           /* units per panel */
    ptrdiff_t narrow_lanes;    /* units of a narrower last panel; 0: there is none */
    ptrdiff_t precompute_rows; /* with fewer rows than this, precomputed input gates always pay */

    void (*gemm)(const struct gemm *gemm);
    /* By kind, or by cell_step. c and c_out are the LSTM's alone. first and end of all but the
     * plain LSTM are where blocks begin, or H. */
    void (*step[CELL_STEPS])(const struct rnn_step *step);
    /* The steps of kinds that write a trace too; those of variants do it in any case. */
    void (*traced_step[CELL_KINDS])(const struct rnn_step *step);
    /* The end of a step, from its totals: "totals" [rows, padded gates] with "stride" from row to row
     * is overwritten. Of "step" the rows, the units and what begins with c and h_out are read. A gemm
     * of x, a gemm of h that starts from its result, and this have the bits of the LSTM's step. */
    void (*lstm_update)(const struct rnn_step *step, void *totals, ptrdiff_t stride);

    /* Writes the panel to `packed`, with zeros for lanes without a unit, and reads each value once.
     * Returns whether all values are finite. */
    bool (*pack)(const struct panel *panel, void *packed);
    /* True if pack() would write the bytes that `packed` holds. NULL where weights are compressed:
     * then no array can write them. */
    bool (*is_packed)(const struct panel *panel, const void *packed);
    /* True if `count` values at a and b have the same bytes; b is 64-byte aligned. */
    bool (*same)(const void *a, const void *b, ptrdiff_t count);

    /* The activations alone, for tests: out[i] = f(x[i]), i < count. */
    void (*sigmoid)(const void *x, void *out, ptrdiff_t count);
    void (*tanh)(const void *x, void *out, ptrdiff_t count);
};

/* True if the weights of a network with these kernels are compressed. */
static inline bool kernels_are_compressed(const struct rnn_kernels *kernels)
{
    return kernels->is_packed == NULL; /* in fewer instructions than by the storage */
}

/* Columns of each gate in the block of units that begins at `unit`, of all but a plain LSTM: the
 * units that the block has. Where that is no multiple of `lanes`, and the block is not the only one,
 * the columns are padded, so that no vector of a panel has rows of two gates. In the only block, gate
 * after gate is the order of torch's rows. */
static inline ptrdiff_t kernels_segment(ptrdiff_t lanes, ptrdiff_t hidden, ptrdiff_t unit)
{
    const ptrdiff_t block = PANEL_VECTORS * lanes, left = hidden - unit;

    if (left >= block)
        return block;
    return unit == 0 ? left : (left + lanes - 1) / lanes * lanes;
}

/* Units of a layer after padding to whole panels; 4 times this is a row of totals. */
static inline ptrdiff_t kernels_padded_units(const struct rnn_kernels *kernels, ptrdiff_t units)
{
    const ptrdiff_t tail = units & (kernels->lanes - 1); /* lanes are a power of two */

    if (tail == 0)
        return units;
    return units - tail + (tail <= kernels->narrow_lanes ? kernels->narrow_lanes : kernels->lanes);
}

#endif

/* The elementwise updates of a GRU and of an RNN: totals to new h. Included by kernels_template.h,
 * behind update_template.h; needs its parameters. Defines NAME(gru_update), NAME(gru_traced_update),
 * NAME(rnn_tanh_update) and NAME(rnn_relu_update).
 */
/* One block of units, for some rows of it. */
struct NAME(block) {
    const struct rnn_step *step;
    ptrdiff_t row, rows;
    ptrdiff_t unit, units;
    ptrdiff_t column, segment; /* its first column, and the columns from gate to gate */
    REAL *totals;              /* [rows, gates * segment] */
    ptrdiff_t stride;
    const REAL *aside; /* [rows, units]: the input part of a GRU's n */
    ptrdiff_t aside_stride;
};

/* Where a vector of units stands. */
struct NAME(vector) {
    const REAL *totals; /* of the first gate */
    const REAL *aside;
    ptrdiff_t row, unit, width;
};

/* Takes the places of the next `n` vectors; `row` and `unit` are the next one's, of the block. */
INLINE TARGET void NAME(next_vectors)(const int n, const struct NAME(block) *block, ptrdiff_t *row,
                                      ptrdiff_t *unit, struct NAME(vector) *at)
{
    UNROLL
    for (int j = 0; j < n; j++) {
        const ptrdiff_t left = block->units - *unit;
        at[j] = (struct NAME(vector)){
            .totals = block->totals + *row * block->stride + *unit,
            .aside = block->aside + *row * block->aside_stride + *unit,
            .row = block->row + *row,
            .unit = block->unit + *unit,
            .width = left < LANES ? left : LANES,
        };
        *unit += LANES;
        if (left <= LANES) {
            *unit = 0;
            ++*row;
        }
    }
}

/* How many vectors a block has. */
INLINE TARGET ptrdiff_t NAME(count_vectors)(const struct NAME(block) *block)
{
    return block->rows * ((block->units + LANES - 1) / LANES);
}

INLINE TARGET void NAME(store_h)(const struct rnn_step *step, const struct NAME(vector) *at,
                                 vec_t h)
{
    NAME(store)((REAL *)step->h_out + at->row * step->h_out_stride + at->unit, h, at->width);
}

/* r, z = sigmoid;  n = tanh(r q + p);  h' = z h + (1 - z) n, as fma(z, h, fma(-z, n, n)) */
INLINE TARGET void NAME(gru_vectors)(const int n, const struct NAME(block) *block,
                                     const struct NAME(vector) *at, const bool traced)
{
    const struct rnn_step *step = block->step;
    vec_t gates[4], news[2];

    UNROLL
    for (int j = 0; j < 2 * n; j++)
        gates[j] = NAME(load)(at[j / 2].totals + j % 2 * block->segment, at[j / 2].width);
    NAME(sigmoid)(gates, 2 * n);
    UNROLL
    for (int j = 0; j < n; j++)
        news[j] = V_FMA(gates[2 * j], NAME(load)(at[j].totals + 2 * block->segment, at[j].width),
                        V_LOAD(at[j].aside));
    NAME(tanh)(news, n);
    for (int j = 0; traced && j < n; j++)
        for (int gate = 0; gate < 3; gate++)
            NAME(trace_vector)(step, step->trace->gates[gate], at[j].row, at[j].unit, at[j].width,
                               gate == 2 ? news[j] : gates[2 * j + gate]);
    UNROLL
    for (int j = 0; j < n; j++) {
        vec_t h = V_SET((REAL)0);
        if (step->h)
            h = NAME(load)((const REAL *)step->h + at[j].row * step->h_stride + at[j].unit,
                           at[j].width);
        NAME(store_h)(step, at + j,
                      V_FMA(gates[2 * j + 1], h, V_FNMA(gates[2 * j + 1], news[j], news[j])));
    }
}

static NOINLINE TARGET CHAINED void NAME(gru_update)(const struct NAME(block) *block)
{
    struct NAME(vector) at[2];
    ptrdiff_t left = NAME(count_vectors)(block), row = 0, unit = 0;

    for (; left >= 2; left -= 2) {
        NAME(next_vectors)(2, block, &row, &unit, at);
        NAME(gru_vectors)(2, block, at, false);
    }
    if (left) {
        NAME(next_vectors)(1, block, &row, &unit, at);
        NAME(gru_vectors)(1, block, at, false);
    }
}

static NOINLINE TARGET CHAINED void NAME(gru_traced_update)(const struct NAME(block) *block)
{
    struct NAME(vector) at;
    ptrdiff_t left = NAME(count_vectors)(block), row = 0, unit = 0;

    for (; left > 0; left--) {
        NAME(next_vectors)(1, block, &row, &unit, &at);
        NAME(gru_vectors)(1, block, &at, true);
    }
}

/* h' = tanh(total) */
INLINE TARGET void NAME(rnn_tanh_vectors)(const int n, const struct NAME(block) *block,
                                          const struct NAME(vector) *at)
{
    vec_t h[4];

    UNROLL
    for (int j = 0; j < n; j++)
        h[j] = NAME(load)(at[j].totals, at[j].width);
    NAME(tanh)(h, n);
    UNROLL
    for (int j = 0; j < n; j++)
        NAME(store_h)(block->step, at + j, h[j]);
}

static NOINLINE TARGET CHAINED void NAME(rnn_tanh_update)(const struct NAME(block) *block)
{
    struct NAME(vector) at[4];
    ptrdiff_t left = NAME(count_vectors)(block), row = 0, unit = 0;

    for (; left >= 4; left -= 4) {
        NAME(next_vectors)(4, block, &row, &unit, at);
        NAME(rnn_tanh_vectors)(4, block, at);
    }
    if (left & 2) {
        NAME(next_vectors)(2, block, &row, &unit, at);
        NAME(rnn_tanh_vectors)(2, block, at);
    }
    if (left & 1) {
        NAME(next_vectors)(1, block, &row, &unit, at);
        NAME(rnn_tanh_vectors)(1, block, at);
    }
}

/* h' = total < 0 ? 0 : total; -0 and NaN stay as they are */
static NOINLINE TARGET void NAME(rnn_relu_update)(const struct NAME(block) *block)
{
    struct NAME(vector) at[1];
    ptrdiff_t left = NAME(count_vectors)(block), row = 0, unit = 0;

    for (; left > 0; left--) {
        NAME(next_vectors)(1, block, &row, &unit, at);
        const vec_t total = NAME(load)(at->totals, at->width);
        NAME(store_h)(block->step, at, V_ZERO_BELOW(total, V_SET((REAL)0), total));
    }
}

/* The elementwise updates of a GRU and of an RNN: totals to new h. Included by kernels_template.h,
 * behind update_template.h; needs its parameters. Defines NAME(gru_update), NAME(rnn_tanh_update) and
 * NAME(rnn_relu_update).
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

/* The vector of units that begins at `unit` of a row of the block. */
INLINE TARGET struct NAME(vector) NAME(vector_at)(const struct NAME(block) *block, ptrdiff_t row,
                                                  ptrdiff_t unit, ptrdiff_t width)
{
    return (struct NAME(vector)){
        .totals = block->totals + row * block->stride + unit,
        .aside = block->aside + row * block->aside_stride + unit,
        .row = block->row + row,
        .unit = block->unit + unit,
        .width = width,
    };
}

/* Writes the places of all vectors of a block that lacks units; returns their number. */
INLINE TARGET ptrdiff_t NAME(vectors)(const struct NAME(block) *block, struct NAME(vector) *at)
{
    ptrdiff_t count = 0;

    for (ptrdiff_t row = 0; row < block->rows; row++)
        for (ptrdiff_t unit = 0; unit < block->units; unit += LANES) {
            const ptrdiff_t left = block->units - unit;
            at[count++] = NAME(vector_at)(block, row, unit, left < LANES ? left : LANES);
        }
    return count;
}

INLINE TARGET void NAME(store_h)(const struct rnn_step *step, const struct NAME(vector) *at,
                                 vec_t h)
{
    NAME(store)((REAL *)step->h_out + at->row * step->h_out_stride + at->unit, h, at->width);
}

/* r, z = sigmoid;  n = tanh(r q + p);  h' = z h + (1 - z) n, as fma(z, h, fma(-z, n, n)) */
INLINE TARGET void NAME(gru_vectors)(const int n, const struct NAME(block) *block,
                                     const struct NAME(vector) *at)
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
    struct NAME(vector) at[BLOCK_ROWS * PANEL_VECTORS];
    ptrdiff_t i = 0;

    if (block->units == BLOCK_UNITS) {
        for (ptrdiff_t row = 0; row < block->rows; row++)
            for (ptrdiff_t unit = 0; unit < BLOCK_UNITS; unit += 2 * LANES) {
                at[0] = NAME(vector_at)(block, row, unit, LANES);
                at[1] = NAME(vector_at)(block, row, unit + LANES, LANES);
                NAME(gru_vectors)(2, block, at);
            }
        return;
    }
    const ptrdiff_t count = NAME(vectors)(block, at);
    for (; i + 2 <= count; i += 2)
        NAME(gru_vectors)(2, block, at + i);
    if (i < count)
        NAME(gru_vectors)(1, block, at + i);
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
    struct NAME(vector) at[3 * BLOCK_ROWS * PANEL_VECTORS];
    ptrdiff_t i = 0;

    if (block->units == BLOCK_UNITS) {
        for (ptrdiff_t row = 0; row < block->rows; row++) {
            UNROLL
            for (int j = 0; j < PANEL_VECTORS; j++)
                at[j] = NAME(vector_at)(block, row, j * LANES, LANES);
            NAME(rnn_tanh_vectors)(PANEL_VECTORS, block, at);
        }
        return;
    }
    const ptrdiff_t count = NAME(vectors)(block, at);
    for (; i + 4 <= count; i += 4)
        NAME(rnn_tanh_vectors)(4, block, at + i);
    for (; i + 2 <= count; i += 2)
        NAME(rnn_tanh_vectors)(2, block, at + i);
    if (i < count)
        NAME(rnn_tanh_vectors)(1, block, at + i);
}

/* h' = total < 0 ? 0 : total; -0 and NaN stay as they are */
static NOINLINE TARGET void NAME(rnn_relu_update)(const struct NAME(block) *block)
{
    for (ptrdiff_t row = 0; row < block->rows; row++)
        for (ptrdiff_t unit = 0; unit < block->units; unit += LANES) {
            const ptrdiff_t left = block->units - unit;
            const struct NAME(vector) at =
                NAME(vector_at)(block, row, unit, left < LANES ? left : LANES);
            const vec_t total = NAME(load)(at.totals, at.width);
            NAME(store_h)(block->step, &at, V_ZERO_BELOW(total, V_SET((REAL)0), total));
        }
}

/* The elementwise updates of a GRU and of an RNN: totals to new h. Included by kernels_template.h,
 * behind update_template.h; needs its parameters. Defines NAME(gru_update), NAME(rnn_tanh_update) and
 * NAME(rnn_relu_update).
 */
/* The totals of some rows of some blocks of units. */
struct NAME(blocks) {
    const struct rnn_step *step;
    ptrdiff_t row, rows;
    ptrdiff_t unit, units; /* the first is where a block begins */
    ptrdiff_t column, columns;
    REAL *totals; /* [rows, columns] */
    ptrdiff_t stride;
    REAL *aside; /* [rows, units]: the input part of a GRU's n */
    ptrdiff_t units_stride;
};

/* Where a vector of units stands. */
struct NAME(vector) {
    const REAL *totals; /* of the first gate */
    ptrdiff_t segment;  /* from gate to gate */
    const REAL *aside;
    ptrdiff_t row, unit, width;
};

/* Writes the places of all vectors; returns their number. */
INLINE TARGET ptrdiff_t NAME(vectors)(const struct NAME(blocks) *blocks, const int gates,
                                      struct NAME(vector) *at)
{
    ptrdiff_t count = 0;

    for (ptrdiff_t row = 0; row < blocks->rows; row++)
        for (ptrdiff_t unit = 0; unit < blocks->units; unit += BLOCK_UNITS) {
            const ptrdiff_t segment =
                kernels_segment(LANES, blocks->step->hidden, blocks->unit + unit);
            const ptrdiff_t left = blocks->units - unit;
            const ptrdiff_t units = left < BLOCK_UNITS ? left : BLOCK_UNITS;
            for (ptrdiff_t i = 0; i < units; i += LANES)
                at[count++] = (struct NAME(vector)){
                    .totals = blocks->totals + row * blocks->stride + gates * unit + i,
                    .segment = segment,
                    .aside = blocks->aside + row * blocks->units_stride + unit + i,
                    .row = blocks->row + row,
                    .unit = blocks->unit + unit + i,
                    .width = units - i < LANES ? units - i : LANES,
                };
        }
    return count;
}

INLINE TARGET void NAME(store_h)(const struct rnn_step *step, const struct NAME(vector) *at,
                                 vec_t h)
{
    NAME(store)((REAL *)step->h_out + at->row * step->h_out_stride + at->unit, h, at->width);
}

/* r, z = sigmoid;  n = tanh(r q + p);  h' = z h + (1 - z) n, as fma(z, h, fma(-z, n, n)) */
INLINE TARGET void NAME(gru_vectors)(const int n, const struct rnn_step *step,
                                     const struct NAME(vector) *at)
{
    vec_t gates[4], news[2];

    UNROLL
    for (int j = 0; j < 2 * n; j++)
        gates[j] = NAME(load)(at[j / 2].totals + j % 2 * at[j / 2].segment, at[j / 2].width);
    NAME(sigmoid)(gates, 2 * n);
    UNROLL
    for (int j = 0; j < n; j++)
        news[j] = V_FMA(gates[2 * j], NAME(load)(at[j].totals + 2 * at[j].segment, at[j].width),
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

static NOINLINE TARGET CHAINED void NAME(gru_update)(const struct NAME(blocks) *blocks)
{
    struct NAME(vector) at[BLOCK_GROUP * PANEL_VECTORS];
    const ptrdiff_t count = NAME(vectors)(blocks, 3, at);
    ptrdiff_t i = 0;

    for (; i + 2 <= count; i += 2)
        NAME(gru_vectors)(2, blocks->step, at + i);
    if (i < count)
        NAME(gru_vectors)(1, blocks->step, at + i);
}

/* h' = tanh(total) */
INLINE TARGET void NAME(rnn_tanh_vectors)(const int n, const struct rnn_step *step,
                                          const struct NAME(vector) *at)
{
    vec_t h[4];

    UNROLL
    for (int j = 0; j < n; j++)
        h[j] = NAME(load)(at[j].totals, at[j].width);
    NAME(tanh)(h, n);
    UNROLL
    for (int j = 0; j < n; j++)
        NAME(store_h)(step, at + j, h[j]);
}

static NOINLINE TARGET CHAINED void NAME(rnn_tanh_update)(const struct NAME(blocks) *blocks)
{
    struct NAME(vector) at[BLOCK_GROUP * PANEL_VECTORS];
    const ptrdiff_t count = NAME(vectors)(blocks, 1, at);
    ptrdiff_t i = 0;

    for (; i + 4 <= count; i += 4)
        NAME(rnn_tanh_vectors)(4, blocks->step, at + i);
    for (; i + 2 <= count; i += 2)
        NAME(rnn_tanh_vectors)(2, blocks->step, at + i);
    if (i < count)
        NAME(rnn_tanh_vectors)(1, blocks->step, at + i);
}

/* h' = total < 0 ? 0 : total; -0 and NaN stay as they are */
static NOINLINE TARGET void NAME(rnn_relu_update)(const struct NAME(blocks) *blocks)
{
    struct NAME(vector) at[BLOCK_GROUP * PANEL_VECTORS];
    const ptrdiff_t count = NAME(vectors)(blocks, 1, at);

    for (ptrdiff_t i = 0; i < count; i++) {
        const vec_t total = NAME(load)(at[i].totals, at[i].width);
        NAME(store_h)(blocks->step, at + i, V_ZERO_BELOW(total, V_SET((REAL)0), total));
    }
}

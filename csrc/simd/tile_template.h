/* Register tiles: the sums of a few rows over a few blocks. Included by kernels_template.h, whose
 * parameters and NUM_GATES, BLOCK_TOTALS are all that it needs. Defines NAME(dispatch).
 */
#define TILE_VECTORS 24 /* accumulators: at most 6 rows or 4 blocks of 4 gates */

/* One register tile: to = from + w x, by the contract's blocked sum. */
struct NAME(tile) {
    const REAL *w;      /* [depth, NUM_GATES, LANES] of the first block */
    ptrdiff_t w_stride; /* to the next block */
    ptrdiff_t depth;
    const REAL *x; /* [rows, depth] */
    ptrdiff_t x_stride;
    const REAL *from; /* [rows, blocks * BLOCK_TOTALS], may be `to` */
    ptrdiff_t from_stride;
    REAL *to;
    ptrdiff_t to_stride;
};

/* acc += w[k] x[k] for every accumulator of a tile. `rows` and `blocks` are constants in every
 * caller, and one of them is 1. Values are held and weights pass by, each used for all rows:
 * accumulators, values and one weight must fit the registers. */
INLINE TARGET void NAME(add_term)(const int rows, const int blocks, vec_t *acc, const REAL *w,
                                  ptrdiff_t w_stride, const REAL *const *x, ptrdiff_t k)
{
    vec_t values[6];

    UNROLL
    for (int row = 0; row < rows; row++)
        values[row] = V_BROADCAST(x[row] + k);
    UNROLL
    for (int i = 0; i < blocks * NUM_GATES; i++) {
        const REAL *from = w + (i / NUM_GATES) * w_stride + (i % NUM_GATES) * LANES;
        if (rows == 1) {
            V_ACCUMULATE_WEIGHT(acc[i], values[0], from);
            continue;
        }
        const vec_t weight = V_LOAD_WEIGHT(from);
        UNROLL
        for (int row = 0; row < rows; row++)
            V_ACCUMULATE(acc[row * NUM_GATES + i], values[row], weight);
    }
}

/* The sum over one block of at most PYLSTM_SUM_BLOCK terms, all in registers. */
INLINE TARGET void NAME(sum_block)(const int rows, const int blocks, vec_t *acc, const REAL *w,
                                   ptrdiff_t w_stride, const REAL *const *x, ptrdiff_t count)
{
    UNROLL
    for (int i = 0; i < rows * blocks * NUM_GATES; i++)
        acc[i] = V_SET((REAL)0);
    ptrdiff_t k = 0;
    for (; k + 4 <= count; k += 4) {
        UNROLL
        for (int j = 0; j < 4; j++)
            NAME(add_term)(rows, blocks, acc, w + j * BLOCK_TOTALS, w_stride, x, k + j);
        w += 4 * BLOCK_TOTALS;
    }
    for (; k < count; k++, w += BLOCK_TOTALS)
        NAME(add_term)(rows, blocks, acc, w, w_stride, x, k);
}

INLINE TARGET void NAME(run_tile)(const int rows, const int blocks, const struct NAME(tile) *tile)
{
    const REAL *x[6];
    const REAL *w = tile->w;
    const REAL *from = tile->from;
    ptrdiff_t from_stride = tile->from_stride;
    vec_t acc[TILE_VECTORS];

    UNROLL
    for (int row = 0; row < rows; row++)
        x[row] = tile->x + row * tile->x_stride;
    for (ptrdiff_t left = tile->depth; left > 0; left -= PYLSTM_SUM_BLOCK) {
        if (left >= PYLSTM_SUM_BLOCK) /* a constant count needs no care for a rest */
            NAME(sum_block)(rows, blocks, acc, w, tile->w_stride, x, PYLSTM_SUM_BLOCK);
        else
            NAME(sum_block)(rows, blocks, acc, w, tile->w_stride, x, left);
        UNROLL
        for (int i = 0; i < rows * blocks; i++) {
            const REAL *source = from + (i / blocks) * from_stride + (i % blocks) * BLOCK_TOTALS;
            REAL *target = tile->to + (i / blocks) * tile->to_stride + (i % blocks) * BLOCK_TOTALS;
            UNROLL
            for (int gate = 0; gate < NUM_GATES; gate++)
                V_STORE(target + gate * LANES,
                        V_ADD(V_LOAD(source + gate * LANES), acc[i * NUM_GATES + gate]));
        }
        from = tile->to;
        from_stride = tile->to_stride;
        w += PYLSTM_SUM_BLOCK * BLOCK_TOTALS;
        UNROLL
        for (int row = 0; row < rows; row++)
            x[row] += PYLSTM_SUM_BLOCK;
    }
}

#define DEFINE_TILE(name, rows, blocks)                                                            \
    static NOINLINE TARGET void NAME(name)(const struct NAME(tile) *tile)                          \
    {                                                                                              \
        NAME(run_tile)(rows, blocks, tile);                                                        \
    }
DEFINE_TILE(tile_1_row, 1, 1)
#if TILE_ROWS > 1
DEFINE_TILE(tile_2_rows, 2, 1)
#endif
#if TILE_ROWS > 2
DEFINE_TILE(tile_3_rows, 3, 1)
#endif
#if TILE_ROWS > 3
DEFINE_TILE(tile_4_rows, 4, 1)
DEFINE_TILE(tile_5_rows, 5, 1)
DEFINE_TILE(tile_6_rows, 6, 1)
#endif
#if ROW_BLOCKS > 1
DEFINE_TILE(tile_row_blocks, 1, ROW_BLOCKS)
#endif
#undef DEFINE_TILE

static void (*const NAME(tiles)[TILE_ROWS])(const struct NAME(tile) *) = {
    NAME(tile_1_row),
#if TILE_ROWS > 1
    NAME(tile_2_rows),
#endif
#if TILE_ROWS > 2
    NAME(tile_3_rows),
#endif
#if TILE_ROWS > 3
    NAME(tile_4_rows), NAME(tile_5_rows), NAME(tile_6_rows),
#endif
};

INLINE TARGET void NAME(dispatch)(ptrdiff_t rows, int blocks, const struct NAME(tile) *tile)
{
#if ROW_BLOCKS > 1
    if (blocks > 1) {
        NAME(tile_row_blocks)(tile);
        return;
    }
#endif
    (void)blocks;
    NAME(tiles)[rows - 1](tile);
}

#undef TILE_VECTORS

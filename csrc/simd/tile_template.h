/* Register tiles: the sums of a few rows over a few panels. Included by kernels_template.h and, of
 * weights that are widened, by storage_template.h, behind sums_template.h; their parameters and
 * PANEL_VECTORS, PANEL_TOTALS, TERM_SIZE, GET_WEIGHT, WIDENED are all that it needs. Defines NAME(sums).
 */
#define TILE_VECTORS 24 /* accumulators: at most 6 rows or 4 panels of 4 gates */

/* acc += w x for every accumulator of a tile, for the terms at `w` and `x`; `x3` is 3 rows on.
 * `rows` and `panels` are constants in every caller, and one of them is 1. The values stay in
 * registers, and each weight is loaded once for all rows: accumulators, values and one weight must
 * fit the registers. */
INLINE TARGET void NAME(add_term)(const int rows, const int panels, vec_t *acc, const REAL *w,
                                  ptrdiff_t w_stride, const REAL *x, const REAL *x3,
                                  ptrdiff_t x_stride)
{
    vec_t values[6];

    UNROLL
    for (int row = 0; row < rows; row++)
        values[row] = V_BROADCAST((row < 3 ? x : x3) + row % 3 * x_stride);
    UNROLL
    for (int i = 0; i < panels * PANEL_VECTORS; i++) {
        const REAL *from = w + (i / PANEL_VECTORS) * w_stride;
        if (rows == 1 && !WIDENED) {
            V_ACCUMULATE_WEIGHT(acc[i], values[0], from + (i % PANEL_VECTORS) * LANES);
            continue;
        }
        vec_t weight;
        GET_WEIGHT(weight, from, i % PANEL_VECTORS, rows);
        UNROLL
        for (int row = 0; row < rows; row++)
            V_ACCUMULATE(acc[row * PANEL_VECTORS + i], values[row], weight);
    }
}

/* The sum over one block of `count` terms, all in registers. */
INLINE TARGET void NAME(sum_block)(const int rows, const int panels, vec_t *acc, const REAL *w,
                                   ptrdiff_t w_stride, const REAL *x, ptrdiff_t x_stride,
                                   ptrdiff_t count)
{
    const REAL *x3 = x + (rows > 3 ? 3 * x_stride : 0);

    UNROLL
    for (int i = 0; i < rows * panels * PANEL_VECTORS; i++)
        acc[i] = V_SET((REAL)0);
    for (; !(WIDENED && LANES == 1) && count >= 4; count -= 4) {
        UNROLL
        for (int j = 0; j < 4; j++)
            NAME(add_term)(rows, panels, acc, w + j * TERM_SIZE, w_stride, x + j, x3 + j, x_stride);
        w += 4 * TERM_SIZE;
        x += 4;
        x3 += 4;
        PIN_POINTER(w);
        PIN_POINTER(x);
        if (rows > 3)
            PIN_POINTER(x3);
    }
    if (WIDENED)
        PIN_POINTER(count);
    for (; count > 0; count--, w += TERM_SIZE, x++, x3++)
        NAME(add_term)(rows, panels, acc, w, w_stride, x, x3, x_stride);
}

/* One block of the sum, for the rows [first, first + rows) of a tile: to = from + w x. */
INLINE TARGET void NAME(add_block)(const int first, const int rows, const int panels,
                                   const struct STEPS(tile) * at)
{
    const REAL *x = at->x + first * at->x_stride;
    const REAL *from = at->from + first * at->from_stride;
    REAL *to = at->to + first * at->to_stride;
    ptrdiff_t left = at->depth;
    vec_t acc[TILE_VECTORS];

    if (WIDENED) { /* one copy for all counts */
        left = left < PYLSTM_SUM_BLOCK ? left : PYLSTM_SUM_BLOCK;
        PIN_POINTER(left);
    }
    if (at->depth >= PYLSTM_SUM_BLOCK && !WIDENED) /* a constant count needs no care for a tail */
        NAME(sum_block)(rows, panels, acc, at->w, at->w_stride, x, at->x_stride, PYLSTM_SUM_BLOCK);
    else
        NAME(sum_block)(rows, panels, acc, at->w, at->w_stride, x, at->x_stride, left);
    UNROLL
    for (int row = 0; row < rows; row++) {
        UNROLL
        for (int i = 0; i < panels * PANEL_VECTORS; i++)
            V_STORE(to + i * LANES, V_ADD(V_LOAD(from + i * LANES), acc[row * PANEL_VECTORS + i]));
        from += at->from_stride;
        to += at->to_stride;
        PIN_POINTER(from);
        PIN_POINTER(to);
    }
}

/* All of a tile, block by block: `rows` rows at once and then `more` others, for which the block's
 * weights are in the first-level cache. */
INLINE TARGET void NAME(run_tile)(const int rows, const int more, const int panels,
                                  const struct STEPS(tile) * tile)
{
    struct STEPS(tile) at = *tile;

    do { /* once without terms too: the sums are moved to their place */
        NAME(add_block)(0, rows, panels, &at);
        if (more)
            NAME(add_block)(rows, more, panels, &at);
        at.from = at.to;
        at.from_stride = at.to_stride;
        at.w += PYLSTM_SUM_BLOCK * TERM_SIZE;
        at.x += PYLSTM_SUM_BLOCK;
        at.depth -= PYLSTM_SUM_BLOCK;
    } while (at.depth > 0);
}

#define DEFINE_TILE(name, rows, more, panels)                                                      \
    static NOINLINE TARGET void NAME(name)(const struct STEPS(tile) * tile)                        \
    {                                                                                              \
        NAME(run_tile)(rows, more, panels, tile);                                                  \
    }
DEFINE_TILE(tile_1_row, 1, 0, 1)
#if TILE_ROWS > 1
DEFINE_TILE(tile_2_rows, 2, 0, 1)
#endif
#if TILE_ROWS > 2
DEFINE_TILE(tile_3_rows, 3, 0, 1)
#endif
/* Eight rows are 5 and 3, not 4 and 4: five want 26 bytes of weights in each cycle of 512-bit
 * multiply-adds, which a third-level cache still gives; four want 32. Three are 12 chains, enough
 * to hide the latency. */
#if TILE_ROWS > 3
DEFINE_TILE(tile_4_rows, 4, 0, 1)
DEFINE_TILE(tile_5_rows, 5, 0, 1)
DEFINE_TILE(tile_6_rows, 6, 0, 1)
DEFINE_TILE(tile_8_rows, 5, 3, 1)
#endif
#if ROW_PANELS > 1
DEFINE_TILE(tile_row_panels, 1, 0, ROW_PANELS)
#endif
#undef DEFINE_TILE

static const struct STEPS(sums) NAME(sums) = {
    .tiles =
        {
            NAME(tile_1_row),
#if TILE_ROWS > 1
            NAME(tile_2_rows),
#endif
#if TILE_ROWS > 2
            NAME(tile_3_rows),
#endif
#if TILE_ROWS > 3
            NAME(tile_4_rows),
            NAME(tile_5_rows),
            NAME(tile_6_rows),
            NULL,
            NAME(tile_8_rows),
#endif
        },
#if ROW_PANELS > 1
    .row_panels = NAME(tile_row_panels),
#endif
#if NARROW_LANES
    .narrow = &NARROW(sums),
#endif
};

#undef TILE_VECTORS

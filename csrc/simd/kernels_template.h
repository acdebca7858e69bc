/* The kernels, written once; included for every instruction set and dtype.
 *
 * Parameters, all macros, undefined again at the end:
 *   NAME(x)         x with a suffix of this instance
 *   TARGET          function attribute that selects the instruction set
 *   REAL, REAL_IS_FLOAT
 *   LANES           units per block; vec_t holds that many REALs
 *   TILE_ROWS       most batch rows that one register tile holds (1..6)
 *   ROW_BLOCKS      blocks that a tile of one row takes at once (1, 2 or 4)
 *   the vocabulary  V_LOAD(p) V_LOAD_PART(p, n) V_STORE(p, v) V_STORE_PART(p, v, n)
 *                   V_LOAD_WEIGHT(p) V_BROADCAST(p) V_SET(c) V_ACCUMULATE(acc, a, b)
 *                   V_ACCUMULATE_WEIGHT(acc, a, p) V_ADD V_SUB V_MUL V_DIV V_FMA(a, b, c)
 *                   V_FNMA(a, b, c) = c - a*b, V_MIN V_MAX (second operand where one is NaN)
 *                   V_NEG V_ABS V_COPYSIGN(magnitude, sign)
 *                   V_SCALE(v, shifted, bits) = v 2^n, from the low bits of n + MAGIC
 *                   V_ZERO_BELOW(x, limit, v) = x < limit ? 0 : v
 *                   V_SELECT_REACHED(x, limit, a, b) = x >= limit ? a : b
 *   ENTRY(x)        optional: define the entry points too (entry_template.h)
 * NUM_GATES and NAME(cell) are all that knows it is an LSTM.
 */
#include "math_template.h"

#define NUM_GATES LSTM_GATES
#define BLOCK_TOTALS (NUM_GATES * LANES) /* totals of one block, one row */
#define TILE_VECTORS 24                  /* accumulators: at most 6 rows or 4 blocks of 4 gates */
#define MOST_VECTORS (TILE_ROWS > ROW_BLOCKS ? TILE_ROWS : ROW_BLOCKS)
#define CELL_VECTORS 3

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
        const ptrdiff_t count = left < PYLSTM_SUM_BLOCK ? left : PYLSTM_SUM_BLOCK;
        NAME(sum_block)(rows, blocks, acc, w, tile->w_stride, x, count);
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

#define DEFINE_TILE(name, rows, blocks)                                                        \
    static NOINLINE TARGET void NAME(name)(const struct NAME(tile) * tile)                     \
    {                                                                                          \
        NAME(run_tile)(rows, blocks, tile);                                                    \
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

/* Where vector `i` of a tile stands: row i of one block, or block i of one row. */
struct NAME(place) {
    ptrdiff_t row, unit, width;
};

INLINE TARGET struct NAME(place) NAME(place_of)(const struct lstm_step *step, ptrdiff_t row,
                                                ptrdiff_t unit, bool along_units, int i)
{
    struct NAME(place) at = {along_units ? row : row + i, along_units ? unit + i * LANES : unit, LANES};

    if (step->hidden - at.unit < LANES)
        at.width = step->hidden - at.unit;
    return at;
}

INLINE TARGET vec_t NAME(load)(const REAL *p, ptrdiff_t width)
{
    return width == LANES ? V_LOAD(p) : V_LOAD_PART(p, width);
}

INLINE TARGET void NAME(store)(REAL *p, vec_t v, ptrdiff_t width)
{
    if (width == LANES)
        V_STORE(p, v);
    else
        V_STORE_PART(p, v, width);
}

/* The cell works on the totals of `count` vectors in three passes, in place, each on a few
 * vectors (a constant) side by side: an activation is a long chain, and the more of them stand
 * side by side, the less the processor waits. */

/* i, f, o = sigmoid */
INLINE TARGET void NAME(cell_sigmoids)(const int n, REAL *totals)
{
    vec_t v[6];

    UNROLL
    for (int j = 0; j < 3 * n; j++)
        v[j] = V_LOAD(totals + (j / 3 * NUM_GATES + (j % 3 == 2 ? 3 : j % 3)) * LANES);
    NAME(sigmoid)(v, 3 * n);
    UNROLL
    for (int j = 0; j < 3 * n; j++)
        V_STORE(totals + (j / 3 * NUM_GATES + (j % 3 == 2 ? 3 : j % 3)) * LANES, v[j]);
}

/* c' = f c + i tanh(g), kept in place of g */
INLINE TARGET void NAME(cell_states)(const int n, const struct lstm_step *step, REAL *totals,
                                     const struct NAME(place) *at)
{
    vec_t v[6];

    UNROLL
    for (int j = 0; j < n; j++)
        v[j] = V_LOAD(totals + j * BLOCK_TOTALS + 2 * LANES);
    NAME(tanh)(v, n);
    UNROLL
    for (int j = 0; j < n; j++) {
        const REAL *gates = totals + j * BLOCK_TOTALS;
        const ptrdiff_t from = at[j].row * step->c_stride + at[j].unit;
        const ptrdiff_t to = at[j].row * step->c_out_stride + at[j].unit;
        vec_t c = V_SET((REAL)0);
        if (step->c)
            c = NAME(load)((const REAL *)step->c + from, at[j].width);
        c = V_FMA(V_LOAD(gates + LANES), c, V_MUL(V_LOAD(gates), v[j]));
        NAME(store)((REAL *)step->c_out + to, c, at[j].width);
        V_STORE(totals + j * BLOCK_TOTALS + 2 * LANES, c);
    }
}

/* h = o tanh(c') */
INLINE TARGET void NAME(cell_outputs)(const int n, const struct lstm_step *step,
                                      const REAL *totals, const struct NAME(place) *at)
{
    vec_t v[6];

    UNROLL
    for (int j = 0; j < n; j++)
        v[j] = V_LOAD(totals + j * BLOCK_TOTALS + 2 * LANES);
    NAME(tanh)(v, n);
    UNROLL
    for (int j = 0; j < n; j++) {
        const ptrdiff_t to = at[j].row * step->h_out_stride + at[j].unit;
        v[j] = V_MUL(V_LOAD(totals + j * BLOCK_TOTALS + 3 * LANES), v[j]);
        NAME(store)((REAL *)step->h_out + to, v[j], at[j].width);
    }
}

/* Totals of `count` vectors (rows of one block, or blocks of one row) to new c and h. */
static NOINLINE TARGET void NAME(cell)(const struct lstm_step *step, REAL *totals, int count,
                                       ptrdiff_t row, ptrdiff_t unit, bool along_units)
{
    struct NAME(place) at[MOST_VECTORS];
    int i;

    for (i = 0; i < count; i++)
        at[i] = NAME(place_of)(step, row, unit, along_units, i);
    for (i = 0; i + 2 <= count; i += 2)
        NAME(cell_sigmoids)(2, totals + i * BLOCK_TOTALS);
    if (i < count)
        NAME(cell_sigmoids)(1, totals + i * BLOCK_TOTALS);
    for (i = 0; i + CELL_VECTORS <= count; i += CELL_VECTORS)
        NAME(cell_states)(CELL_VECTORS, step, totals + i * BLOCK_TOTALS, at + i);
    for (; i < count; i++)
        NAME(cell_states)(1, step, totals + i * BLOCK_TOTALS, at + i);
    for (i = 0; i + CELL_VECTORS <= count; i += CELL_VECTORS)
        NAME(cell_outputs)(CELL_VECTORS, step, totals + i * BLOCK_TOTALS, at + i);
    for (; i < count; i++)
        NAME(cell_outputs)(1, step, totals + i * BLOCK_TOTALS, at + i);
}

/* One tile's rows (or one row's blocks) of a step: input part, recurrent part, cell. */
INLINE TARGET void NAME(step_tile)(const struct lstm_step *step, ptrdiff_t row, ptrdiff_t rows,
                                   ptrdiff_t unit, int blocks)
{
    ALIGNED REAL totals[MOST_VECTORS * BLOCK_TOTALS];
    struct NAME(tile) tile;

    tile.from = (const REAL *)step->init + row * step->init_stride + NUM_GATES * unit;
    tile.from_stride = step->init_stride;
    tile.to = totals;
    tile.to_stride = BLOCK_TOTALS;
    if (step->wx) {
        tile.w = (const REAL *)step->wx + NUM_GATES * unit * step->depth_x;
        tile.w_stride = BLOCK_TOTALS * step->depth_x;
        tile.depth = step->depth_x;
        tile.x = (const REAL *)step->x + row * step->x_stride;
        tile.x_stride = step->x_stride;
        NAME(dispatch)(rows, blocks, &tile);
        tile.from = totals;
        tile.from_stride = BLOCK_TOTALS;
    }
    if (step->h) {
        tile.w = (const REAL *)step->wh + NUM_GATES * unit * step->depth_h;
        tile.w_stride = BLOCK_TOTALS * step->depth_h;
        tile.depth = step->depth_h;
        tile.x = (const REAL *)step->h + row * step->h_stride;
        tile.x_stride = step->h_stride;
        NAME(dispatch)(rows, blocks, &tile);
    } else {
        for (ptrdiff_t i = 0; i < rows; i++)
            for (ptrdiff_t j = 0; j < blocks * BLOCK_TOTALS; j += LANES)
                V_STORE(totals + i * BLOCK_TOTALS + j,
                        V_ADD(V_LOAD(tile.from + i * tile.from_stride + j), V_SET((REAL)0)));
    }
    NAME(cell)(step, totals, (int)(blocks > 1 ? blocks : rows), row, unit, blocks > 1);
}

/* Rows of the next tile: as few tiles as possible, as even as possible. */
INLINE TARGET ptrdiff_t NAME(next_rows)(ptrdiff_t left)
{
    const ptrdiff_t tiles = (left + TILE_ROWS - 1) / TILE_ROWS;
    return (left + tiles - 1) / tiles;
}

/* The units [first, end) of a step; first is where a block begins. */
static NOINLINE TARGET void NAME(step)(const struct lstm_step *step, ptrdiff_t first, ptrdiff_t end)
{
    const ptrdiff_t stride = (step->rows == 1 ? ROW_BLOCKS : 1) * LANES;
    const ptrdiff_t count = (end - first + stride - 1) / stride;

    for (ptrdiff_t i = 0; i < count; i++) {
        const ptrdiff_t unit = first + (step->backwards ? count - 1 - i : i) * stride;
        if (step->rows == 1) {
            if (unit + stride - LANES < end)
                NAME(step_tile)(step, 0, 1, unit, ROW_BLOCKS);
            else
                for (ptrdiff_t rest = unit; rest < end; rest += LANES)
                    NAME(step_tile)(step, 0, 1, rest, 1);
            continue;
        }
        for (ptrdiff_t row = 0, rows; row < step->rows; row += rows) {
            rows = NAME(next_rows)(step->rows - row);
            NAME(step_tile)(step, row, rows, unit, 1);
        }
    }
}

static NOINLINE TARGET void NAME(product)(const struct lstm_product *product, ptrdiff_t first,
                                          ptrdiff_t end)
{
    static const REAL zeros[BLOCK_TOTALS];
    struct NAME(tile) tile;

    for (ptrdiff_t unit = first; unit < end; unit += LANES) {
        tile.w = (const REAL *)product->w + NUM_GATES * unit * product->depth;
        tile.w_stride = 0;
        tile.depth = product->depth;
        tile.x_stride = product->x_stride;
        tile.from_stride = product->init ? product->init_stride : 0;
        tile.to_stride = product->out_stride;
        for (ptrdiff_t row = 0, rows; row < product->rows; row += rows) {
            rows = NAME(next_rows)(product->rows - row);
            tile.x = (const REAL *)product->x + row * product->x_stride;
            tile.from = product->init ? (const REAL *)product->init + row * tile.from_stride +
                                            NUM_GATES * unit
                                      : zeros;
            tile.to = (REAL *)product->out + row * product->out_stride + NUM_GATES * unit;
            NAME(dispatch)(rows, 1, &tile);
        }
    }
}

#ifdef ENTRY
#include "entry_template.h"
#endif

#undef NUM_GATES
#undef BLOCK_TOTALS
#undef TILE_VECTORS
#undef MOST_VECTORS
#undef CELL_VECTORS
#undef NAME
#undef REAL
#undef REAL_IS_FLOAT
#undef LANES
#undef TILE_ROWS
#undef ROW_BLOCKS

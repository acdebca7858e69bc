/* The kernels, written once; included for every instruction set and dtype.
 *
 * Parameters, all macros, undefined again at the end:
 *   NAME(x)         x with a suffix of this instance
 *   TARGET          function attribute that selects the instruction set
 *   REAL, REAL_IS_FLOAT
 *   LANES           units per panel; vec_t holds that many REALs
 *   TILE_ROWS       most batch rows that one register tile holds (1..6)
 *   ROW_PANELS      panels that a tile of one row takes at once (1, 2 or 4)
 *   the vocabulary  V_LOAD(p) V_LOAD_PART(p, n) V_STORE(p, v) V_STORE_PART(p, v, n)
 *                   V_LOAD_WEIGHT(p) V_BROADCAST(p) V_SET(c) V_ACCUMULATE(acc, a, b)
 *                   V_ACCUMULATE_WEIGHT(acc, a, p) V_ADD V_SUB V_MUL V_DIV V_FMA(a, b, c)
 *                   V_FNMA(a, b, c) = c - a*b, V_MIN V_MAX (second operand where one is NaN)
 *                   V_NEG V_ABS V_COPYSIGN(magnitude, sign)
 *                   V_SCALE(v, shifted, bits) = v 2^n, from the low bits of n + MAGIC
 *                   V_ZERO_BELOW(x, limit, v) = x < limit ? 0 : v
 *                   V_SELECT_REACHED(x, limit, a, b) = x >= limit ? a : b
 *                   where LANES is not 1, and QUAD is the number of REALs in 128 bits, also
 *                   V_LOAD_ROWS(p, stride) = 128 bits each at p, p + QUAD stride, p + 2 QUAD stride
 *                   and so on; V_ZIP_LOW(a, b) V_ZIP_HIGH(a, b) = a0 b0 a1 b1 ... from the lower or
 *                   the upper half of each 128 bits; V_DIFFERENCE(bits, v, p) = bits | (v ^ *p)
 *                   for an aligned p; V_ANY_BIT(bits) = bits is not 0
 *   ENTRY(x)        optional: define the entry points too (entry_template.h)
 * NUM_GATES and NAME(cell) are all that knows it is an LSTM.
 */
#include "math_template.h"

#include <string.h>

#define NUM_GATES LSTM_GATES
#define PANEL_TOTALS (NUM_GATES * LANES) /* totals of one panel, one row */
#define GROUP_VECTORS 32                 /* totals of one pass of the cell: 4 to 8 KB */

#include "cell_template.h"
#include "panel_template.h"
#include "tile_template.h"

/* The next of the counts, as few and as even as possible, that `left` is cut into. */
INLINE TARGET ptrdiff_t NAME(next_count)(ptrdiff_t left, ptrdiff_t most)
{
    const ptrdiff_t counts = (left + most - 1) / most;
    return (left + counts - 1) / counts;
}

/* Adds w x to the totals of `rows` rows of one panel, or of one row of several panels: tile after
 * tile, so that all but the first find the panel, or its end, in the first-level cache. */
INLINE TARGET void NAME(add_product)(struct NAME(tile) tile, ptrdiff_t rows, const int panels)
{
    for (ptrdiff_t left = rows, count; left > 0; left -= count) {
        if (TILE_ROWS > 4 && left % 4 == 0)
            count = left < 8 ? 4 : 8;
        else
            count = NAME(next_count)(left, TILE_ROWS);
        NAME(dispatch)(count, panels, &tile);
        tile.x += count * tile.x_stride;
        tile.from += count * tile.from_stride;
        tile.to += count * tile.to_stride;
    }
}

/* Totals of a step: input gates, then recurrent part, for all rows of one panel, or one row of
 * several panels (a constant). `to` is where the rows, or the panels, stand one after the other. */
INLINE TARGET void NAME(step_totals)(const struct lstm_step *step, ptrdiff_t row, ptrdiff_t rows,
                                     ptrdiff_t unit, const int panels, REAL *to)
{
    struct NAME(tile) tile;

    tile.from = (const REAL *)step->init + row * step->init_stride + NUM_GATES * unit;
    tile.from_stride = step->init_stride;
    tile.to = to;
    tile.to_stride = PANEL_TOTALS;
    if (step->wx) {
        tile.w = (const REAL *)step->wx + NUM_GATES * unit * step->depth_x;
        tile.w_stride = PANEL_TOTALS * step->depth_x;
        tile.depth = step->depth_x;
        tile.x = (const REAL *)step->x + row * step->x_stride;
        tile.x_stride = step->x_stride;
        NAME(add_product)(tile, rows, panels);
        tile.from = to;
        tile.from_stride = PANEL_TOTALS;
    }
    if (step->h) {
        tile.w = (const REAL *)step->wh + NUM_GATES * unit * step->depth_h;
        tile.w_stride = PANEL_TOTALS * step->depth_h;
        tile.depth = step->depth_h;
        tile.x = (const REAL *)step->h + row * step->h_stride;
        tile.x_stride = step->h_stride;
        NAME(add_product)(tile, rows, panels);
    } else {
        for (ptrdiff_t i = 0; i < rows; i++)
            for (ptrdiff_t j = 0; j < panels * PANEL_TOTALS; j += LANES)
                V_STORE(to + i * PANEL_TOTALS + j,
                        V_ADD(V_LOAD(tile.from + i * tile.from_stride + j), V_SET((REAL)0)));
    }
}

/* One group: its panels, from the last to the first where the step says so, then the cell. */
INLINE TARGET void NAME(step_group)(const struct NAME(group) *group)
{
    const struct lstm_step *step = group->step;

    for (ptrdiff_t done = 0; done < group->panels; done++) {
        const ptrdiff_t panel = step->descending ? group->panels - 1 - done : done;
        REAL *to = group->totals + panel * group->rows * PANEL_TOTALS;
        NAME(step_totals)(step, group->row, group->rows, group->unit + panel * LANES, 1, to);
    }
    NAME(cell)(group);
}

/* `panels` (a constant) panels of a batch of one row: tile and cell, the totals in registers
 * between the passes of the cell. */
INLINE TARGET void NAME(step_row_tile)(const struct lstm_step *step, ptrdiff_t unit,
                                       const int panels)
{
    ALIGNED REAL totals[ROW_PANELS * PANEL_TOTALS];
    struct NAME(place) at[ROW_PANELS];

    UNROLL
    for (int i = 0; i < panels; i++) {
        const ptrdiff_t left = step->hidden - unit - i * LANES;
        at[i] = (struct NAME(place)){0, unit + i * LANES, left < LANES ? left : LANES};
    }
    NAME(step_totals)(step, 0, 1, unit, panels, totals);
    NAME(cell_sigmoids)(panels > 1 ? 2 : 1, totals);
    if (panels > 2)
        NAME(cell_sigmoids)(panels - 2, totals + 2 * PANEL_TOTALS);
    NAME(cell_states)(panels, step, totals, at);
    NAME(cell_outputs)(panels, step, totals, at);
}

/* A step of one row. Its cells wait for one tile only, and the next tile's weights stream in
 * meanwhile. */
INLINE TARGET void NAME(step_row)(const struct lstm_step *step, ptrdiff_t first, ptrdiff_t panels)
{
    for (ptrdiff_t done = 0, count; done < panels; done += count) {
        count = panels - done < ROW_PANELS ? 1 : ROW_PANELS;
        const ptrdiff_t panel = step->descending ? panels - done - count : done;
        if (count == ROW_PANELS)
            NAME(step_row_tile)(step, first + panel * LANES, ROW_PANELS);
        else
            NAME(step_row_tile)(step, first + panel * LANES, 1);
    }
}

/* The units [first, end) of a step; first is where a panel begins. */
static NOINLINE TARGET CHAINED void NAME(step)(const struct lstm_step *step, ptrdiff_t first,
                                               ptrdiff_t end)
{
    ALIGNED REAL totals[GROUP_VECTORS * PANEL_TOTALS];
    const ptrdiff_t panels = (end - first + LANES - 1) / LANES;
    struct NAME(group) group = {.step = step, .totals = totals};

    if (step->rows == 1 && panels != 3) { /* three are done sooner together */
        NAME(step_row)(step, first, panels);
        return;
    }
    const ptrdiff_t rows = NAME(next_count)(step->rows, GROUP_VECTORS);
    const ptrdiff_t most = GROUP_VECTORS / rows;
    for (ptrdiff_t done = 0; done < panels; done += group.panels) {
        group.panels = panels - done < most ? panels - done : most;
        group.unit = first + LANES * (step->descending ? panels - done - group.panels : done);
        for (group.row = 0; group.row < step->rows; group.row += group.rows) {
            group.rows = step->rows - group.row < rows ? step->rows - group.row : rows;
            NAME(step_group)(&group);
        }
    }
}

static NOINLINE TARGET void NAME(gemm)(const struct gemm *gemm, ptrdiff_t first, ptrdiff_t end)
{
    static const REAL zeros[PANEL_TOTALS];
    struct NAME(tile) tile;

    for (ptrdiff_t unit = first; unit < end; unit += LANES) {
        tile.w = (const REAL *)gemm->w + NUM_GATES * unit * gemm->depth;
        tile.w_stride = 0;
        tile.depth = gemm->depth;
        tile.x_stride = gemm->x_stride;
        tile.from_stride = gemm->init ? gemm->init_stride : 0;
        tile.from = gemm->init ? (const REAL *)gemm->init + NUM_GATES * unit : zeros;
        tile.to_stride = gemm->out_stride;
        for (ptrdiff_t group = 0; group < gemm->groups; group++) {
            tile.x = (const REAL *)gemm->x + group * gemm->x_group;
            tile.to = (REAL *)gemm->out + group * gemm->out_group + NUM_GATES * unit;
            NAME(add_product)(tile, gemm->rows, 1);
        }
    }
}

#ifdef ENTRY
#include "entry_template.h"
#endif

#undef NUM_GATES
#undef PANEL_TOTALS
#undef GROUP_VECTORS
#undef NAME
#undef REAL
#undef REAL_IS_FLOAT
#undef LANES
#undef TILE_ROWS
#undef ROW_PANELS

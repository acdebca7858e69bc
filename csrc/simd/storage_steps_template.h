/* The steps and gemms with compressed weights, written once; included for every instruction set, lane
 * count and kind of storage, integers or floats of 16 bits, behind kernels_template.h for floats of as many
 * lanes, from which they take the updates. Storages of one kind differ in the sums alone, which a step
 * reads from struct NAME(sums) (sums_template.h).
 *
 * Parameters, all macros; all but TARGET and those of the words are undefined again at the end:
 *   NAME(x)         x with a suffix of this instance
 *   BASE(x)         x with the suffix of the float instance
 *   TARGET, LANES   as in kernels_template.h
 *   INTEGERS        1: integers. 0: floats of 16 bits, and TILE_ROWS and ROW_PANELS as in
 *                   kernels_template.h, of all of them
 *   TERMS           optional, of integers: that of all storages, which then have a constant for what
 *                   the others read: 1 to 3 % of a step of one row
 *   WHOLE           1: the instance that serves whole panels, which defines NAME(lstm_units),
 *                   NAME(block_units), NAME(reset_before_units) and NAME(gemm_units) too
 *   NARROW(x), NARROW_LANES   optional, as in entry_template.h
 */
#ifndef NARROW_LANES
#define NARROW_LANES 0
#endif

#define REAL float
#define PANEL_TOTALS (PANEL_VECTORS * LANES)
#define GROUP_VECTORS 32
#define BLOCK_UNITS (PANEL_VECTORS * LANES)
#define BLOCK_ROWS 24
/* One row: up to hidden 128 the sums of some instances do not hide the latency of an update. */
#define ROWWISE(panels)                                                                            \
    ((INTEGERS && (LANES > 8 || (panels) <= 4)) || (panels) == 1 || (panels) * LANES > 128)
#if LANES == 1
#define STEP_SIZE SHORT
#else
#define STEP_SIZE /* on x86 that would gain 1 KB of a wheel, and lose 2 % at hidden 20 */
#endif
#define UPDATES_ROW 0

#if INTEGERS
#define ROW_PANELS 1
#ifdef TERMS
#define ITEMSIZE(sums) ((void)(sums), 4 / TERMS)
#else
#define ITEMSIZE(sums) ((sums)->itemsize)
#endif
#define PACKED_DEPTH(sums, depth)                                                                  \
    (ITEMSIZE(sums) == 1 ? storage_depth(4, true, STORAGE_BYTES_SUM, depth)                        \
                         : storage_depth(2, true, 0, depth))
#define PART(step, of) ((step)->rows_##of.memory)
#define PART_STRIDE(sums, step, of)                                                                \
    storage_row_stride(ITEMSIZE(sums), (step)->depth_##of, (step)->rows_##of.planes)
#define PREPARE_H(sums, step)                                                                      \
    (sums)->quantise_rows((step)->h, (step)->h_stride, (step)->depth_h, &(step)->rows_h, 0,        \
                          (step)->h ? (step)->rows : 0)
#else
#define PACKED_DEPTH(sums, depth) ((void)(sums), storage_depth(2, false, 0, depth))
#define PART(step, of) ((step)->of)
#define PART_STRIDE(sums, step, of) ((step)->of##_stride)
#define PREPARE_H(sums, step) ((void)(step))
#endif

#include "sums_template.h"

#include "gemm_template.h"

#include "lstm_step_template.h"

#include "block_step_template.h"

#if WHOLE
#include "reset_step_template.h"

/* Makes integers of x and h, where PART() finds them. */
INLINE TARGET void NAME(prepare)(const struct NAME(sums) *sums, const struct rnn_step *step)
{
#if INTEGERS
    if (step->wx)
        sums->quantise_rows(step->x, step->x_stride, step->depth_x, &step->rows_x, 0, step->rows);
#endif
    (void)sums;
    PREPARE_H(sums, step);
}

static NOINLINE TARGET void NAME(lstm_units)(const struct NAME(sums) *sums,
                                             const struct rnn_step *step, bool traced)
{
    NAME(prepare)(sums, step);
#if NARROW_LANES
    const ptrdiff_t tail = step->hidden % LANES;
    const ptrdiff_t whole = step->hidden - tail;
    if (tail && tail <= NARROW_LANES && step->end > whole) {
        NAME(lstm_step)(sums, step, step->first, whole, traced);
        NARROW(lstm_step)(sums->narrow, step, whole, step->end, traced);
        return;
    }
#endif
    NAME(lstm_step)(sums, step, step->first, step->end, traced);
}

static NOINLINE TARGET void NAME(block_units)(const struct NAME(sums) *sums,
                                              const struct rnn_step *step, ptrdiff_t gates,
                                              void (*const update)(const struct BASE(block) *))
{
    NAME(prepare)(sums, step);
    NAME(block_step)(sums, step, gates, update);
}

static NOINLINE TARGET void NAME(reset_before_units)(const struct NAME(sums) *sums,
                                                     const struct rnn_step *step)
{
    NAME(prepare)(sums, step);
    NAME(reset_before_step)(sums, step);
}

#if INTEGERS
/* A copy in which x is of integers. */
INLINE TARGET struct gemm NAME(prepared_gemm)(const struct NAME(sums) *sums,
                                              const struct gemm *given)
{
    struct gemm gemm = *given;

    for (ptrdiff_t group = 0; group < gemm.groups; group++)
        sums->quantise_rows((const REAL *)gemm.x + group * gemm.x_group, gemm.x_stride, gemm.depth,
                            &gemm.rows_x, group * gemm.rows, gemm.rows);
    gemm.x = gemm.rows_x.memory;
    gemm.x_stride = storage_row_stride(ITEMSIZE(sums), gemm.depth, gemm.rows_x.planes);
    gemm.x_group = gemm.rows * gemm.x_stride;
    return gemm;
}
#endif

static NOINLINE TARGET void NAME(gemm_units)(const struct NAME(sums) *sums,
                                             const struct gemm *given)
{
#if INTEGERS
    const struct gemm prepared = NAME(prepared_gemm)(sums, given), *gemm = &prepared;
#else
    const struct gemm *gemm = given;
#endif
#if NARROW_LANES
    const ptrdiff_t tail = gemm->units % LANES;
    if (tail && tail <= NARROW_LANES) {
        NAME(gemm)(sums, gemm, 0, gemm->units - tail);
        NARROW(gemm)(sums->narrow, gemm, gemm->units - tail, gemm->units);
        return;
    }
#endif
    NAME(gemm)(sums, gemm, 0, gemm->units);
}
#endif

#undef STEP_SIZE
#undef UPDATES_ROW
#undef ROWWISE
#undef PACKED_DEPTH
#undef PART
#undef PART_STRIDE
#undef PREPARE_H
#undef PANEL_TOTALS
#undef GROUP_VECTORS
#undef BLOCK_UNITS
#undef BLOCK_ROWS
#undef NARROW
#undef NARROW_LANES
#undef NAME
#undef BASE
#undef REAL
#undef LANES
#undef TILE_ROWS
#undef ROW_PANELS
#undef INTEGERS
#undef TERMS
#undef ITEMSIZE
#undef WHOLE

/* The kernels with compressed weights, written once; included for every instruction set and lane count,
 * behind kernels_template.h for floats of as many lanes, from which they take all but the sums.
 *
 * Parameters, all macros; all but TARGET and those of the words are undefined again at the end:
 *   NAME(x)         x with a suffix of this instance
 *   BASE(x)         x with the suffix of the float instance
 *   TARGET, LANES, TILE_ROWS   as in kernels_template.h
 *   TERMS           4 or 2: integers, and the words of integer_tile_template.h. 0: floats of 16 bits, and
 *                   FLOATS, their storage; PACK, its function; ROW_PANELS as in kernels_template.h;
 *                   GET_WEIGHT(to, term, vector, rows): to = the weights of vector `vector` of the
 *                   term at `term`, for a tile of `rows` rows (both constants)
 *   ENTRY(x), BASE_ENTRY(x), NARROW(x), NARROW_LANES   optional, as in entry_template.h
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
    ((TERMS && (LANES > 8 || (panels) <= 4)) || (panels) == 1 || (panels) * LANES > 128)
#if LANES == 1
#define STEP_SIZE SHORT
#else
#define STEP_SIZE /* on x86 that would gain 1 KB of a wheel, and lose 2 % at hidden 20 */
#endif
#define UPDATES_ROW 0

#ifndef WORD_ROWS
#define WORD_ROWS 0
#endif

#if TERMS
#define ROW_PANELS 1
#define SUM_TERMS (TERMS == 4 ? 2048 : 256)
#define PACKED_DEPTH(depth) storage_depth(TERMS, true, TERMS == 4 ? SUM_TERMS : 0, depth)
#define PART(step, of) ((step)->rows_##of.memory)
#define PART_STRIDE(step, of) NAME(row_stride)((step)->depth_##of, (step)->rows_##of.planes)
#define PREPARE_H(step)                                                                            \
    NAME(quantise_rows)((step)->h, (step)->h_stride, (step)->depth_h, &(step)->rows_h, 0,          \
                        (step)->h ? (step)->rows : 0)
#include "integer_tile_template.h"
#else
#define WIDENED 1
#define TERM_SIZE (PANEL_TOTALS / 2)
#define PACKED_DEPTH(depth) storage_depth(2, false, 0, depth)
#define PART(step, of) ((step)->of)
#define PART_STRIDE(step, of) ((step)->of##_stride)
#define PREPARE_H(step) ((void)(step))
#include "tile_template.h"
#endif

#include "gemm_template.h"

#include "lstm_step_template.h"

#include "block_step_template.h"

#ifdef ENTRY
#if TERMS
#include "quantise_template.h"
#endif

#include "reset_step_template.h"

#include "storage_entry_template.h"
#endif

#undef SUM_TERMS
#undef WORD_ROWS
#undef WIDENED
#undef TERM_SIZE
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
#undef TERMS
#undef FLOATS
#undef PACK
#undef GET_WEIGHT

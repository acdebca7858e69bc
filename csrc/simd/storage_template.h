/* The kernels with compressed weights, written once; included for every instruction set and lane count,
 * behind kernels_template.h for floats of as many lanes, from which they take all but the sums.
 *
 * Parameters, all macros; all but TARGET and those of the words are undefined again at the end:
 *   NAME(x)         x with a suffix of this instance
 *   BASE(x)         x with the suffix of the float instance
 *   TARGET, LANES, TILE_ROWS   as in kernels_template.h; one row takes one panel
 *   TERMS           4 or 2: integers, and the words of integer_tile_template.h
 *   ENTRY(x), BASE_ENTRY(x), NARROW(x), NARROW_LANES   optional, as in entry_template.h
 */
#ifndef NARROW_LANES
#define NARROW_LANES 0
#endif

#define REAL float
#define ROW_PANELS 1
#define PANEL_TOTALS (PANEL_VECTORS * LANES)
#define GROUP_VECTORS 32
#define BLOCK_UNITS (PANEL_VECTORS * LANES)
#define BLOCK_ROWS 24

#define SUM_TERMS (TERMS == 4 ? 2048 : 256)
#define PACKED_DEPTH(depth)                                                                        \
    storage_packed_depth(&storage_formats[TERMS == 4 ? STORAGE_INT8 : STORAGE_INT16], depth)
#define PART_H(step) ((step)->rows_h.memory)
#define PART_H_STRIDE(step) NAME(row_stride)((step)->depth_h, (step)->rows_h.planes)
#define PREPARE_H(step)                                                                            \
    NAME(quantise_rows)((step)->h, (step)->h_stride, (step)->depth_h, &(step)->rows_h, 0,          \
                        (step)->h ? (step)->rows : 0)

#include "integer_tile_template.h"

#include "gemm_template.h"

#include "lstm_step_template.h"

#include "block_step_template.h"

#ifdef ENTRY
#include "quantise_template.h"

#include "reset_step_template.h"

#include "storage_entry_template.h"
#endif

#undef SUM_TERMS
#undef PACKED_DEPTH
#undef PART_H
#undef PART_H_STRIDE
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

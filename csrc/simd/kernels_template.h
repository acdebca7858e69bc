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
 *
 * Legal combinations: ROW_PANELS * PANEL_VECTORS and TILE_ROWS * PANEL_VECTORS accumulators, the
 * values of the rows and one weight have to fit the registers.
 *
 * A panel is PANEL_VECTORS vectors wide, whatever the kind of cell. What an LSTM is, is known to
 * update_template.h, lstm_step_template.h and variant_template.h alone.
 */
#ifndef NARROW_LANES
#define NARROW_LANES 0
#endif

#include "math_template.h"
#include "storage.h"

#include <string.h>

#define PANEL_TOTALS (PANEL_VECTORS * LANES) /* totals of one panel, one row */
#define GROUP_VECTORS 32                     /* panels of one update, rows counted: 4 to 8 KB */
#define BLOCK_UNITS (PANEL_VECTORS * LANES)  /* of all but a plain LSTM */
#define BLOCK_ROWS 24                        /* of one update of a block of a GRU: 12 to 24 KB */

/* What storage_template.h defines otherwise. */
#define BASE(x) NAME(x)
#define STEPS(x) NAME(x)
#define INTEGERS 0
#define WIDENED 0              /* 1: a weight is widened before it is multiplied */
#define TERM_SIZE PANEL_TOTALS /* REALs of the weights of a term of a panel */
#define GET_WEIGHT(to, term, vector, rows) ((to) = V_LOAD_WEIGHT((term) + (vector) * LANES))
#define PACKED_DEPTH(sums, depth) ((void)(sums), (depth))
#define ROWWISE(panels) ((panels) != 3) /* one row: three are done sooner together */
#define STEP_SIZE
#define UPDATES_ROW 1               /* the LSTM's step of one row has an update of its own */
#define PART(step, of) ((step)->of) /* x or h as the tiles read it */
#define PART_STRIDE(sums, step, of) ((step)->of##_stride)
#define PREPARE_H(sums, step) ((void)(step))

#include "sums_template.h"

#include "tile_template.h"

#include "gemm_template.h"

#include "update_template.h"

#include "panel_template.h"

#include "lstm_step_template.h"

#include "block_update_template.h"

#include "block_step_template.h"

#ifdef ENTRY
#include "variant_template.h"

#include "reset_step_template.h"

#include "entry_template.h"
#endif

#undef BASE
#undef STEPS
#undef INTEGERS
#undef WIDENED
#undef TERM_SIZE
#undef GET_WEIGHT
#undef PACKED_DEPTH
#undef STEP_SIZE
#undef UPDATES_ROW
#undef ROWWISE
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
#undef REAL
#undef REAL_IS_FLOAT
#undef LANES
#undef TILE_ROWS
#undef ROW_PANELS

/* The sums and the entry points of one storage, written once; included for every instruction set and lane
 * count, behind storage_steps_template.h for as many lanes, whose steps several storages share.
 *
 * Parameters, all macros; all but TARGET and those of the words are undefined again at the end:
 *   NAME(x)         x with a suffix of this instance
 *   STEPS(x)        x with the suffix of the instance of storage_steps_template.h
 *   TARGET, LANES, TILE_ROWS   as in kernels_template.h; TILE_ROWS of floats is that of the steps
 *   TERMS           4 or 2: integers, and the words of integer_tile_template.h. 0: floats of 16 bits, and
 *                   FLOATS, their storage; PACK, its function; ROW_PANELS as that of the steps;
 *                   GET_WEIGHT(to, term, vector, rows): to = the weights of vector `vector` of the
 *                   term at `term`, for a tile of `rows` rows (both constants)
 *   ENTRY(x), BASE_ENTRY(x), NARROW(x), NARROW_LANES   optional, as in entry_template.h; BASE(x) with
 *                   ENTRY(x): x with the suffix of the float instance
 */
#ifndef NARROW_LANES
#define NARROW_LANES 0
#endif

#define REAL float
#define PANEL_TOTALS (PANEL_VECTORS * LANES)

#if LANES == 1
#define STEP_SIZE SHORT
#else
#define STEP_SIZE
#endif

#ifndef WORD_ROWS
#define WORD_ROWS 0
#endif

#if TERMS
#define SUM_TERMS (TERMS == 4 ? STORAGE_BYTES_SUM : STORAGE_WORDS_SUM)
#ifdef ENTRY
#include "quantise_template.h"
#endif

#include "integer_tile_template.h"
#else
#define WIDENED 1
#define TERM_SIZE (PANEL_TOTALS / 2)
#include "tile_template.h"
#endif

#ifdef ENTRY
#include "storage_entry_template.h"
#endif

#undef SUM_TERMS
#undef STEP_SIZE
#undef WORD_ROWS
#undef WIDENED
#undef TERM_SIZE
#undef PANEL_TOTALS
#undef NARROW
#undef NARROW_LANES
#undef NAME
#undef BASE
#undef STEPS
#undef REAL
#undef LANES
#undef TILE_ROWS
#undef ROW_PANELS
#undef TERMS
#undef FLOATS
#undef PACK
#undef GET_WEIGHT

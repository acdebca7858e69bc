/* Compressing: weights from float32 to a storage, and back. Both ways run in the default floating-point
 * environment, and each result is a function of one row. simd/storage.h has the formulas.
 */
#ifndef PYLSTM_CORE_COMPRESS_H
#define PYLSTM_CORE_COMPRESS_H

#include "../simd/storage.h"

/* Some rows of a matrix: "stored" [rows, depth] of the storage, and of integers "scales" [rows]. */

/* Compresses float32 weights. Returns false, and then what was written is of no use, where the storage
 * cannot hold one: an integer needs weights of at most 3.4e38, a float of 16 bits none
 * but infinities beyond its largest, which of float16 is 65504.
 *
 * scale = max |w| / 127, or of int16 the larger of max |w| / 32767 and, for each 256 terms,
 * sum |w| / (2^31 / 8191 - 256): so no sum of them times 8191 passes 2^31, rounding included. A
 * subnormal scale is rounded up. */
bool storage_compress(enum storage storage, const float *weights, ptrdiff_t rows, ptrdiff_t depth,
                      void *stored, float *scales);
/* Widens to float32: exactly, of integers to float(q) scale. */
void storage_widen(enum storage storage, const void *stored, const float *scales, ptrdiff_t rows,
                   ptrdiff_t depth, float *weights);
/* True if stored weights that come from elsewhere are within the bounds that the kernels rely on: no
 * int8 is -128, no 256 int16 pass their bound, scales are finite and not negative, and what an integer
 * stands for is finite. */
bool storage_is_sound(enum storage storage, const void *stored, const float *scales, ptrdiff_t rows,
                      ptrdiff_t depth);

#endif

/* AVX-512 (F, BW, DQ, VL): 16 floats or 8 doubles, and half of that for a narrow last panel. */
#include "levels.h"

#if PYLSTM_BUILD_X86

#include "compiler.h"
#include "vocabulary_x86.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#define LEVEL "avx512"
#define VECTOR "v"

#define MASK_COMPARE_(bits, suffix) _mm##bits##_cmp_##suffix##_mask
#define MASK_COMPARE(bits, suffix) MASK_COMPARE_(bits, suffix)
#define TAIL_MASK(n) ((MASK)((1U << (n)) - 1U))
#define V_LOAD_PART(p, n) X86(maskz_loadu)(TAIL_MASK(n), p)
#define V_STORE_PART(p, v, n) X86(mask_storeu)(p, TAIL_MASK(n), v)
#define V_ZERO_BELOW(x, limit, v)                                                                  \
    X86(maskz_mov)(MASK_COMPARE(BITS, SUFFIX)(x, limit, _CMP_NLT_UQ), v)
#define V_SELECT_REACHED(x, limit, a, b)                                                           \
    X86(mask_blend)(MASK_COMPARE(BITS, SUFFIX)(x, limit, _CMP_GE_OQ), b, a)

/* Six rows of four accumulators, six values and one weight fill 31 of 32 registers. One row takes
 * one panel: 512-bit units start one multiply-add per cycle, so that four chains hide its latency,
 * and one stream of weights is 3 to 7 % faster than two. Below 4 rows the input gates of
 * several steps are precomputed: then weight_ih streams once for all of these steps. */
#define PRECOMPUTE_ROWS 4

/* float: narrow panels of 8 lanes */
#define NAME(x) x##_f32x8
#define BITS 256
#define SUFFIX ps
#define EPI epi32
#define MASK __mmask8
#define vec_t __m256
#define REAL float
#define REAL_IS_FLOAT 1
#define LANES 8
#define TILE_ROWS 6
#define ROW_PANELS 1
#include "kernels_template.h"

/* float: whole panels of 16 */
#undef BITS
#undef MASK
#undef vec_t
#define NAME(x) x##_f32x16
#define ENTRY(x) x##_f32
#define NARROW(x) x##_f32x8
#define NARROW_LANES 8
#define BITS 512
#define MASK __mmask16
#define vec_t __m512
#define REAL float
#define REAL_IS_FLOAT 1
#define LANES 16
#define TILE_ROWS 6
#define ROW_PANELS 1
#include "kernels_template.h"

/* double: narrow panels of 4 */
#undef BITS
#undef SUFFIX
#undef EPI
#undef MASK
#undef vec_t
#define NAME(x) x##_f64x4
#define BITS 256
#define SUFFIX pd
#define EPI epi64
#define MASK __mmask8
#define vec_t __m256d
#define REAL double
#define REAL_IS_FLOAT 0
#define LANES 4
#define TILE_ROWS 6
#define ROW_PANELS 1
#include "kernels_template.h"

/* double: whole panels of 8 */
#undef BITS
#undef vec_t
#define NAME(x) x##_f64x8
#define ENTRY(x) x##_f64
#define NARROW(x) x##_f64x4
#define NARROW_LANES 4
#define BITS 512
#define vec_t __m512d
#define REAL double
#define REAL_IS_FLOAT 0
#define LANES 8
#define TILE_ROWS 6
#define ROW_PANELS 1
#include "kernels_template.h"

const struct rnn_kernels *const avx512_kernels[DTYPE_COUNT] = {&kernels_f32, &kernels_f64};

#endif

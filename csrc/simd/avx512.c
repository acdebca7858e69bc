/* AVX-512 (F, BW, DQ, VL): 16 floats or 8 doubles, and half of that for a narrow last panel. */
#include "levels.h"

#if PYLSTM_BUILD_X86

#include "compiler.h"
#include "halves_x86.h"
#include "integers_x86.h"
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

/* Steps of storages */
#undef BITS
#undef SUFFIX
#undef EPI
#undef MASK
#undef vec_t
#define BITS 256
#define SUFFIX ps
#define EPI epi32
#define MASK __mmask8
#define vec_t __m256
#define NAME(x) x##_bytes_steps_x8
#define BASE(x) x##_f32x8
#define LANES 8
#define INTEGERS 1
#define TERMS 4
#define WHOLE 0
#include "storage_steps_template.h"

#define NAME(x) x##_words_steps_x8
#define BASE(x) x##_f32x8
#define LANES 8
#define INTEGERS 1
#define TERMS 2
#define WHOLE 0
#include "storage_steps_template.h"

#define NAME(x) x##_halves_x8
#define BASE(x) x##_f32x8
#define LANES 8
#define TILE_ROWS 3
#define ROW_PANELS 1
#define INTEGERS 0
#define WHOLE 0
#include "storage_steps_template.h"

#undef BITS
#undef MASK
#undef vec_t
#define BITS 512
#define MASK __mmask16
#define vec_t __m512
#define NAME(x) x##_bytes_steps_x16
#define BASE(x) x##_f32x16
#define NARROW(x) x##_bytes_steps_x8
#define NARROW_LANES 8
#define LANES 16
#define INTEGERS 1
#define TERMS 4
#define WHOLE 1
#include "storage_steps_template.h"

#define NAME(x) x##_words_steps_x16
#define BASE(x) x##_f32x16
#define NARROW(x) x##_words_steps_x8
#define NARROW_LANES 8
#define LANES 16
#define INTEGERS 1
#define TERMS 2
#define WHOLE 1
#include "storage_steps_template.h"

#define NAME(x) x##_halves_x16
#define BASE(x) x##_f32x16
#define NARROW(x) x##_halves_x8
#define NARROW_LANES 8
#define LANES 16
#define TILE_ROWS 6
#define ROW_PANELS 1
#define INTEGERS 0
#define WHOLE 1
#include "storage_steps_template.h"

/* Integers, by VNNI: six rows of bytes or words. */
#define UNSIGNED_VALUES (TERMS == 4)
#define I_LARGEST(v) _mm512_reduce_max_epi32(v)
#define I_STORE_BYTES(p, v) _mm_storeu_si128((__m128i *)(void *)(p), _mm512_cvtepi32_epi8(v))
#define I_STORE_WORDS(p, v) _mm256_storeu_si256((__m256i *)(void *)(p), _mm512_cvtepi32_epi16(v))
#undef BITS
#undef MASK
#undef vec_t

/* bytes: narrow panels of 8, whole panels of 16 */
#define I_GET_WEIGHT(to, p) I_VNNI_WEIGHT(to, p)
#define I_ADD_PRODUCTS(acc, value, weight, p) I_VNNI("", "vpdpbusd", acc, value, weight)
#define I_ADD_PRODUCTS_AT(acc, value, p) I_VNNI_AT("", "vpdpbusd", acc, value, p)
#define NAME(x) x##_bytes_x8
#define STEPS(x) x##_bytes_steps_x8
#define BITS 256
#define MASK __mmask8
#define vec_t __m256
#define ivec_t __m256i
#define LANES 8
#define TILE_ROWS 3
#define TERMS 4
#include "storage_template.h"

#undef BITS
#undef MASK
#undef vec_t
#undef ivec_t
#define NAME(x) x##_bytes_x16
#define STEPS(x) x##_bytes_steps_x16
#define BASE(x) x##_f32x16
#define ENTRY(x) x##_bytes
#define BASE_ENTRY(x) x##_f32
#define NARROW(x) x##_bytes_x8
#define NARROW_LANES 8
#define BITS 512
#define MASK __mmask16
#define vec_t __m512
#define ivec_t __m512i
#define LANES 16
#define TILE_ROWS 6
#define TERMS 4
#include "storage_template.h"

/* words */
#undef I_ADD_PRODUCTS
#undef I_ADD_PRODUCTS_AT
#undef BITS
#undef MASK
#undef vec_t
#undef ivec_t
#define I_ADD_PRODUCTS(acc, value, weight, p) I_VNNI("", "vpdpwssd", acc, value, weight)
#define I_ADD_PRODUCTS_AT(acc, value, p) I_VNNI_AT("", "vpdpwssd", acc, value, p)
#define NAME(x) x##_words_x8
#define STEPS(x) x##_words_steps_x8
#define BITS 256
#define MASK __mmask8
#define vec_t __m256
#define ivec_t __m256i
#define LANES 8
#define TILE_ROWS 3
#define TERMS 2
#include "storage_template.h"

#undef BITS
#undef MASK
#undef vec_t
#undef ivec_t
#define NAME(x) x##_words_x16
#define STEPS(x) x##_words_steps_x16
#define BASE(x) x##_f32x16
#define ENTRY(x) x##_words
#define BASE_ENTRY(x) x##_f32
#define NARROW(x) x##_words_x8
#define NARROW_LANES 8
#define BITS 512
#define MASK __mmask16
#define vec_t __m512
#define ivec_t __m512i
#define LANES 16
#define TILE_ROWS 6
#define TERMS 2
#include "storage_template.h"

/* Floats of 16 bits: the mask takes the last of 32 registers. */
#define LOW_HALVES(to, p)                                                                          \
    __asm__ volatile("vpslld $16, %1, %0" : "=" VECTOR(to) : HALVES_AT(p, 4 * LANES))
#define HIGH_HALVES(to, p, rows)                                                                   \
    __asm__ volatile("vpandd %1, %2, %0"                                                           \
                     : "=" VECTOR(to)                                                              \
                     : HALVES_AT(p, 4 * LANES), VECTOR(X86_INT(set1)((int)0xffff0000)))

#undef BITS
#undef MASK
#undef vec_t
#define GET_WEIGHT(to, term, vector, rows) V_GET_BFLOAT16(to, term, vector, rows)
#define FLOATS STORAGE_BFLOAT16
#define PACK storage_pack_bfloat16
#define NAME(x) x##_bf16x8
#define STEPS(x) x##_halves_x8
#define BITS 256
#define MASK __mmask8
#define vec_t __m256
#define LANES 8
#define TILE_ROWS 3
#define ROW_PANELS 1
#define TERMS 0
#include "storage_template.h"

#undef BITS
#undef MASK
#undef vec_t
#define GET_WEIGHT(to, term, vector, rows) V_GET_BFLOAT16(to, term, vector, rows)
#define FLOATS STORAGE_BFLOAT16
#define PACK storage_pack_bfloat16
#define NAME(x) x##_bf16x16
#define STEPS(x) x##_halves_x16
#define BASE(x) x##_f32x16
#define ENTRY(x) x##_bf16
#define BASE_ENTRY(x) x##_f32
#define NARROW(x) x##_bf16x8
#define NARROW_LANES 8
#define BITS 512
#define MASK __mmask16
#define vec_t __m512
#define LANES 16
#define TILE_ROWS 6
#define ROW_PANELS 1
#define TERMS 0
#include "storage_template.h"

#undef BITS
#undef MASK
#undef vec_t
#define GET_WEIGHT(to, term, vector, rows) V_GET_FLOAT16(to, term, vector)
#define FLOATS STORAGE_FLOAT16
#define PACK storage_pack_float16
#define NAME(x) x##_f16x8
#define STEPS(x) x##_halves_x8
#define BITS 256
#define MASK __mmask8
#define vec_t __m256
#define LANES 8
#define TILE_ROWS 3
#define ROW_PANELS 1
#define TERMS 0
#include "storage_template.h"

#undef BITS
#undef MASK
#undef vec_t
#define GET_WEIGHT(to, term, vector, rows) V_GET_FLOAT16(to, term, vector)
#define FLOATS STORAGE_FLOAT16
#define PACK storage_pack_float16
#define NAME(x) x##_f16x16
#define STEPS(x) x##_halves_x16
#define BASE(x) x##_f32x16
#define ENTRY(x) x##_f16
#define BASE_ENTRY(x) x##_f32
#define NARROW(x) x##_f16x8
#define NARROW_LANES 8
#define BITS 512
#define MASK __mmask16
#define vec_t __m512
#define LANES 16
#define TILE_ROWS 6
#define ROW_PANELS 1
#define TERMS 0
#include "storage_template.h"

const struct rnn_kernels *const avx512_vnni_storages[STORAGES] = {
    [STORAGE_INT8] = &int8_bytes,    [STORAGE_INT8_FAST] = &int8_fast_bytes,
    [STORAGE_INT16] = &int16_words,  [STORAGE_BFLOAT16] = &floats_bf16,
    [STORAGE_FLOAT16] = &floats_f16,
};

#endif

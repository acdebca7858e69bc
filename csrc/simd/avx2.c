/* AVX2 with FMA: 8 floats or 4 doubles, 16 registers. */
#include "levels.h"

#if PYLSTM_BUILD_X86

#include "compiler.h"
#include "halves_x86.h"
#include "integers_x86.h"
#include "vocabulary_x86.h"

#include <stdint.h>

#define TARGET __attribute__((target("avx2,fma")))
#define LEVEL "avx2"
#define VECTOR "x"
#define PRECOMPUTE_ROWS 4

#define V_ZERO_BELOW(x, limit, v) X86(andnot)(X86(cmp)(x, limit, _CMP_LT_OQ), v)
#define V_SELECT_REACHED(x, limit, a, b) X86(blendv)(b, a, X86(cmp)(x, limit, _CMP_GE_OQ))

/* A load of n lanes reads its mask from the middle of these. */
static const int32_t tail_f32[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
static const int64_t tail_f64[8] = {-1, -1, -1, -1};

INLINE TARGET __m256 load_part_f32(const float *p, ptrdiff_t n)
{
    return _mm256_maskload_ps(p, _mm256_loadu_si256((const __m256i *)(tail_f32 + 8 - n)));
}

INLINE TARGET __m256d load_part_f64(const double *p, ptrdiff_t n)
{
    return _mm256_maskload_pd(p, _mm256_loadu_si256((const __m256i *)(tail_f64 + 4 - n)));
}

/* In pieces: a masked store takes 18 and more micro-operations on AMD. */
INLINE TARGET void store_part_f32(float *p, __m256 v, ptrdiff_t n)
{
    __m128 low = _mm256_castps256_ps128(v);
    if (n & 4) {
        _mm_storeu_ps(p, low);
        low = _mm256_extractf128_ps(v, 1);
        p += 4;
    }
    if (n & 2) {
        _mm_storel_pi((__m64 *)p, low);
        low = _mm_movehl_ps(low, low);
        p += 2;
    }
    if (n & 1)
        _mm_store_ss(p, low);
}

INLINE TARGET void store_part_f64(double *p, __m256d v, ptrdiff_t n)
{
    __m128d low = _mm256_castpd256_pd128(v);
    if (n & 2) {
        _mm_storeu_pd(p, low);
        low = _mm256_extractf128_pd(v, 1);
        p += 2;
    }
    if (n & 1)
        _mm_store_sd(p, low);
}

/* Three rows of four accumulators, three values and one weight: exactly 16 registers. */
#define V_LOAD_PART(p, n) load_part_f32(p, n)
#define V_STORE_PART(p, v, n) store_part_f32(p, v, n)
#define NAME(x) x##_f32x8
#define ENTRY(x) x##_f32
#define BITS 256
#define SUFFIX ps
#define EPI epi32
#define vec_t __m256
#define REAL float
#define REAL_IS_FLOAT 1
#define LANES 8
#define TILE_ROWS 3
#define ROW_PANELS 2
#include "kernels_template.h"

#undef V_LOAD_PART
#undef V_STORE_PART
#undef SUFFIX
#undef EPI
#undef vec_t
#define V_LOAD_PART(p, n) load_part_f64(p, n)
#define V_STORE_PART(p, v, n) store_part_f64(p, v, n)
#define NAME(x) x##_f64x4
#define ENTRY(x) x##_f64
#define SUFFIX pd
#define EPI epi64
#define vec_t __m256d
#define REAL double
#define REAL_IS_FLOAT 0
#define LANES 4
#define TILE_ROWS 3
#define ROW_PANELS 2
#include "kernels_template.h"

const struct rnn_kernels *const avx2_kernels[DTYPE_COUNT] = {&kernels_f32, &kernels_f64};

INLINE TARGET int32_t largest(__m256i v)
{
    __m128i most = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(most, _mm_shuffle_epi32(most, 0xb1)));
}

/* The lanes as words, which they fit. */
INLINE TARGET __m128i to_words(__m256i v)
{
    return _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

/* The low bytes of the lanes, each of which is a byte with or without sign. */
INLINE TARGET void store_bytes(char *p, __m256i v)
{
    const __m128i words = _mm_and_si128(to_words(v), _mm_set1_epi16(0xff));
    _mm_storel_epi64((__m128i *)(void *)p, _mm_packus_epi16(words, words));
}

#define I_LARGEST(v) largest(v)
#define I_STORE_BYTES(p, v) store_bytes(p, v)
#define I_STORE_WORDS(p, v) _mm_storeu_si128((__m128i *)(void *)(p), to_words(v))
#undef V_LOAD_PART
#undef V_STORE_PART
#undef SUFFIX
#undef EPI
#undef vec_t
#define V_LOAD_PART(p, n) load_part_f32(p, n)
#define V_STORE_PART(p, v, n) store_part_f32(p, v, n)
#define SUFFIX ps
#define EPI epi32
#define vec_t __m256
#define ivec_t __m256i

#define NAME(x) x##_bytes_steps_x8
#define BASE(x) x##_f32x8
#define LANES 8
#define INTEGERS 1
#define TERMS 4
#define WHOLE 1
#include "storage_steps_template.h"

#define NAME(x) x##_words_steps_x8
#define BASE(x) x##_f32x8
#define LANES 8
#define INTEGERS 1
#define TERMS 2
#define WHOLE 1
#include "storage_steps_template.h"

#define NAME(x) x##_halves_x8
#define BASE(x) x##_f32x8
#define LANES 8
#define TILE_ROWS 3
#define ROW_PANELS 2
#define INTEGERS 0
#define WHOLE 1
#include "storage_steps_template.h"

/* Signed bytes within 127: the sum of two products fits a word. As text and from memory, since
 * compilers order the sums so that registers spill. */
#define UNSIGNED_VALUES 0
#define I_GET_WEIGHT(to, p) __asm__ volatile("vpabsb %1, %0" : "=x"(to) : I_WEIGHT_AT(p))
#define I_ADD_PRODUCTS(acc, value, weight, p)                                                      \
    do {                                                                                           \
        __m256i products;                                                                          \
        __asm__ volatile("vpsignb %4, %2, %1\n\tvpmaddubsw %1, %3, %1\n\t"                         \
                         "vpmaddwd %5, %1, %1\n\tvpaddd %1, %0, %0"                                \
                         : "+x"(acc), "=&x"(products)                                              \
                         : "x"(value), "x"(weight), I_WEIGHT_AT(p), "x"(_mm256_set1_epi16(1)));    \
    } while (0)
#define I_ADD_PRODUCTS_AT(acc, value, p)                                                           \
    do {                                                                                           \
        __m256i size;                                                                              \
        I_GET_WEIGHT(size, p);                                                                     \
        I_ADD_PRODUCTS(acc, value, size, p);                                                       \
    } while (0)
#define WORD_ROWS 1
#define I_BROADCAST_WORDS(p)                                                                       \
    _mm256_castpd_si256(_mm256_broadcast_sd((const double *)(const void *)(p)))
#define I_ADD_HALF(acc, words, p)                                                                  \
    do {                                                                                           \
        __m256i products;                                                                          \
        __asm__ volatile("vpmovsxbw %3, %1\n\tvpmaddwd %1, %2, %1\n\tvpaddd %1, %0, %0"            \
                         : "+x"(acc), "=&x"(products)                                              \
                         : "x"(words), "m"(*(const char (*)[16])(const void *)(p)));               \
    } while (0)
#define I_ADD_WORDS(low, high, words, p)                                                           \
    do {                                                                                           \
        I_ADD_HALF(low, words, p);                                                                 \
        I_ADD_HALF(high, words, (p) + 4);                                                          \
    } while (0)
#define I_JOIN_WORDS(low, high) _mm256_permute4x64_epi64(_mm256_hadd_epi32(low, high), 0xd8)
#define NAME(x) x##_bytes_x8
#define STEPS(x) x##_bytes_steps_x8
#define BASE(x) x##_f32x8
#define ENTRY(x) x##_bytes
#define BASE_ENTRY(x) x##_f32
#define LANES 8
#define TILE_ROWS 2
#define TERMS 4
#include "storage_template.h"

#undef I_GET_WEIGHT
#undef I_ADD_PRODUCTS
#undef I_ADD_PRODUCTS_AT
#define I_GET_WEIGHT(to, p) ((to) = I_ZERO)
#define I_ADD_PRODUCTS(acc, value, weight, p) I_ADD_PRODUCTS_AT(acc, value, p)
#define I_ADD_PRODUCTS_AT(acc, value, p)                                                           \
    do {                                                                                           \
        __m256i products;                                                                          \
        __asm__ volatile("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0"                                \
                         : "+x"(acc), "=&x"(products)                                              \
                         : "x"(value), I_WEIGHT_AT(p));                                            \
    } while (0)
#define NAME(x) x##_words_x8
#define STEPS(x) x##_words_steps_x8
#define BASE(x) x##_f32x8
#define ENTRY(x) x##_words
#define BASE_ENTRY(x) x##_f32
#define LANES 8
#define TILE_ROWS 3
#define TERMS 2
#include "storage_template.h"

/* AVX-VNNI */
#undef UNSIGNED_VALUES
#undef I_GET_WEIGHT
#undef I_ADD_PRODUCTS
#undef I_ADD_PRODUCTS_AT
#define UNSIGNED_VALUES 1
#define I_GET_WEIGHT(to, p) I_VNNI_WEIGHT(to, p)
#define I_ADD_PRODUCTS(acc, value, weight, p) I_VNNI("%{vex%} ", "vpdpbusd", acc, value, weight)
#define I_ADD_PRODUCTS_AT(acc, value, p) I_VNNI_AT("%{vex%} ", "vpdpbusd", acc, value, p)
#define NAME(x) x##_vnni_bytes_x8
#define STEPS(x) x##_bytes_steps_x8
#define BASE(x) x##_f32x8
#define ENTRY(x) x##_vnni_bytes
#define BASE_ENTRY(x) x##_f32
#define LANES 8
#define TILE_ROWS 3
#define TERMS 4
#include "storage_template.h"

#undef UNSIGNED_VALUES
#undef I_ADD_PRODUCTS
#undef I_ADD_PRODUCTS_AT
#define UNSIGNED_VALUES 0
#define I_ADD_PRODUCTS(acc, value, weight, p) I_VNNI("%{vex%} ", "vpdpwssd", acc, value, weight)
#define I_ADD_PRODUCTS_AT(acc, value, p) I_VNNI_AT("%{vex%} ", "vpdpwssd", acc, value, p)
#define NAME(x) x##_vnni_words_x8
#define STEPS(x) x##_words_steps_x8
#define BASE(x) x##_f32x8
#define ENTRY(x) x##_vnni_words
#define BASE_ENTRY(x) x##_f32
#define LANES 8
#define TILE_ROWS 3
#define TERMS 2
#include "storage_template.h"

/* Floats of 16 bits: the registers of floats, so that the mask is in memory. */
static const ALIGNED uint32_t high_halves[8] = {
    0xffff0000, 0xffff0000, 0xffff0000, 0xffff0000, 0xffff0000, 0xffff0000, 0xffff0000, 0xffff0000,
};
#define LOW_HALVES(to, p)                                                                          \
    __asm__ volatile("vmovdqa %1, %0\n\tvpslld $16, %0, %0"                                        \
                     : "=" VECTOR(to)                                                              \
                     : HALVES_AT(p, 4 * LANES))
#define HIGH_HALVES(to, p, rows)                                                                   \
    do {                                                                                           \
        if ((rows) < 3) /* a register is left for the mask */                                      \
            __asm__ volatile("vandps %1, %2, %0"                                                   \
                             : "=" VECTOR(to)                                                      \
                             : HALVES_AT(p, 4 * LANES),                                            \
                               VECTOR(_mm256_load_ps((const void *)high_halves)));                 \
        else                                                                                       \
            __asm__ volatile("vmovaps %1, %0\n\tvandps %2, %0, %0"                                 \
                             : "=" VECTOR(to)                                                      \
                             : HALVES_AT(p, 4 * LANES), "m"(high_halves));                         \
    } while (0)

#define GET_WEIGHT(to, term, vector, rows) V_GET_BFLOAT16(to, term, vector, rows)
#define FLOATS STORAGE_BFLOAT16
#define PACK storage_pack_bfloat16
#define NAME(x) x##_bf16x8
#define STEPS(x) x##_halves_x8
#define BASE(x) x##_f32x8
#define ENTRY(x) x##_bf16
#define BASE_ENTRY(x) x##_f32
#define LANES 8
#define TILE_ROWS 3
#define ROW_PANELS 2
#define TERMS 0
#include "storage_template.h"

#define GET_WEIGHT(to, term, vector, rows) V_GET_FLOAT16(to, term, vector)
#define FLOATS STORAGE_FLOAT16
#define PACK storage_pack_float16
#define NAME(x) x##_f16x8
#define STEPS(x) x##_halves_x8
#define BASE(x) x##_f32x8
#define ENTRY(x) x##_f16
#define BASE_ENTRY(x) x##_f32
#define LANES 8
#define TILE_ROWS 3
#define ROW_PANELS 2
#define TERMS 0
#include "storage_template.h"

const struct rnn_kernels *const avx2_storages[STORAGES] = {
    [STORAGE_INT8] = &int8_bytes,    [STORAGE_INT8_FAST] = &int8_fast_bytes,
    [STORAGE_INT16] = &int16_words,  [STORAGE_BFLOAT16] = &floats_bf16,
    [STORAGE_FLOAT16] = &floats_f16,
};

const struct rnn_kernels *const avx2_vnni_storages[STORAGES] = {
    [STORAGE_INT8] = &int8_vnni_bytes,   [STORAGE_INT8_FAST] = &int8_fast_vnni_bytes,
    [STORAGE_INT16] = &int16_vnni_words, [STORAGE_BFLOAT16] = &floats_bf16,
    [STORAGE_FLOAT16] = &floats_f16,
};

#endif

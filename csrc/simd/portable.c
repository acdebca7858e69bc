/* One lane, plain C: the reference that every other level must equal bit for bit. */
#include "compiler.h"
#include "fma_software.h"
#include "levels.h"

#include <stdint.h>
#include <string.h>

/* Out of line: in software they are some twenty and sixty instructions, in a hundred places. */
static NOINLINE float fused_f32(float a, float b, float c) { return fma_f32(a, b, c); }
static NOINLINE double fused_f64(double a, double b, double c) { return fma_f64(a, b, c); }

#define TARGET
#define LEVEL "portable"
#define PRECOMPUTE_ROWS 2

#define V_LOAD(p) (*(p))
#define V_LOAD_PART(p, n) ((void)(n), *(p))
#define V_STORE(p, v) ((void)(*(p) = (v)))
#define V_STORE_PART(p, v, n) ((void)(n), V_STORE(p, v))
#define V_LOAD_WEIGHT(p) (*(p))
#define V_BROADCAST(p) (*(p))
#define V_SET(c) ((vec_t)(c))
#define V_ADD(a, b) ((a) + (b))
#define V_SUB(a, b) ((a) - (b))
#define V_MUL(a, b) ((a) * (b))
#define V_DIV(a, b) ((a) / (b))
#define V_FNMA(a, b, c) V_FMA(-(a), b, c)
#define V_MIN(a, b) ((a) < (b) ? (a) : (b))
#define V_MAX(a, b) ((a) > (b) ? (a) : (b))
#define V_NEG(a) (-(a))
#define V_ACCUMULATE(acc, a, b) ((acc) = V_FMA(a, b, acc))
#define V_ACCUMULATE_WEIGHT(acc, a, p) V_ACCUMULATE(acc, a, *(p))
#define V_ZERO_BELOW(x, limit, v) ((x) < (limit) ? 0 : (v))
#define V_SELECT_REACHED(x, limit, a, b) ((x) >= (limit) ? (a) : (b))

/* v 2^n by exponent, from the low bits of n + MAGIC; the products wrap as vectors do. */
INLINE float scale_f32(float v, float shifted)
{
    uint32_t bits, n;
    memcpy(&bits, &v, sizeof bits);
    memcpy(&n, &shifted, sizeof n);
    bits += n << 23;
    memcpy(&v, &bits, sizeof v);
    return v;
}

INLINE double scale_f64(double v, double shifted)
{
    uint64_t bits, n;
    memcpy(&bits, &v, sizeof bits);
    memcpy(&n, &shifted, sizeof n);
    bits += n << 52;
    memcpy(&v, &bits, sizeof v);
    return v;
}

#define NAME(x) x##_f32x1
#define ENTRY(x) x##_f32
#define V_FMA(a, b, c) fused_f32(a, b, c)
#define V_ABS(a) __builtin_fabsf(a)
#define V_COPYSIGN(a, b) __builtin_copysignf(a, b)
#define V_SCALE(v, shifted, bits) scale_f32(v, shifted)
#define vec_t float
#define REAL float
#define REAL_IS_FLOAT 1
#define LANES 1
#define TILE_ROWS 1
#define ROW_PANELS 1
#include "kernels_template.h"

/* Steps of storages */
#define NAME(x) x##_integers_x1
#define BASE(x) x##_f32x1
#define LANES 1
#define INTEGERS 1
#define WHOLE 1
#include "storage_steps_template.h"

#define NAME(x) x##_halves_x1
#define BASE(x) x##_f32x1
#define LANES 1
#define TILE_ROWS 1
#define ROW_PANELS 1
#define INTEGERS 0
#define WHOLE 1
#include "storage_steps_template.h"

/* Integers: a lane is one element of four bytes, whose bytes or words are signed. */
INLINE int32_t load_element(const float *p)
{
    int32_t element;
    memcpy(&element, p, sizeof element);
    return element;
}

INLINE int32_t add_bytes(int32_t sum, int32_t value, int32_t weight)
{
    int8_t values[4], weights[4];
    memcpy(values, &value, sizeof values);
    memcpy(weights, &weight, sizeof weights);
    for (int i = 0; i < 4; i++)
        sum += values[i] * weights[i];
    return sum;
}

INLINE int32_t add_words(int32_t sum, int32_t value, int32_t weight)
{
    int16_t values[2], weights[2];
    memcpy(values, &value, sizeof values);
    memcpy(weights, &weight, sizeof weights);
    return sum + values[0] * weights[0] + values[1] * weights[1];
}

INLINE int32_t larger(int32_t a, int32_t b) { return a > b ? a : b; }

INLINE void store_word(char *p, int32_t q)
{
    const int16_t word = (int16_t)q;
    memcpy(p, &word, sizeof word);
}

#define UNSIGNED_VALUES 0
#define I_LARGEST(v) (v)
#define I_MOST(most, v) larger(most, storage_magnitude(v))
#define I_ZERO 0
#define I_LOAD(p) load_element(p)
#define I_BROADCAST(p) load_element(p)
#define I_ADD_PRODUCTS_AT(acc, value, p) I_ADD_PRODUCTS(acc, value, I_LOAD(p), p)
#define I_GET_WEIGHT(to, p) ((to) = I_LOAD(p))
#define I_ADD(a, b) ((a) + (b))
#define I_JOIN(high, low) (128 * (high) + (low))
#define I_TO_REAL(v) ((float)(v))
#define I_ROUND(v) storage_rint(v)
#define I_HIGH(v) (((v) + 64 + 8192) / 128 - 64)
#define I_LOW(v) ((v) - 128 * I_HIGH(v))
#define I_FLIP(v) (v)
#define I_STORE_BYTES(p, v) ((void)(*(p) = (char)(v)))
#define I_STORE_WORDS(p, v) store_word(p, v)
#define ivec_t int32_t

#define NAME(x) x##_bytes_x1
#define STEPS(x) x##_integers_x1
#define BASE(x) x##_f32x1
#define ENTRY(x) x##_bytes
#define BASE_ENTRY(x) x##_f32
#define I_ADD_PRODUCTS(acc, value, weight, p) ((acc) = add_bytes(acc, value, weight))
#define LANES 1
#define TILE_ROWS 1
#define TERMS 4
#include "storage_template.h"

#undef I_ADD_PRODUCTS
#define NAME(x) x##_words_x1
#define STEPS(x) x##_integers_x1
#define BASE(x) x##_f32x1
#define ENTRY(x) x##_words
#define BASE_ENTRY(x) x##_f32
#define I_ADD_PRODUCTS(acc, value, weight, p) ((acc) = add_words(acc, value, weight))
#define LANES 1
#define TILE_ROWS 1
#define TERMS 2
#include "storage_template.h"

/* Floats of 16 bits: with one lane the vectors of both storages stand one after the other. */
INLINE uint16_t half_at(const float *term, int vector)
{
    uint16_t half;
    memcpy(&half, (const char *)term + (size_t)vector * sizeof half, sizeof half);
    return half;
}

#define GET_WEIGHT(to, term, vector, rows) ((to) = storage_from_bfloat16(half_at(term, vector)))
#define FLOATS STORAGE_BFLOAT16
#define PACK storage_pack_bfloat16
#define NAME(x) x##_bf16x1
#define STEPS(x) x##_halves_x1
#define BASE(x) x##_f32x1
#define ENTRY(x) x##_bf16
#define BASE_ENTRY(x) x##_f32
#define LANES 1
#define TILE_ROWS 1
#define ROW_PANELS 1
#define TERMS 0
#include "storage_template.h"

#define GET_WEIGHT(to, term, vector, rows) ((to) = storage_from_float16(half_at(term, vector)))
#define FLOATS STORAGE_FLOAT16
#define PACK storage_pack_float16
#define NAME(x) x##_f16x1
#define STEPS(x) x##_halves_x1
#define BASE(x) x##_f32x1
#define ENTRY(x) x##_f16
#define BASE_ENTRY(x) x##_f32
#define LANES 1
#define TILE_ROWS 1
#define ROW_PANELS 1
#define TERMS 0
#include "storage_template.h"

#undef V_FMA
#undef V_ABS
#undef V_COPYSIGN
#undef V_SCALE
#undef vec_t
#define NAME(x) x##_f64x1
#define ENTRY(x) x##_f64
#define V_FMA(a, b, c) fused_f64(a, b, c)
#define V_ABS(a) __builtin_fabs(a)
#define V_COPYSIGN(a, b) __builtin_copysign(a, b)
#define V_SCALE(v, shifted, bits) scale_f64(v, shifted)
#define vec_t double
#define REAL double
#define REAL_IS_FLOAT 0
#define LANES 1
#define TILE_ROWS 1
#define ROW_PANELS 1
#include "kernels_template.h"

const struct rnn_kernels *const portable_kernels[DTYPE_COUNT] = {&kernels_f32, &kernels_f64};
const struct rnn_kernels *const portable_storages[STORAGES] = {
    [STORAGE_INT8] = &int8_bytes,    [STORAGE_INT8_FAST] = &int8_fast_bytes,
    [STORAGE_INT16] = &int16_words,  [STORAGE_BFLOAT16] = &floats_bf16,
    [STORAGE_FLOAT16] = &floats_f16,
};

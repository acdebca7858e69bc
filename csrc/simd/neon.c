/* NEON on AArch64: 4 floats or 2 doubles, 32 registers; always present there. */
#include "levels.h"

#if PYLSTM_BUILD_NEON

#include "compiler.h"

#include <arm_neon.h>

#define TARGET
#define LEVEL "neon"
#define PRECOMPUTE_ROWS 4

#define NEON_(op, suffix) op##_##suffix
#define NEON_CALL(op, suffix) NEON_(op, suffix)
#define NEON(op) NEON_CALL(op, SUFFIX)
#define NEON_INT(op) NEON_CALL(op, INT_SUFFIX)
#define NEON_BITS(op) NEON_CALL(op, BIT_SUFFIX)
#define NEON_CAST_(to, from) vreinterpretq_##to##_##from
#define NEON_CAST(to, from) NEON_CAST_(to, from)
#define TO_BITS(v) NEON_CAST(BIT_SUFFIX, SUFFIX)(v)
#define FROM_BITS(v) NEON_CAST(SUFFIX, BIT_SUFFIX)(v)

#define V_LOAD(p) NEON(vld1q)(p)
#define V_STORE(p, v) NEON(vst1q)(p, v)
#define V_LOAD_WEIGHT(p) NEON(vld1q)(p)
#define V_BROADCAST(p) NEON(vld1q_dup)(p)
#define V_SET(c) NEON(vdupq_n)(c)
#define V_ADD(a, b) NEON(vaddq)(a, b)
#define V_SUB(a, b) NEON(vsubq)(a, b)
#define V_MUL(a, b) NEON(vmulq)(a, b)
#define V_DIV(a, b) NEON(vdivq)(a, b)
#define V_FMA(a, b, c) NEON(vfmaq)(c, a, b)
#define V_FNMA(a, b, c) NEON(vfmsq)(c, a, b)
#define V_ACCUMULATE(acc, a, b) ((acc) = NEON(vfmaq)(acc, a, b))
#define V_ACCUMULATE_WEIGHT(acc, a, p) V_ACCUMULATE(acc, a, V_LOAD_WEIGHT(p))
#define V_MIN(a, b) NEON(vminq)(a, b) /* a NaN in either operand stays */
#define V_MAX(a, b) NEON(vmaxq)(a, b)
#define V_NEG(a) NEON(vnegq)(a)
#define V_ABS(a) NEON(vabsq)(a)
#define V_COPYSIGN(a, b)                                                                           \
    FROM_BITS(                                                                                     \
        NEON_BITS(vorrq)(TO_BITS(a), NEON_BITS(vandq)(TO_BITS(b), TO_BITS(V_SET((REAL) - 0.0)))))
#define V_SCALE(v, shifted, bits)                                                                  \
    FROM_BITS(NEON_BITS(vaddq)(NEON_BITS(vshlq_n)(TO_BITS(shifted), bits), TO_BITS(v)))
#define V_ZERO_BELOW(x, limit, v) FROM_BITS(NEON_BITS(vbicq)(TO_BITS(v), NEON(vcltq)(x, limit)))
#define V_SELECT_REACHED(x, limit, a, b) NEON(vbslq)(NEON(vcgeq)(x, limit), a, b)
#define V_LOAD_ROWS(p, stride) ((void)(stride), V_LOAD(p))
#define V_ZIP_LOW(a, b) NEON(vzip1q)(a, b)
#define V_ZIP_HIGH(a, b) NEON(vzip2q)(a, b)
#define V_DIFFERENCE(bits, v, p)                                                                   \
    FROM_BITS(NEON_BITS(vorrq)(TO_BITS(bits), NEON_BITS(veorq)(TO_BITS(v), TO_BITS(V_LOAD(p)))))
#define V_ANY_BIT(bits) (vmaxvq_u32(NEON_CAST(u32, SUFFIX)(bits)) != 0)

INLINE float32x4_t load_part_f32(const float *p, ptrdiff_t n)
{
    float32x4_t v = vdupq_n_f32(0.0F);
    v = vld1q_lane_f32(p, v, 0);
    if (n > 1)
        v = vld1q_lane_f32(p + 1, v, 1);
    if (n > 2)
        v = vld1q_lane_f32(p + 2, v, 2);
    return v;
}

INLINE void store_part_f32(float *p, float32x4_t v, ptrdiff_t n)
{
    vst1q_lane_f32(p, v, 0);
    if (n > 1)
        vst1q_lane_f32(p + 1, v, 1);
    if (n > 2)
        vst1q_lane_f32(p + 2, v, 2);
}

/* Six rows of four accumulators, six values, one weight: 31 of 32 registers. */
#define SUFFIX f32
#define BIT_SUFFIX u32
#define V_LOAD_PART(p, n) load_part_f32(p, n)
#define V_STORE_PART(p, v, n) store_part_f32(p, v, n)
#define NAME(x) x##_f32x4
#define ENTRY(x) x##_f32
#define vec_t float32x4_t
#define REAL float
#define REAL_IS_FLOAT 1
#define LANES 4
#define TILE_ROWS 6
#define ROW_PANELS 4
#include "kernels_template.h"

#undef SUFFIX
#undef BIT_SUFFIX
#undef V_LOAD_PART
#undef V_STORE_PART
#undef vec_t
#define SUFFIX f64
#define BIT_SUFFIX u64
#define V_LOAD_PART(p, n) ((void)(n), vld1q_lane_f64(p, vdupq_n_f64(0.0), 0))
#define V_STORE_PART(p, v, n) ((void)(n), vst1q_lane_f64(p, v, 0))
#define NAME(x) x##_f64x2
#define ENTRY(x) x##_f64
#define vec_t float64x2_t
#define REAL double
#define REAL_IS_FLOAT 0
#define LANES 2
#define TILE_ROWS 6
#define ROW_PANELS 4
#include "kernels_template.h"

const struct rnn_kernels *const neon_kernels[DTYPE_COUNT] = {&kernels_f32, &kernels_f64};

/* acc += value * weight of signed bytes, and of words. */
INLINE int32x4_t add_bytes(int32x4_t acc, int32x4_t value, int32x4_t weight)
{
    const int8x16_t v = vreinterpretq_s8_s32(value), w = vreinterpretq_s8_s32(weight);
    const int16x8_t low = vmull_s8(vget_low_s8(v), vget_low_s8(w)), high = vmull_high_s8(v, w);
    return vaddq_s32(acc, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
}

INLINE int32x4_t add_words(int32x4_t acc, int32x4_t value, int32x4_t weight)
{
    const int16x8_t v = vreinterpretq_s16_s32(value), w = vreinterpretq_s16_s32(weight);
    const int32x4_t low = vmull_s16(vget_low_s16(v), vget_low_s16(w)), high = vmull_high_s16(v, w);
    return vaddq_s32(acc, vpaddq_s32(low, high));
}

INLINE void store_bytes(char *p, int32x4_t v)
{
    const int16x4_t words = vmovn_s32(v);
    const int8x8_t bytes = vmovn_s16(vcombine_s16(words, words));
    memcpy(p, &bytes, 4);
}

#define UNSIGNED_VALUES 0
#define I_LARGEST(v) vmaxvq_s32(v)
#define I_MOST(most, v) vmaxq_s32(most, vreinterpretq_s32_f32(vabsq_f32(v)))
#define I_ZERO vdupq_n_s32(0)
#define I_LOAD(p) vld1q_s32((const int32_t *)(const void *)(p))
#define I_BROADCAST(p) vld1q_dup_s32((const int32_t *)(const void *)(p))
#define I_ADD_PRODUCTS_AT(acc, value, p) I_ADD_PRODUCTS(acc, value, I_LOAD(p), p)
#define I_GET_WEIGHT(to, p) ((to) = I_LOAD(p))
#define I_ADD(a, b) vaddq_s32(a, b)
#define I_JOIN(high, low) vaddq_s32(vshlq_n_s32(high, 7), low)
#define I_TO_REAL(v) vcvtq_f32_s32(v)
#define I_ROUND(v) vcvtnq_s32_f32(v)
#define I_HIGH(v) vshrq_n_s32(vaddq_s32(v, vdupq_n_s32(64)), 7)
#define I_LOW(v) vsubq_s32(v, vshlq_n_s32(I_HIGH(v), 7))
#define I_FLIP(v) (v)
#define I_STORE_BYTES(p, v) store_bytes(p, v)
#define I_STORE_WORDS(p, v) vst1_s16((int16_t *)(void *)(p), vmovn_s32(v))
#define ivec_t int32x4_t
#undef SUFFIX
#undef BIT_SUFFIX
#undef V_LOAD_PART
#undef V_STORE_PART
#undef vec_t
#define SUFFIX f32
#define BIT_SUFFIX u32
#define V_LOAD_PART(p, n) load_part_f32(p, n)
#define V_STORE_PART(p, v, n) store_part_f32(p, v, n)
#define vec_t float32x4_t

#define NAME(x) x##_bytes_steps_x4
#define BASE(x) x##_f32x4
#define LANES 4
#define INTEGERS 1
#define TERMS 4
#define WHOLE 1
#include "storage_steps_template.h"

#define NAME(x) x##_words_steps_x4
#define BASE(x) x##_f32x4
#define LANES 4
#define INTEGERS 1
#define TERMS 2
#define WHOLE 1
#include "storage_steps_template.h"

#define NAME(x) x##_halves_x4
#define BASE(x) x##_f32x4
#define LANES 4
#define TILE_ROWS 6
#define ROW_PANELS 4
#define INTEGERS 0
#define WHOLE 1
#include "storage_steps_template.h"

#define I_ADD_PRODUCTS(acc, value, weight, p) ((acc) = add_bytes(acc, value, weight))
#define NAME(x) x##_bytes_x4
#define STEPS(x) x##_bytes_steps_x4
#define BASE(x) x##_f32x4
#define ENTRY(x) x##_bytes
#define BASE_ENTRY(x) x##_f32
#define LANES 4
#define TILE_ROWS 6
#define TERMS 4
#include "storage_template.h"

#undef I_ADD_PRODUCTS
#define I_ADD_PRODUCTS(acc, value, weight, p) ((acc) = add_words(acc, value, weight))
#define NAME(x) x##_words_x4
#define STEPS(x) x##_words_steps_x4
#define BASE(x) x##_f32x4
#define ENTRY(x) x##_words
#define BASE_ENTRY(x) x##_f32
#define LANES 4
#define TILE_ROWS 6
#define TERMS 2
#include "storage_template.h"

/* As text, which needs no target attribute: compilers spell those in several ways. */
#undef I_ADD_PRODUCTS
#define I_ADD_PRODUCTS(acc, value, weight, p)                                                      \
    __asm__(".arch armv8.2-a+dotprod\n\tsdot %0.4s, %1.16b, %2.16b"                                \
            : "+w"(acc)                                                                            \
            : "w"(value), "w"(weight))
#define NAME(x) x##_dot_bytes_x4
#define STEPS(x) x##_bytes_steps_x4
#define BASE(x) x##_f32x4
#define ENTRY(x) x##_dot_bytes
#define BASE_ENTRY(x) x##_f32
#define LANES 4
#define TILE_ROWS 6
#define TERMS 4
#include "storage_template.h"

/* Floats of 16 bits. Of bfloat16 an element holds a lane of an even vector below that of the odd one. */
INLINE float32x4_t get_bfloat16(const float *term, const int vector)
{
    const uint32x4_t pair = vld1q_u32((const uint32_t *)(const void *)(term + vector / 2 * 4));
    return vreinterpretq_f32_u32(vector % 2 ? vandq_u32(pair, vdupq_n_u32(0xffff0000))
                                            : vshlq_n_u32(pair, 16));
}

INLINE float32x4_t get_float16(const float *term, const int vector)
{
    const uint16x4_t halves = vld1_u16((const uint16_t *)(const void *)(term + vector * 2));
    return vcvt_f32_f16(vreinterpret_f16_u16(halves));
}

#define GET_WEIGHT(to, term, vector, rows) ((to) = get_bfloat16(term, vector))
#define FLOATS STORAGE_BFLOAT16
#define PACK storage_pack_bfloat16
#define NAME(x) x##_bf16x4
#define STEPS(x) x##_halves_x4
#define BASE(x) x##_f32x4
#define ENTRY(x) x##_bf16
#define BASE_ENTRY(x) x##_f32
#define LANES 4
#define TILE_ROWS 6
#define ROW_PANELS 4
#define TERMS 0
#include "storage_template.h"

#define GET_WEIGHT(to, term, vector, rows) ((to) = get_float16(term, vector))
#define FLOATS STORAGE_FLOAT16
#define PACK storage_pack_float16
#define NAME(x) x##_f16x4
#define STEPS(x) x##_halves_x4
#define BASE(x) x##_f32x4
#define ENTRY(x) x##_f16
#define BASE_ENTRY(x) x##_f32
#define LANES 4
#define TILE_ROWS 6
#define ROW_PANELS 4
#define TERMS 0
#include "storage_template.h"

const struct rnn_kernels *const neon_storages[STORAGES] = {
    [STORAGE_INT8] = &int8_bytes,    [STORAGE_INT8_FAST] = &int8_fast_bytes,
    [STORAGE_INT16] = &int16_words,  [STORAGE_BFLOAT16] = &floats_bf16,
    [STORAGE_FLOAT16] = &floats_f16,
};

const struct rnn_kernels *const neon_dotprod_storages[STORAGES] = {
    [STORAGE_INT8] = &int8_dot_bytes, [STORAGE_INT8_FAST] = &int8_fast_dot_bytes,
    [STORAGE_INT16] = &int16_words,   [STORAGE_BFLOAT16] = &floats_bf16,
    [STORAGE_FLOAT16] = &floats_f16,
};

#endif

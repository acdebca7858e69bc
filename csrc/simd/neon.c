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

#endif

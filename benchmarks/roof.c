/* The two roofs of an LSTM: a loop of nothing but fused multiply-adds, and a loop of nothing
 * but loads, for each instruction set and dtype. roof.py builds this file at run time with the
 * system's compiler and calls it through ctypes. */
#include <stddef.h>
#include <stdint.h>

enum level { LEVEL_NONE, LEVEL_AVX2, LEVEL_AVX512, LEVEL_NEON };

static volatile double sink;

#if defined(__x86_64__)
#include <immintrin.h>

/* Ten chains hide five cycles of latency on two units; AVX2 has sixteen registers in all. */
#define TARGET __attribute__((target("avx2,fma")))
#define CHAINS 10

#define LOOP(what) avx2_f32_##what
#define SCALAR float
#define VECTOR __m256
#define V_SET _mm256_set1_ps
#define V_FMA _mm256_fmadd_ps
#define V_LOAD _mm256_load_ps
#define V_FIRST _mm256_cvtss_f32
#define V_REGISTER "x"
#include "roof_template.h"

#define LOOP(what) avx2_f64_##what
#define SCALAR double
#define VECTOR __m256d
#define V_SET _mm256_set1_pd
#define V_FMA _mm256_fmadd_pd
#define V_LOAD _mm256_load_pd
#define V_FIRST _mm256_cvtsd_f64
#define V_REGISTER "x"
#include "roof_template.h"

#undef TARGET
#undef CHAINS
#define TARGET __attribute__((target("avx512f")))
#define CHAINS 16

#define LOOP(what) avx512_f32_##what
#define SCALAR float
#define VECTOR __m512
#define V_SET _mm512_set1_ps
#define V_FMA _mm512_fmadd_ps
#define V_LOAD _mm512_load_ps
#define V_FIRST _mm512_cvtss_f32
#define V_REGISTER "v"
#include "roof_template.h"

#define LOOP(what) avx512_f64_##what
#define SCALAR double
#define VECTOR __m512d
#define V_SET _mm512_set1_pd
#define V_FMA _mm512_fmadd_pd
#define V_LOAD _mm512_load_pd
#define V_FIRST _mm512_cvtsd_f64
#define V_REGISTER "v"
#include "roof_template.h"

#elif defined(__aarch64__)
#include <arm_neon.h>

#define TARGET
#define CHAINS 16
/* vfmaq takes the addend first. */
#define V_FMA_F32(a, b, c) vfmaq_f32(c, a, b)
#define V_FMA_F64(a, b, c) vfmaq_f64(c, a, b)
#define V_FIRST_F32(v) vgetq_lane_f32(v, 0)
#define V_FIRST_F64(v) vgetq_lane_f64(v, 0)

#define LOOP(what) neon_f32_##what
#define SCALAR float
#define VECTOR float32x4_t
#define V_SET vdupq_n_f32
#define V_FMA V_FMA_F32
#define V_LOAD vld1q_f32
#define V_FIRST V_FIRST_F32
#define V_REGISTER "w"
#include "roof_template.h"

#define LOOP(what) neon_f64_##what
#define SCALAR double
#define VECTOR float64x2_t
#define V_SET vdupq_n_f64
#define V_FMA V_FMA_F64
#define V_LOAD vld1q_f64
#define V_FIRST V_FIRST_F64
#define V_REGISTER "w"
#include "roof_template.h"
#endif

/* The best level of this machine, one of enum level. */
int roof_best_level(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        return LEVEL_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return LEVEL_AVX2;
#elif defined(__aarch64__)
    return LEVEL_NEON;
#endif
    return LEVEL_NONE;
}

/* Runs "rounds" rounds of the multiply-add loop and returns its floating-point operations,
 * 0 where the level is not in this build. */
double roof_fma(int level, int is_double, int64_t rounds)
{
#if defined(__x86_64__)
    if (level == LEVEL_AVX2)
        return is_double ? avx2_f64_fma(rounds) : avx2_f32_fma(rounds);
    if (level == LEVEL_AVX512)
        return is_double ? avx512_f64_fma(rounds) : avx512_f32_fma(rounds);
#elif defined(__aarch64__)
    if (level == LEVEL_NEON)
        return is_double ? neon_f64_fma(rounds) : neon_f32_fma(rounds);
#endif
    return 0;
}

/* Loads "bytes" bytes from the 64-byte aligned "base" into registers, "passes" times. Returns
 * the bytes loaded, 0 where the level is not in this build. */
double roof_load(int level, const void *base, int64_t bytes, int64_t passes)
{
#if defined(__x86_64__)
    if (level == LEVEL_AVX2)
        return avx2_f32_load(base, bytes, passes);
    if (level == LEVEL_AVX512)
        return avx512_f32_load(base, bytes, passes);
#elif defined(__aarch64__)
    if (level == LEVEL_NEON)
        return neon_f32_load(base, bytes, passes);
#endif
    return 0;
}

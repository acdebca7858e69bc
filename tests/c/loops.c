#include "loops.h"

#include "../../csrc/simd/compiler.h"
#include "../../csrc/simd/fma_software.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define KEEP(v) __asm__ volatile("" : "+x"(v))
#elif defined(__aarch64__)
#include <arm_neon.h>
#define KEEP(v) __asm__ volatile("" : "+w"(v))
#else
#define KEEP(v) ((void)(v))
#endif

/* Portable: the arithmetic of portable.c, one value at a time. */
#define NAME(x) x##_portable_f32
#define TARGET
#define VEC float
#define LANES 1
#define V_SET(c) (c)
#define V_FMA(a, b, c) fma_f32(a, b, c)
#define V_LOAD(p) (*(const float *)(const void *)(p))
#include "loops_template.h"

#define NAME(x) x##_portable_f64
#define TARGET
#define VEC double
#define LANES 1
#define V_SET(c) ((double)(c))
#define V_FMA(a, b, c) fma_f64(a, b, c)
#define V_LOAD(p) (*(const double *)(const void *)(p))
#include "loops_template.h"

#if defined(__x86_64__)

#define NAME(x) x##_avx2_f32
#define TARGET __attribute__((target("avx2,fma")))
#define VEC __m256
#define LANES 8
#define V_SET(c) _mm256_set1_ps(c)
#define V_FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define V_LOAD(p) _mm256_load_ps((const float *)(const void *)(p))
#include "loops_template.h"

#define NAME(x) x##_avx2_f64
#define TARGET __attribute__((target("avx2,fma")))
#define VEC __m256d
#define LANES 4
#define V_SET(c) _mm256_set1_pd((double)(c))
#define V_FMA(a, b, c) _mm256_fmadd_pd(a, b, c)
#define V_LOAD(p) _mm256_load_pd((const double *)(const void *)(p))
#include "loops_template.h"

#define NAME(x) x##_avx512_f32
#define TARGET __attribute__((target("avx512f")))
#define VEC __m512
#define LANES 16
#define V_SET(c) _mm512_set1_ps(c)
#define V_FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define V_LOAD(p) _mm512_load_ps((const float *)(const void *)(p))
#include "loops_template.h"

#define NAME(x) x##_avx512_f64
#define TARGET __attribute__((target("avx512f")))
#define VEC __m512d
#define LANES 8
#define V_SET(c) _mm512_set1_pd((double)(c))
#define V_FMA(a, b, c) _mm512_fmadd_pd(a, b, c)
#define V_LOAD(p) _mm512_load_pd((const double *)(const void *)(p))
#include "loops_template.h"

#elif defined(__aarch64__)

#define NAME(x) x##_neon_f32
#define TARGET
#define VEC float32x4_t
#define LANES 4
#define V_SET(c) vdupq_n_f32(c)
#define V_FMA(a, b, c) vfmaq_f32(c, a, b)
#define V_LOAD(p) vld1q_f32((const float *)(const void *)(p))
#include "loops_template.h"

#define NAME(x) x##_neon_f64
#define TARGET
#define VEC float64x2_t
#define LANES 2
#define V_SET(c) vdupq_n_f64((double)(c))
#define V_FMA(a, b, c) vfmaq_f64(c, a, b)
#define V_LOAD(p) vld1q_f64((const double *)(const void *)(p))
#include "loops_template.h"

#endif

static const struct loops all[] = {
    {"portable", DTYPE_FLOAT32, fma_portable_f32, load_portable_f32},
    {"portable", DTYPE_FLOAT64, fma_portable_f64, load_portable_f64},
#if defined(__x86_64__)
    {"avx2", DTYPE_FLOAT32, fma_avx2_f32, load_avx2_f32},
    {"avx2", DTYPE_FLOAT64, fma_avx2_f64, load_avx2_f64},
    {"avx512", DTYPE_FLOAT32, fma_avx512_f32, load_avx512_f32},
    {"avx512", DTYPE_FLOAT64, fma_avx512_f64, load_avx512_f64},
#elif defined(__aarch64__)
    {"neon", DTYPE_FLOAT32, fma_neon_f32, load_neon_f32},
    {"neon", DTYPE_FLOAT64, fma_neon_f64, load_neon_f64},
#endif
};

const struct loops *loops_for(const char *level, enum dtype dtype)
{
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strcmp(all[i].level, level) == 0 && all[i].dtype == dtype) {
            return &all[i];
        }
    }
    return NULL;
}

/* What the kernels ask of the compiler. */
#ifndef PYLSTM_SIMD_COMPILER_H
#define PYLSTM_SIMD_COMPILER_H

#include <float.h>

#if FLT_EVAL_METHOD != 0
#error "pylstm needs float and double arithmetic without excess precision (FLT_EVAL_METHOD 0)"
#endif

#if defined(__GNUC__) || defined(__clang__)
#ifdef PYLSTM_COVERAGE /* lines and branches count once, not once for every place of a call */
#define INLINE static __attribute__((unused))
#else
#define INLINE static inline __attribute__((always_inline, unused))
#endif
/* Aligned to 32 bytes, so that the speed of a kernel depends little on the code that lies before it.
 * Without, 8 rows of hidden 20 lose 4 %, and with 64 bytes as well (python -m benchmarks.before). */
#if defined(__clang__)
#define NOINLINE __attribute__((noinline, unused, aligned(32)))
#else
#define NOINLINE                                                                                   \
    __attribute__((noinline, noclone, unused, aligned(32))) /* clones would only cost size */
#endif
#else
#define INLINE static inline
#define NOINLINE
#endif
#define ALIGNED _Alignas(64)

#define CACHE_LINE 64
/* Prefetches the cache line at p, which may lie outside of any object. */
#if defined(__GNUC__) || defined(__clang__)
#define PREFETCH(p) __builtin_prefetch(p)
#else
#define PREFETCH(p) ((void)(p))
#endif

/* For functions that are long chains of operations side by side. gcc does better where it puts them
 * in order before it hands out registers (batch 1 on AVX2: 3 to 5 %); it would spill the register
 * tiles if it did so for them. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)
#define CHAINED __attribute__((optimize("schedule-insns", "sched-pressure")))
#else
#define CHAINED
#endif

/* For functions that are small beside what they call: half as much code. */
#if defined(__GNUC__) && !defined(__clang__)
#define SHORT __attribute__((optimize("Os")))
#else
#define SHORT
#endif

/* For loops over constants, whose arrays must become registers. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define UNROLL _Pragma("GCC unroll 32")
#else
#define UNROLL
#endif

/* Keeps one pointer that moves, where gcc would keep every address that it ever takes: they do not
 * fit the registers. */
#if defined(__GNUC__)
#define PIN_POINTER(p) __asm__("" : "+r"(p))
#else
#define PIN_POINTER(p) ((void)(p))
#endif

#endif

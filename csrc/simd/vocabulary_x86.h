// clang-format Language: C
/* The words that AVX2 and AVX-512 share, for 256 and 512 bits, float and double.
 *
 * They expand where they are used, so each instance sets before the template is included:
 *   BITS     256 or 512
 *   SUFFIX   ps or pd
 *   EPI      epi32 or epi64, the integers of that width
 *   VECTOR   "x" (16 registers) or "v" (32), the asm constraint
 * Tails and selections differ between the two (vector masks, mask registers) and stand in
 * avx2.c and avx512.c.
 */
#ifndef PYLSTM_SIMD_VOCABULARY_X86_H
#define PYLSTM_SIMD_VOCABULARY_X86_H

#include <immintrin.h>
#if defined(_MSC_VER) && defined(__clang__)
/* clang-cl leaves out of it what the whole file may not use. Each needs those before it. */
/* clang-format off */
#include <smmintrin.h>
#include <avxintrin.h>
#include <avx2intrin.h>
#include <fmaintrin.h>
#include <avx512fintrin.h>
#include <avx512bwintrin.h>
#include <avx512dqintrin.h>
#include <avx512vlintrin.h>
#include <avx512vlbwintrin.h>
#include <avx512vldqintrin.h>
/* clang-format on */
#endif

#define X86_NAME_(bits, op, suffix) _mm##bits##_##op##_##suffix
#define X86_NAME(bits, op, suffix) X86_NAME_(bits, op, suffix)
#define X86_CAST_(bits, from, to) _mm##bits##_cast##from##_##to
#define X86_CAST(bits, from, to) X86_CAST_(bits, from, to)
#define X86_SI_(bits) si##bits
#define X86_SI(bits) X86_SI_(bits)
#define X86(op) X86_NAME(BITS, op, SUFFIX)
#define X86_INT(op) X86_NAME(BITS, op, EPI)
#define X86_TO_INT X86_CAST(BITS, SUFFIX, X86_SI(BITS))
#define X86_FROM_INT X86_CAST(BITS, X86_SI(BITS), SUFFIX)
#define X86_TEXT_(text) #text
#define X86_TEXT(text) X86_TEXT_(text)

#define V_LOAD(p) X86(loadu)(p)
#define V_STORE(p, v) X86(storeu)(p, v)
#define V_LOAD_WEIGHT(p) X86(load)(p)
#define V_BROADCAST(p) X86(set1)(*(p))
#define V_SET(c) X86(set1)(c)
#define V_ADD(a, b) X86(add)(a, b)
#define V_SUB(a, b) X86(sub)(a, b)
#define V_MUL(a, b) X86(mul)(a, b)
#define V_DIV(a, b) X86(div)(a, b)
#define V_FMA(a, b, c) X86(fmadd)(a, b, c)
#define V_FNMA(a, b, c) X86(fnmadd)(a, b, c)
#define V_MIN(a, b) X86(min)(a, b)
#define V_MAX(a, b) X86(max)(a, b)
#define V_SIGN X86(set1)((REAL) - 0.0)
#define V_NEG(a) X86(xor)(a, V_SIGN)
#define V_ABS(a) X86(andnot)(V_SIGN, a)
#define V_COPYSIGN(a, b) X86(or)(a, X86(and)(b, V_SIGN))
#define V_SCALE(v, shifted, bits)                                                                  \
    X86_FROM_INT(X86_INT(add)(X86_INT(slli)(X86_TO_INT(shifted), bits), X86_TO_INT(v)))

/* acc += a * b. As text, because gcc 12 otherwise picks the forms that overwrite the weight
 * register and spills accumulators inside the loop (61 against 97 GFLOP/s on AVX2). */
#if defined(__GNUC__)
#define V_ACCUMULATE(acc, a, b)                                                                    \
    __asm__("vfmadd231" X86_TEXT(SUFFIX) " %2, %1, %0" : "+" VECTOR(acc) : VECTOR(a), VECTOR(b))
#define V_ACCUMULATE_WEIGHT(acc, a, p)                                                             \
    __asm__("vfmadd231" X86_TEXT(SUFFIX) " %2, %1, %0"                                             \
            : "+" VECTOR(acc)                                                                      \
            : VECTOR(a), "m"(*(const vec_t *)(p)))
#else
#define V_ACCUMULATE(acc, a, b) ((acc) = V_FMA(a, b, acc))
#define V_ACCUMULATE_WEIGHT(acc, a, p) V_ACCUMULATE(acc, a, V_LOAD_WEIGHT(p))
#endif

#endif

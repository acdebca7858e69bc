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
#define V_ZIP_LOW(a, b) X86(unpacklo)(a, b)
#define V_ZIP_HIGH(a, b) X86(unpackhi)(a, b)
#define V_DIFFERENCE(bits, v, p) X86(or)(bits, X86(xor)(v, V_LOAD_WEIGHT(p)))

/* INSERT puts 128 bits into one part of a vector; ps and pd have names of their own for it. */
#define X86_PART(p) X86_NAME(, loadu, SUFFIX)(p)
#define X86_WIDEN_(bits, suffix) _mm##bits##_cast##suffix##128_##suffix##bits
#define X86_WIDEN(bits, suffix) X86_WIDEN_(bits, suffix)
#define INSERT_256_ps _mm256_insertf128_ps
#define INSERT_256_pd _mm256_insertf128_pd
#define INSERT_512_ps _mm512_insertf32x4
#define INSERT_512_pd _mm512_insertf64x2
#define INSERT_(bits, suffix) INSERT_##bits##_##suffix
#define INSERT_NAME(bits, suffix) INSERT_(bits, suffix)
#define INSERT(v, p, part) INSERT_NAME(BITS, SUFFIX)(v, X86_PART(p), part)
#define LOAD_ROWS_256(p, stride)                                                                   \
    INSERT(X86_WIDEN(BITS, SUFFIX)(X86_PART(p)), (p) + QUAD * (stride), 1)
#define LOAD_ROWS_512(p, stride)                                                                   \
    INSERT(INSERT(LOAD_ROWS_256(p, stride), (p) + 2 * QUAD * (stride), 2),                         \
           (p) + 3 * QUAD * (stride), 3)
#define ANY_BIT_256(bits) (!_mm256_testz_si256(X86_TO_INT(bits), X86_TO_INT(bits)))
#define ANY_BIT_512(bits) (_mm512_test_epi64_mask(X86_TO_INT(bits), X86_TO_INT(bits)) != 0)
#define OF_BITS_(name, bits) name##_##bits
#define OF_BITS(name, bits) OF_BITS_(name, bits)
#define V_LOAD_ROWS(p, stride) OF_BITS(LOAD_ROWS, BITS)(p, stride)
#define V_ANY_BIT(bits) OF_BITS(ANY_BIT, BITS)(bits)

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

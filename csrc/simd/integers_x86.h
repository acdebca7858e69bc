// clang-format Language: C
/* The words of integer weights that AVX2 and AVX-512 share, beside those of vocabulary_x86.h, whose
 * parameters these have too. Multiplications differ, and stand in avx2.c and avx512.c.
 */
#ifndef PYLSTM_SIMD_INTEGERS_X86_H
#define PYLSTM_SIMD_INTEGERS_X86_H

#include "vocabulary_x86.h"

#define I_X86(op) X86_NAME(BITS, op, epi32)
#define I_X86_BITS(op) X86_NAME(BITS, op, X86_SI(BITS))
#define I_ZERO X86_NAME(BITS, setzero, X86_SI(BITS))()
#define I_LOAD(p) I_X86_BITS(load)((const void *)(p))
#define I_BROADCAST(p) X86_TO_INT(X86(set1)(*(p)))
#define I_ADD(a, b) I_X86(add)(a, b)
#define I_JOIN(high, low) I_X86(add)(I_X86(slli)(high, 7), low)
#define I_TO_REAL(v) X86_NAME(BITS, cvtepi32, ps)(v)
#define I_MOST(most, v) I_X86(max)(most, X86_TO_INT(V_ABS(v)))
#define I_ROUND(v) X86_NAME(BITS, cvtps, epi32)(v)
#define I_HIGH(v) I_X86(srai)(I_X86(add)(v, I_X86(set1)(64)), 7)
#define I_LOW(v) I_X86(sub)(v, I_X86(slli)(I_HIGH(v), 7))
#define I_FLIP(v) (UNSIGNED_VALUES ? I_X86(add)(v, I_X86(set1)(128)) : (v))

/* acc += value * weight, by an instruction of VNNI. As text, for the reason that V_ACCUMULATE has; it
 * also needs no target attribute. `form` is "%{vex%} " for AVX-VNNI, or the assembler takes the longer
 * form of AVX-512. */
#define I_VNNI(form, name, acc, value, weight)                                                     \
    __asm__(form name " %2, %1, %0" : "+" VECTOR(acc) : VECTOR(value), VECTOR(weight))

/* The same with the weight in memory, and a load of it: volatile, as in halves_x86.h. */
#define I_WEIGHT_AT(p) "m"(*(const char (*)[4 * LANES])(const void *)(p))
#define I_VNNI_AT(form, name, acc, value, p)                                                       \
    __asm__ volatile(form name " %2, %1, %0" : "+" VECTOR(acc) : VECTOR(value), I_WEIGHT_AT(p))
#define I_VNNI_WEIGHT(to, p) __asm__ volatile("vmovaps %1, %0" : "=" VECTOR(to) : I_WEIGHT_AT(p))

#endif

// clang-format Language: C
/* Weights of 16 bits as floats, on AVX2 and AVX-512, beside the words of vocabulary_x86.h, whose
 * parameters these have too: `to` = the weights of vector `vector` of the term at `term`.
 *
 * As text, and volatile, so that loads stay in the order of memory: compilers move one of them far ahead,
 * and then the prefetchers lose a stream that comes from behind the second-level cache.
 */
#ifndef PYLSTM_SIMD_HALVES_X86_H
#define PYLSTM_SIMD_HALVES_X86_H

#include "vocabulary_x86.h"

#define HALVES_AT(p, bytes) "m"(*(const char (*)[bytes])(const void *)(p))

/* F16C, with any rounding mode and for subnormals too. */
#define V_GET_FLOAT16(to, term, vector)                                                            \
    __asm__ volatile("vcvtph2ps %1, %0"                                                            \
                     : "=" VECTOR(to)                                                              \
                     : HALVES_AT((term) + (vector) * LANES / 2, 2 * LANES))

/* An element holds a lane of an even vector below that of the odd one. Each is loaded anew: where 16
 * registers are full, the elements would take one more. LOW_HALVES and HIGH_HALVES take an address. */
#define V_GET_BFLOAT16(to, term, vector, rows)                                                     \
    do {                                                                                           \
        if ((vector) % 2)                                                                          \
            HIGH_HALVES(to, (term) + (vector) / 2 * LANES, rows);                                  \
        else                                                                                       \
            LOW_HALVES(to, (term) + (vector) / 2 * LANES);                                         \
    } while (0)

#endif

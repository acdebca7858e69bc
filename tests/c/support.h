/* What the C tests share: counting checks, random values, guarded memory, hashes. */
#ifndef PYLSTM_TESTS_SUPPORT_H
#define PYLSTM_TESTS_SUPPORT_H

#include "../../csrc/simd/dispatch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__MINGW32__)
#include <stdio.h> /* whose printf it is depends on its settings */
#define PRINTF_LIKE(text, rest) __attribute__((format(__MINGW_PRINTF_FORMAT, text, rest)))
#elif defined(__GNUC__)
#define PRINTF_LIKE(text, rest) __attribute__((format(printf, text, rest)))
#else
#define PRINTF_LIKE(text, rest)
#endif

extern long check_count, check_failures;

/* Names what runs now: printed with every failed check, and when the program crashes. */
void case_begin(const char *format, ...) PRINTF_LIKE(1, 2);
/* Counts a check; prints the message where "ok" is false. Returns "ok". */
bool check(bool ok, const char *format, ...) PRINTF_LIKE(2, 3);
/* Turns a fault on a guard page into a failure that names the case. */
void report_crashes(void);
/* Prints how many checks ran and returns the exit status. */
int check_summary(const char *program);

/* xorshift64*: the same numbers on every machine. */
struct random {
    uint64_t state;
};
struct random random_seed(uint64_t seed);
uint64_t random_bits(struct random *random);
ptrdiff_t random_below(struct random *random, ptrdiff_t limit);

/* Kinds of test values. */
enum values {
    VALUES_ORDINARY,  /* [-1, 1), with zeros of both signs among them */
    VALUES_HUGE,      /* products and sums overflow */
    VALUES_TINY,      /* products are subnormal or vanish */
    VALUES_SUBNORMAL, /* subnormal themselves */
    VALUES_SPECIAL,   /* ordinary with infinities and NaN */
    VALUES_COUNT
};
extern const char *const values_names[VALUES_COUNT];
/* A value of the kind, exactly representable in the dtype. */
double random_value(struct random *random, enum dtype dtype, enum values kind);
void random_fill(struct random *random, enum dtype dtype, enum values kind, double *out,
                 ptrdiff_t count);

/* Test data are doubles that the dtype represents exactly; kernels see arrays of the dtype. */
extern const char *const dtype_names[DTYPE_COUNT];
size_t real_size(enum dtype dtype);
double real_round(enum dtype dtype, double value);
double real_get(enum dtype dtype, const void *array, ptrdiff_t index);
void real_set(enum dtype dtype, void *array, ptrdiff_t index, double value);
/* Cleared for valgrind, whose fused multiply-add of doubles loses the sign of a sum that is -0. */
extern bool zeros_have_signs;
/* The same bits, or both NaN. */
bool real_same(double a, double b);
/* Index of the first difference, or -1. */
ptrdiff_t real_difference(const double *a, const double *b, ptrdiff_t count);

/* The C library's fma(), or the hardware's: what the software's is compared with. */
float exact_fmaf(float a, float b, float c);
double exact_fma(double a, double b, double c);

/* FNV-1a, 64 bits, over the little-endian bytes of values of the dtype; every NaN alike. */
uint64_t hash_start(void);
uint64_t hash_reals(uint64_t hash, enum dtype dtype, const double *values, ptrdiff_t count);

/* Memory with an inaccessible page on either side, where the machine has pages. A placed buffer
 * touches one of the two; the bytes on its other side are canaries. */
enum placement { AT_END, AT_START, PLACEMENT_COUNT };
struct guarded {
    unsigned char *base;
    size_t capacity;
    unsigned char *data;
    size_t size;
    bool read_only;
};
/* Reserves room for buffers of up to "capacity" bytes. Ends the program where it cannot. */
void guarded_open(struct guarded *guarded, size_t capacity);
/* Returns "size" writable bytes, each set to "fill". */
void *guarded_place(struct guarded *guarded, size_t size, enum placement placement,
                    unsigned char fill);
void guarded_protect(struct guarded *guarded); /* read-only until the next placement */
void guarded_check(const struct guarded *guarded, const char *name);

void *must_allocate(size_t count, size_t size); /* zeroed */

#endif

/* The parts of the kernel test program. */
#ifndef PYLSTM_TESTS_CASES_H
#define PYLSTM_TESTS_CASES_H

#include <stdbool.h>
#include <stddef.h>

/* Names of the levels that this machine can run, portable first, ended by NULL. */
const char *const *levels(void);

/* Which cases run. */
struct plan {
    ptrdiff_t every; /* 1: all, n: each n-th */
    bool ordinary;   /* only those with ordinary values */
};

/* Every kernel of every level against the reference. */
void check_kernels(const struct plan *plan);
/* rnn_forward() against the reference, and its floating-point environment. */
void check_core(const struct plan *plan);
/* Compressed weights: every storage and flavour against the reference. */
void check_storages(const struct plan *plan);
/* Of these a part: rows alone, cut sequences, NaN and infinities; and the choice of a flavour. */
void check_storage_rows(const struct plan *plan);
/* rnn_pack(), and what tells whether it would change anything. */
void check_packing(const struct plan *plan);
/* Fixed cases against the hashes in a file, or (record) the file rewritten. */
void check_hashes(const char *path, bool record);

/* Prints speeds beside the machine's roofs. */
void bench_print(void);
/* The same in short, against bars so wide that only a broken kernel misses them. */
void bench_check(void);

#endif

/* The machine's roofs, as bare loops in the instructions of each level. */
#ifndef PYLSTM_TESTS_LOOPS_H
#define PYLSTM_TESTS_LOOPS_H

#include "../../csrc/simd/kernels.h"

struct loops {
    const char *level;
    enum dtype dtype;
    /* Runs `rounds` times a fixed set of independent multiply-adds; returns their number. */
    double (*fma)(long rounds);
    /* Reads `bytes` (a multiple of 512) from `from`, 64-byte aligned, and does nothing else. */
    void (*load)(const void *from, size_t bytes);
};

/* The loops of a level, NULL where there are none. */
const struct loops *loops_for(const char *level, enum dtype dtype);

#endif

/* The two loops for one instruction set and dtype.
 *
 * Needs LOOP(what), SCALAR, VECTOR, V_SET, V_FMA, V_LOAD, V_FIRST, V_REGISTER (the asm
 * constraint of a vector register), which it undefines, and TARGET and CHAINS, which stay.
 */
enum { LOOP(lanes) = sizeof(VECTOR) / sizeof(SCALAR) };

TARGET static double LOOP(fma)(int64_t rounds)
{
    VECTOR sums[CHAINS];
    const VECTOR factor = V_SET((SCALAR)0.999), term = V_SET((SCALAR)0.001);
    for (int k = 0; k < CHAINS; k++)
        sums[k] = V_SET((SCALAR)k);
    for (int64_t round = 0; round < rounds; round++)
        for (int k = 0; k < CHAINS; k++)
            sums[k] = V_FMA(sums[k], factor, term);
    for (int k = 0; k < CHAINS; k++)
        sink += (double)V_FIRST(sums[k]);
    return 2.0 * LOOP(lanes) * CHAINS * (double)rounds;
}

/* An empty asm statement is the only user of a load, so no arithmetic is left in the loop. */
TARGET static inline double LOOP(load)(const SCALAR *base, int64_t bytes, int64_t passes)
{
    const int64_t stride = 8 * LOOP(lanes);
    const int64_t count = bytes / (int64_t)sizeof(SCALAR) / stride * stride;
    for (int64_t pass = 0; pass < passes; pass++)
        for (int64_t at = 0; at < count; at += stride)
            for (int part = 0; part < 8; part++) {
                VECTOR loaded = V_LOAD(base + at + part * LOOP(lanes));
                __asm__ volatile("" : : V_REGISTER(loaded));
            }
    return (double)count * sizeof(SCALAR) * (double)passes;
}

#undef LOOP
#undef SCALAR
#undef VECTOR
#undef V_SET
#undef V_FMA
#undef V_LOAD
#undef V_FIRST
#undef V_REGISTER

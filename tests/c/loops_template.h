/* A multiply-add loop and a load loop; included by loops.c for every level and dtype.
 *
 * Parameters, undefined again at the end: NAME(x), TARGET, VEC, LANES (of VEC), V_SET(c),
 * V_FMA(a, b, c), V_LOAD(p). KEEP(v) makes the compiler believe that a register is read and
 * changed here, so that nothing can be folded away. */

/* Twelve chains hide the latency of two pipes, and fit into 16 registers. */
TARGET static double NAME(fma)(long rounds)
{
    VEC a = V_SET(0.999F), b = V_SET(0.001F);
    VEC chain[12];
    KEEP(a);
    KEEP(b);
    UNROLL
    for (int i = 0; i < 12; i++) {
        chain[i] = b;
    }
    for (long round = 0; round < rounds; round++) {
        UNROLL
        for (int i = 0; i < 12; i++) {
            chain[i] = V_FMA(chain[i], a, b);
            KEEP(chain[i]);
        }
    }
    return (double)rounds * 12 * LANES;
}

TARGET static void NAME(load)(const void *from, size_t bytes)
{
    const char *next = from, *end = next + bytes;
    for (; next < end; next += 8 * sizeof(VEC)) {
        UNROLL
        for (size_t i = 0; i < 8; i++) {
            VEC value = V_LOAD(next + i * sizeof(VEC));
            KEEP(value);
        }
    }
}

#undef NAME
#undef TARGET
#undef VEC
#undef LANES
#undef V_SET
#undef V_FMA
#undef V_LOAD

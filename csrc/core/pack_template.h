/* The biases of one direction. Parameters, undefined at the end: REAL, BITS (the unsigned integer
 * of that size), NAME(x).
 *
 * b_ih + b_hh is the one addition in which both biases are used, in the default floating-point
 * environment. */

static void NAME(pack_biases)(const struct biases *biases, void *packed)
{
    const ptrdiff_t units = biases->units;
    const REAL *b_ih = biases->b_ih, *b_hh = b_ih + PANEL_VECTORS * units;
    REAL *to = (REAL *)packed + biases->packed;

    for (ptrdiff_t unit = 0, lanes; unit < units; unit += lanes) {
        lanes = panel_lanes(biases->kernels, units, unit);
        for (ptrdiff_t gate = 0; gate < PANEL_VECTORS; gate++)
            for (ptrdiff_t lane = 0; lane < lanes; lane++) {
                const ptrdiff_t row = gate * units + unit + lane;
                *to++ = unit + lane < units ? b_ih[row] + b_hh[row] : 0;
            }
    }
}

static bool NAME(biases_are_packed)(const struct biases *biases, const void *packed)
{
    const ptrdiff_t units = biases->units;
    const REAL *b_ih = biases->b_ih, *b_hh = b_ih + PANEL_VECTORS * units;
    const REAL *at = (const REAL *)packed + biases->packed;
    BITS changed = 0;

    for (ptrdiff_t unit = 0, lanes; unit < units; unit += lanes) {
        lanes = panel_lanes(biases->kernels, units, unit);
        const ptrdiff_t count = units - unit < lanes ? units - unit : lanes;
        for (ptrdiff_t gate = 0; gate < PANEL_VECTORS; gate++, at += lanes)
            for (ptrdiff_t lane = 0; lane < count; lane++) {
                const ptrdiff_t row = gate * units + unit + lane;
                const REAL total = b_ih[row] + b_hh[row];
                BITS is, was;
                memcpy(&is, &total, sizeof is);
                memcpy(&was, at + lane, sizeof was);
                changed |= is ^ was;
            }
    }
    return changed == 0;
}

#undef REAL
#undef BITS
#undef NAME

/* Panels: packing the rows of one panel of units, and comparing rows with what is packed.
 * Included by kernels_template.h, whose parameters, PANEL_VECTORS and PANEL_TOTALS are all that it
 * needs. Defines NAME(pack), NAME(is_packed) and NAME(same).
 *
 * Packing transposes. A vector of V_LOAD_ROWS holds QUAD terms of one row in each of its 128-bit
 * parts: of row i in the first part, of row QUAD + i in the second, and so on. QUAD such vectors
 * hold one QUAD x QUAD square in each part, and V_ZIP_LOW and V_ZIP_HIGH transpose all squares at
 * once.
 */
#define PREFETCH_BYTES 2048 /* distance of the prefetch; 1 and 4 KB are as fast */
#if LANES == 1
#define QUAD 1
#elif REAL_IS_FLOAT
#define QUAD 4
#else
#define QUAD 2
#endif

/* Columns 0 .. QUAD-1 of the LANES rows that begin at `rows`. */
#if QUAD > 1
INLINE TARGET void NAME(columns)(const REAL *rows, ptrdiff_t stride, vec_t *columns)
{
    vec_t from[QUAD];

    UNROLL
    for (int i = 0; i < QUAD; i++)
        from[i] = V_LOAD_ROWS(rows + i * stride, stride);
#if QUAD == 4
    const vec_t even_low = V_ZIP_LOW(from[0], from[2]), even_high = V_ZIP_HIGH(from[0], from[2]);
    const vec_t odd_low = V_ZIP_LOW(from[1], from[3]), odd_high = V_ZIP_HIGH(from[1], from[3]);
    columns[0] = V_ZIP_LOW(even_low, odd_low);
    columns[1] = V_ZIP_HIGH(even_low, odd_low);
    columns[2] = V_ZIP_LOW(even_high, odd_high);
    columns[3] = V_ZIP_HIGH(even_high, odd_high);
#else
    columns[0] = V_ZIP_LOW(from[0], from[1]);
    columns[1] = V_ZIP_HIGH(from[0], from[1]);
#endif
}
#endif

/* How many terms of each row vectors transpose: whole squares, if every lane has a unit. */
INLINE ptrdiff_t NAME(square_terms)(const struct panel *panel, int gate)
{
    return QUAD > 1 && panel->counts[gate] == LANES ? panel->depth - panel->depth % QUAD : 0;
}

static NOINLINE TARGET bool NAME(pack)(const struct panel *panel, REAL *packed)
{
    REAL zero = 0; /* stays 0 while every value is finite: value * 0 */
#if QUAD > 1
    vec_t zeros = V_SET((REAL)0);
#endif

    for (int gate = 0; gate < PANEL_VECTORS; gate++) {
        const REAL *rows = panel->rows[gate];
        const ptrdiff_t squares = NAME(square_terms)(panel, gate);
        REAL *columns = packed + gate * LANES;
#if QUAD > 1
        for (ptrdiff_t k = 0; k < squares; k += QUAD) {
            vec_t square[QUAD];
            NAME(columns)(rows + k, panel->depth, square);
            UNROLL
            for (int i = 0; i < QUAD; i++) {
                V_STORE(columns + (k + i) * PANEL_TOTALS, square[i]);
                zeros = V_FMA(square[i], V_SET((REAL)0), zeros);
            }
        }
#endif
        for (ptrdiff_t k = squares; k < panel->depth; k++)
            for (ptrdiff_t lane = 0; lane < LANES; lane++) {
                const bool unit = lane < panel->counts[gate];
                const REAL value = unit ? rows[lane * panel->depth + k] : 0;
                columns[k * PANEL_TOTALS + lane] = value;
                zero += value * 0;
            }
    }
#if QUAD > 1
    if (V_ANY_BIT(zeros))
        return false;
#endif
    return zero == 0;
}

static NOINLINE TARGET bool NAME(is_packed)(const struct panel *panel, const REAL *packed)
{
    bool changed = false;
#if QUAD > 1
    vec_t bits = V_SET((REAL)0);
#endif

    for (int gate = 0; gate < PANEL_VECTORS; gate++) {
        const REAL *rows = panel->rows[gate];
        const ptrdiff_t squares = NAME(square_terms)(panel, gate);
        const REAL *columns = packed + gate * LANES;
#if QUAD > 1
        for (ptrdiff_t k = 0; k < squares; k += QUAD) {
            vec_t square[QUAD];
            NAME(columns)(rows + k, panel->depth, square);
            UNROLL
            for (int i = 0; i < QUAD; i++)
                bits = V_DIFFERENCE(bits, square[i], columns + (k + i) * PANEL_TOTALS);
        }
#endif
        if (squares < panel->depth)
            for (ptrdiff_t lane = 0; lane < panel->counts[gate]; lane++)
                for (ptrdiff_t k = squares; k < panel->depth; k++) /* as bytes: -0.0 is not 0.0 */
                    changed |= memcmp(columns + k * PANEL_TOTALS + lane,
                                      rows + lane * panel->depth + k, sizeof(REAL)) != 0;
    }
#if QUAD > 1
    changed |= V_ANY_BIT(bits);
#endif
    return !changed;
}

#if QUAD > 1
/* Prefetches `vectors` vectors from `p` on. */
INLINE TARGET void NAME(prefetch)(const REAL *p, const int vectors)
{
    UNROLL
    for (int i = 0; i < vectors * LANES; i += CACHE_LINE / (int)sizeof(REAL))
        PREFETCH(p + i);
}
#endif

/* Compares two sequential streams. Those in a third-level cache gain a quarter from the prefetches
 * (python -m benchmarks.held, hidden 256, without them). */
static NOINLINE TARGET bool NAME(same)(const REAL *a, const REAL *b, ptrdiff_t count)
{
    ptrdiff_t i = 0;

#if QUAD > 1
    for (; i + 8 * LANES <= count; i += 8 * LANES) {
        vec_t even = V_SET((REAL)0), odd = even;
        NAME(prefetch)(a + i + PREFETCH_BYTES / sizeof(REAL), 8);
        NAME(prefetch)(b + i + PREFETCH_BYTES / sizeof(REAL), 8);
        UNROLL
        for (int j = 0; j < 8; j += 2) {
            even = V_DIFFERENCE(even, V_LOAD(a + i + j * LANES), b + i + j * LANES);
            odd = V_DIFFERENCE(odd, V_LOAD(a + i + (j + 1) * LANES), b + i + (j + 1) * LANES);
        }
        if (V_ANY_BIT(even) || V_ANY_BIT(odd))
            return false;
    }
#endif
    return memcmp(a + i, b + i, (size_t)(count - i) * sizeof(REAL)) == 0;
}

#undef QUAD
#undef PREFETCH_BYTES

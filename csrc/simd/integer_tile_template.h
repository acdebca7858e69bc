/* Register tiles of integer weights: storage.h has the layout and the formulas. Included by
 * storage_template.h in place of tile_template.h. Defines NAME(sums), of the struct that sums_template.h
 * describes. Strides count REALs as everywhere.
 *
 * Further parameters:
 *   TERMS         integers in one element: 4 bytes or 2 words
 *   SUM_TERMS     terms of an exact sum
 *   ivec_t        LANES int32
 *   I_LOAD(p) I_BROADCAST(p) I_ZERO          of elements of four bytes
 *   I_GET_WEIGHT(to, p)                      to = what I_ADD_PRODUCTS wants of the weight at p
 *   I_ADD_PRODUCTS(acc, value, weight, p)    acc += sum over the TERMS of each lane
 *   I_ADD_PRODUCTS_AT(acc, value, p)         the same of one row
 *   I_ADD(a, b) I_JOIN(high, low)            a + b, 128 high + low
 *   I_TO_REAL(v)
 *   WORD_ROWS                                1: integers of two planes are kept as words, so that widened
 *                                            weights multiply both at once; then there are
 *   I_BROADCAST_WORDS(p)                     of the four words of an element
 *   I_ADD_WORDS(low, high, words, p)         low and high += sums of pairs of the weights at p
 *   I_JOIN_WORDS(low, high)                  the sums of each lane
 *   UNSIGNED_VALUES                          1: values are kept + 128, and sums begin at the starts
 */
#define TILE_VECTORS 24 /* accumulators: at most 6 rows of bytes of 4 gates */
#define HAS_STARTS (TERMS == 4)
/* At most so many rows of bytes have two accumulators for each sum, which hide the latency. */
#define TWO_CHAINS (TILE_ROWS > 3 ? 2 : TILE_ROWS > 1)

/* acc += w x for the integers of one element. Row `i` of bytes, of rows * planes, is at
 * i % 3 * stride behind x or x3 where there is one plane, else plane i % 2 of row i / 2. */
INLINE TARGET void NAME(add_element)(const int rows, const int planes, ivec_t *acc, const REAL *w,
                                     const REAL *x, const REAL *x3, ptrdiff_t x_stride)
{
    ivec_t values[6];

#if WORD_ROWS
    if (planes == 2) {
        values[0] = I_BROADCAST_WORDS(x);
        UNROLL
        for (int vector = 0; vector < PANEL_VECTORS; vector++)
            I_ADD_WORDS(acc[vector], acc[PANEL_VECTORS + vector], values[0], w + vector * LANES);
        return;
    }
#endif
    UNROLL
    for (int i = 0; i < rows * planes; i++) {
        const REAL *from =
            planes == 1 ? (i < 3 ? x : x3) + i % 3 * x_stride : (i % 2 ? x3 : x) + i / 2 * x_stride;
        values[i] = I_BROADCAST(from);
    }
    UNROLL
    for (int vector = 0; vector < PANEL_VECTORS; vector++) {
        if (rows * planes == 1) {
            I_ADD_PRODUCTS_AT(acc[vector], values[0], w + vector * LANES);
            continue;
        }
        ivec_t weight;
        I_GET_WEIGHT(weight, w + vector * LANES);
        (void)weight; /* multiplied from memory */
        UNROLL
        for (int i = 0; i < rows * planes; i++)
            I_ADD_PRODUCTS(acc[i * PANEL_VECTORS + vector], values[i], weight, w + vector * LANES);
    }
}

/* REALs of an element of `planes` planes. */
#define ELEMENT(planes) (WORD_ROWS ? (planes) : 1)

/* One exact sum of `count` elements, all in registers. */
INLINE TARGET void NAME(sum_elements)(const int rows, const int planes, ivec_t *acc,
                                      const REAL *starts, const REAL *w, const REAL *x,
                                      const REAL *x3, ptrdiff_t x_stride, ptrdiff_t count)
{
    const int sums = rows * planes * PANEL_VECTORS;
    const int chains = rows * planes <= TWO_CHAINS ? 2 : 1;

    UNROLL
    for (int i = 0; i < sums; i++)
        acc[i] = UNSIGNED_VALUES ? I_LOAD(starts + i % PANEL_VECTORS * LANES) : I_ZERO;
    UNROLL
    for (int i = sums; i < chains * sums; i++)
        acc[i] = I_ZERO;
    for (; LANES > 1 && count >= 4; count -= 4) {
        UNROLL
        for (int j = 0; j < 4; j++)
            NAME(add_element)(rows, planes, acc + j % chains * sums, w + j * PANEL_TOTALS,
                              x + j * ELEMENT(planes), x3 + j, x_stride);
        w += 4 * PANEL_TOTALS;
        x += 4 * ELEMENT(planes);
        x3 += 4;
        PIN_POINTER(w);
        PIN_POINTER(x);
        PIN_POINTER(x3);
    }
    PIN_POINTER(count); /* one copy of the rest is enough */
    for (; count > 0; count--, w += PANEL_TOTALS, x += ELEMENT(planes), x3++)
        NAME(add_element)(rows, planes, acc, w, x, x3, x_stride);
    UNROLL
    for (int i = sums; i < chains * sums; i++)
        acc[i - sums] = I_ADD(acc[i - sums], acc[i]);
}

#if WORD_ROWS
#define JOIN(low, high) I_JOIN_WORDS(low, high)
#else
#define JOIN(high, low) I_JOIN(high, low)
#endif

/* to = from + S scale_v scale_w, for the rows of a tile. */
INLINE TARGET void NAME(scale_sums)(const int rows, const int planes, const ivec_t *acc,
                                    const struct STEPS(tile) * at, const REAL *scales,
                                    const REAL *headers)
{
    const REAL *from = at->from;
    REAL *to = at->to;

    UNROLL
    for (int row = 0; row < rows; row++) {
        const struct integer_row *header = (const void *)(headers + row * at->x_stride);
        const vec_t scale = V_SET(header->scale);
        UNROLL
        for (int i = 0; i < PANEL_VECTORS; i++) {
            const ivec_t *sum = acc + row * planes * PANEL_VECTORS + i;
            const ivec_t joined = planes == 1 ? sum[0] : JOIN(sum[0], sum[PANEL_VECTORS]);
            const vec_t weight = V_MUL(scale, V_LOAD(scales + i * LANES));
            V_STORE(to + i * LANES, V_FMA(I_TO_REAL(joined), weight, V_LOAD(from + i * LANES)));
        }
        from += at->from_stride;
        to += at->to_stride;
        PIN_POINTER(from);
        PIN_POINTER(to);
    }
}

/* All of a tile, sum by sum. */
INLINE TARGET void NAME(run_tile)(const int rows, const int planes, const struct STEPS(tile) * tile)
{
    struct STEPS(tile) at = *tile;
    const REAL *scales = at.w, *starts = scales + PANEL_TOTALS, *headers = at.x;
    const ptrdiff_t sums = HAS_STARTS ? (at.depth + SUM_TERMS - 1) / SUM_TERMS : 0;
    const ptrdiff_t plane = storage_plane_size(at.depth, 4 / TERMS) / (ptrdiff_t)sizeof(REAL);

    at.w += (1 + sums) * PANEL_TOTALS;
    at.x += STORAGE_ROW_HEADER / sizeof(REAL);
    while (at.depth > 0) {
        const REAL *x3 = at.x + (planes == 2 ? plane : rows > 3 ? 3 * at.x_stride : 0);
        ptrdiff_t count =
            at.depth >= SUM_TERMS ? SUM_TERMS / TERMS : (at.depth + TERMS - 1) / TERMS;
        ivec_t acc[TILE_VECTORS];
        PIN_POINTER(count); /* one copy for all counts */
        NAME(sum_elements)(rows, planes, acc, starts, at.w, at.x, x3, at.x_stride, count);
        NAME(scale_sums)(rows, planes, acc, &at, scales, headers);
        at.from = at.to;
        at.from_stride = at.to_stride;
        starts += PANEL_TOTALS;
        at.w += SUM_TERMS / TERMS * PANEL_TOTALS;
        at.x += SUM_TERMS / TERMS * ELEMENT(planes);
        at.depth -= SUM_TERMS;
        PIN_POINTER(at.depth); /* or gcc makes a copy of all for the last sum */
    }
}

#define DEFINE_TILE(rows, planes)                                                                  \
    static NOINLINE TARGET void NAME(tile_##rows##_##planes)(const struct STEPS(tile) * tile)      \
    {                                                                                              \
        NAME(run_tile)(rows, planes, tile);                                                        \
    }
DEFINE_TILE(1, 1)
#if TERMS == 4
DEFINE_TILE(1, 2)
#endif
#if TILE_ROWS > 1
DEFINE_TILE(2, 1)
#endif
#if TILE_ROWS > 2
DEFINE_TILE(3, 1)
#endif
#if TILE_ROWS > 3
DEFINE_TILE(4, 1)
DEFINE_TILE(5, 1)
DEFINE_TILE(6, 1)
#if TERMS == 4
DEFINE_TILE(2, 2)
DEFINE_TILE(3, 2)
#endif
#endif
#undef DEFINE_TILE

static const struct STEPS(sums) NAME(sums) = {
    .itemsize = 4 / TERMS,
    .most = {TILE_ROWS, TILE_ROWS > 3 ? TILE_ROWS / 2 : 1},
    .tiles =
        {
            {
                NAME(tile_1_1),
#if TILE_ROWS > 1
                NAME(tile_2_1),
#endif
#if TILE_ROWS > 2
                NAME(tile_3_1),
#endif
#if TILE_ROWS > 3
                NAME(tile_4_1),
                NAME(tile_5_1),
                NAME(tile_6_1),
#endif
            },
#if TERMS == 4
            {
                NAME(tile_1_2),
#if TILE_ROWS > 3
                NAME(tile_2_2),
                NAME(tile_3_2),
#endif
            },
#endif
        },
#ifdef ENTRY
    .quantise_rows = NAME(quantise_rows),
#endif
#if NARROW_LANES
    .narrow = &NARROW(sums),
#endif
};

#undef TILE_VECTORS
#undef HAS_STARTS
#undef ELEMENT
#undef JOIN
#undef TWO_CHAINS

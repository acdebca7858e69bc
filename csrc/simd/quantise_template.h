/* Rows of values as integers: storage.h has the formulas. Included by storage_template.h for the
 * instance that serves whole panels; needs its parameters and those of integer_tile_template.h. Defines
 * NAME(quantise_rows).
 *
 * Further parameters:
 *   V_LARGEST(v)             the largest lane, none of which is NaN
 *   V_ANY_NAN(v)             true if a lane is NaN
 *   I_ROUND(v)               rint(), of values within 2^15
 *   I_STORE_BYTES(p, v)      the low bytes of the lanes, LANES bytes
 *   I_STORE_WORDS(p, v)      the low words, 2 LANES bytes
 *   I_HIGH(v) I_LOW(v)       the planes of integers: (v + 64) >> 7 and v - 128 high
 *   I_FLIP(v)                v + 128 where values are unsigned
 */
/* Returns the largest magnitude of a row, NaN where it has a NaN or an infinity. */
INLINE TARGET REAL NAME(find_most)(const REAL *values, ptrdiff_t depth)
{
    vec_t most = V_SET((REAL)0), wild = V_SET((REAL)0);
    ptrdiff_t k = 0;

    for (; k + LANES <= depth; k += LANES) {
        const vec_t v = V_LOAD(values + k);
        most = V_MAX(V_ABS(v), most); /* a NaN in the first operand may vanish */
        wild = V_ADD(wild, V_SUB(v, v));
    }
    if (k < depth) {
        const vec_t v = V_LOAD_PART(values + k, depth - k);
        most = V_MAX(V_ABS(v), most);
        wild = V_ADD(wild, V_SUB(v, v));
    }
    return V_ANY_NAN(wild) ? __builtin_nanf("") : V_LARGEST(most);
}

/* Stores LANES integers at place `k` of a row. */
INLINE TARGET void NAME(store_integers)(char *planes, ptrdiff_t plane_size, const int count,
                                        ptrdiff_t k, ivec_t q)
{
#if TERMS == 2
    (void)plane_size, (void)count;
    I_STORE_WORDS(planes + 2 * k, q);
#else
    if (count == 1) {
        I_STORE_BYTES(planes + k, I_FLIP(q));
    } else {
        I_STORE_BYTES(planes + k, I_FLIP(I_HIGH(q)));
        I_STORE_BYTES(planes + plane_size + k, I_FLIP(I_LOW(q)));
    }
#endif
}

/* The integers of a row: rint((v up) by). */
INLINE TARGET void NAME(fill_row)(const REAL *values, ptrdiff_t depth, REAL up, REAL by,
                                  const int count, char *planes)
{
    const ptrdiff_t plane_size = storage_plane_size(depth, 4 / TERMS);
    ptrdiff_t k = 0;

    for (; k + LANES <= depth; k += LANES) {
        const vec_t v = V_MUL(V_LOAD(values + k), V_SET(up));
        NAME(store_integers)(planes, plane_size, count, k, I_ROUND(V_MUL(v, V_SET(by))));
    }
    if (k < depth) {
        const vec_t v = V_MUL(V_LOAD_PART(values + k, depth - k), V_SET(up));
        NAME(store_integers)(planes, plane_size, count, k, I_ROUND(V_MUL(v, V_SET(by))));
    }
}

/* One row. The last element of each plane is cleared first: weights beyond the depth are 0, but what
 * they multiply has to be written. */
static NOINLINE TARGET void NAME(quantise_row)(const REAL *values, ptrdiff_t depth,
                                               const struct integer_rows *rows, void *out)
{
    const REAL reach = storage_reach(4 / TERMS, rows->planes), least = (REAL)0x1p-60;
    const ptrdiff_t plane_size = storage_plane_size(depth, 4 / TERMS);
    struct integer_row *row = out;
    char *planes = (char *)out + STORAGE_ROW_HEADER;
    const REAL most = NAME(find_most)(values, depth);
    REAL up = 1, by = reach;

    row->planes = rows->planes;
    if (most != most) {
        row->scale = most;
        memset(planes, 0, (size_t)(rows->planes * plane_size));
        return;
    }
    for (int i = 0; i < rows->planes && depth % TERMS; i++)
        memset(planes + i * plane_size + depth / TERMS * 4, 0, 4);
    if (rows->bounded && most <= 1) {
        row->scale = 1 / reach;
    } else {
        row->scale = most / reach;
        up = most < least ? (REAL)0x1p64 : 1;
        by = most > 0 ? reach / (most * up) : 0;
    }
    if (rows->planes == 1)
        NAME(fill_row)(values, depth, up, by, 1, planes);
    else
        NAME(fill_row)(values, depth, up, by, 2, planes);
}

/* `count` rows at `values`, to the rows from `first` on. */
static NOINLINE TARGET void NAME(quantise_rows)(const REAL *values, ptrdiff_t stride,
                                                ptrdiff_t depth, const struct integer_rows *rows,
                                                ptrdiff_t first, ptrdiff_t count)
{
    const ptrdiff_t row_stride = NAME(row_stride)(depth, rows->planes);

    for (ptrdiff_t i = 0; i < count; i++)
        NAME(quantise_row)(values + i * stride, depth, rows,
                           (REAL *)rows->memory + (first + i) * row_stride);
}

/* Rows of values as integers: storage.h has the formulas. Included by storage_template.h for the
 * instance that serves whole panels; needs its parameters and those of integer_tile_template.h. Defines
 * NAME(quantise_rows).
 *
 * Further parameters:
 *   I_MOST(most, v)          per lane the larger of `most` and the bits of |v|, as integers: those of a
 *                            NaN and of an infinity are above those of numbers
 *   I_LARGEST(v)             the largest lane
 *   I_ROUND(v)               rint(), of values within 2^15
 *   I_STORE_BYTES(p, v)      the low bytes of the lanes, LANES bytes
 *   I_STORE_WORDS(p, v)      the low words, 2 LANES bytes
 *   I_HIGH(v) I_LOW(v)       the planes of integers: (v + 64) >> 7 and v - 128 high
 *   I_FLIP(v)                v + 128 where values are unsigned
 */
/* Stores LANES integers at place `k` of a row. */
INLINE TARGET void NAME(store_integers)(char *planes, ptrdiff_t plane_size, const int count,
                                        ptrdiff_t k, ivec_t q)
{
#if TERMS == 2
    (void)plane_size, (void)count;
    I_STORE_WORDS(planes + 2 * k, q);
#else
    if (WORD_ROWS && count == 2) {
        I_STORE_WORDS(planes + 2 * k, q);
    } else if (count == 1) {
        I_STORE_BYTES(planes + k, I_FLIP(q));
    } else {
        I_STORE_BYTES(planes + k, I_FLIP(I_HIGH(q)));
        I_STORE_BYTES(planes + plane_size + k, I_FLIP(I_LOW(q)));
    }
#endif
}

/* Stores the integers rint((v up) by) of a row in so many planes. Returns the bits of the largest
 * magnitude: where that is none of a number, what is stored is of no use. */
INLINE TARGET int32_t NAME(fill_row)(const REAL *values, ptrdiff_t depth, REAL up, REAL by,
                                     const int count, char *planes)
{
    const ptrdiff_t plane_size = storage_plane_size(depth, 4 / TERMS);
    ivec_t most = I_ZERO;
    ptrdiff_t k = 0;

    for (; k + LANES <= depth; k += LANES) {
        const vec_t v = V_LOAD(values + k);
        most = I_MOST(most, v);
        NAME(store_integers)(planes, plane_size, count, k,
                             I_ROUND(V_MUL(V_MUL(v, V_SET(up)), V_SET(by))));
    }
    if (k < depth) {
        const vec_t v = V_LOAD_PART(values + k, depth - k);
        most = I_MOST(most, v);
        NAME(store_integers)(planes, plane_size, count, k,
                             I_ROUND(V_MUL(V_MUL(v, V_SET(up)), V_SET(by))));
    }
    return I_LARGEST(most);
}

/* Returns the bits of the largest magnitude of a row. */
INLINE TARGET int32_t NAME(find_most)(const REAL *values, ptrdiff_t depth)
{
    ivec_t most = I_ZERO;
    ptrdiff_t k = 0;

    for (; k + LANES <= depth; k += LANES)
        most = I_MOST(most, V_LOAD(values + k));
    if (k < depth)
        most = I_MOST(most, V_LOAD_PART(values + k, depth - k));
    return I_LARGEST(most);
}

/* The integers of a row by its own scale. */
INLINE TARGET void NAME(scale_row)(const REAL *values, ptrdiff_t depth, REAL reach, const int count,
                                   struct integer_row *row, char *planes)
{
    const int32_t bits = NAME(find_most)(values, depth);
    const REAL most = storage_float_of((uint32_t)bits);

    if (bits >= STORAGE_INFINITY) {
        row->scale = storage_float_of(STORAGE_NAN);
        memset(planes, 0, (size_t)(count * storage_plane_size(depth, 4 / TERMS)));
        return;
    }
    const REAL up = most < (REAL)0x1p-60 ? (REAL)0x1p64 : 1;
    row->scale = most / reach;
    NAME(fill_row)(values, depth, up, most > 0 ? reach / (most * up) : 0, count, planes);
}

/* One row, in so many (a constant) planes: by the fixed scale, and where that does not hold anew. Where
 * vectors do not end where an element ends, the last of each plane is cleared first: weights beyond the
 * depth are 0, but what they multiply has to be written. */
INLINE TARGET void NAME(quantise_row)(const REAL *values, ptrdiff_t depth, bool bounded,
                                      const int count, void *out)
{
    const REAL reach = storage_reach(4 / TERMS, count);
    struct integer_row *row = out;
    char *planes = (char *)out + STORAGE_ROW_HEADER;

    row->planes = count;
    for (int i = 0; LANES % TERMS != 0 && depth % TERMS != 0 && i < count; i++)
        memset(planes + i * storage_plane_size(depth, 4 / TERMS) + depth / TERMS * 4, 0, 4);
    row->scale = 1 / reach;
    if (!bounded || NAME(fill_row)(values, depth, 1, reach, count, planes) > STORAGE_ONE)
        NAME(scale_row)(values, depth, reach, count, row, planes);
}

/* `count` rows at `values`, to the rows from `first` on. */
static NOINLINE TARGET STEP_SIZE void NAME(quantise_rows)(const REAL *values, ptrdiff_t stride,
                                                          ptrdiff_t depth,
                                                          const struct integer_rows *rows,
                                                          ptrdiff_t first, ptrdiff_t count)
{
    const ptrdiff_t row_stride = storage_row_stride(4 / TERMS, depth, rows->planes);
    REAL *out = (REAL *)rows->memory + first * row_stride;

    for (; count > 0; count--, values += stride, out += row_stride) {
        if (TERMS == 2 || rows->planes == 1)
            NAME(quantise_row)(values, depth, rows->bounded, 1, out);
        else
            NAME(quantise_row)(values, depth, rows->bounded, 2, out);
    }
}

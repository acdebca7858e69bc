/* The copies of a convolution. Parameters, undefined at the end: REAL, NAME(x). */

/* Copies elements that are "stride" apart. */
static void NAME(copy)(REAL *restrict to, const REAL *restrict from, ptrdiff_t count,
                       ptrdiff_t stride)
{
    if (stride == 1)
        memcpy(to, from, (size_t)count * sizeof(REAL));
    else if (stride == 2) /* which compilers turn into shuffles */
        for (ptrdiff_t i = 0; i < count; i++)
            to[i] = from[2 * i];
    else
        for (ptrdiff_t i = 0; i < count; i++)
            to[i] = from[i * stride];
}

/* Writes elements that are "stride" apart. */
static void NAME(spread)(REAL *restrict to, const REAL *restrict from, ptrdiff_t count,
                         ptrdiff_t stride)
{
    for (ptrdiff_t i = 0; i < count; i++)
        to[i * stride] = from[i];
}

static void NAME(fill)(REAL *to, const REAL *value, ptrdiff_t count)
{
    const REAL number = *value;

    for (ptrdiff_t i = 0; i < count; i++)
        to[i] = number;
}

/* Copies so many positions, which are "step" apart, of "count" rows to one row of windows that are
 * "width" apart. */
static void NAME(window)(REAL *restrict to, const REAL *restrict from, ptrdiff_t count,
                         ptrdiff_t row, ptrdiff_t width, ptrdiff_t positions, ptrdiff_t step)
{
    for (ptrdiff_t i = 0; i < count; i++, from += row, to += width)
        for (ptrdiff_t position = 0; position < positions; position++)
            to[position] = from[position * step];
}

#undef REAL
#undef NAME

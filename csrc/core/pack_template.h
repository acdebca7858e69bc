/* The biases of one direction; of a linear layer the one bias. Parameters, undefined at the end: REAL, BITS (the unsigned integer
 * of that size), NAME(x).
 *
 * b_ih + b_hh is the one addition in which both biases are used, in the default floating-point
 * environment. The b_hh of a gate with a separate bias is not added. */

/* The bias of a row. */
static REAL NAME(bias_of)(const struct biases *biases, ptrdiff_t row)
{
    const struct matrix *matrix = &biases->matrix;
    const REAL *b_ih = (const REAL *)(const void *)matrix->rows, *b_hh = b_ih + biases->to_b_hh;

    if (biases->single)
        return b_ih[row];
    if (biases->separate && row >= (matrix->gates - 1) * matrix->hidden)
        return b_ih[row];
    return b_ih[row] + b_hh[row];
}

/* The last b_hh. */
static const REAL *NAME(separate_bias)(const struct biases *biases)
{
    const struct matrix *matrix = &biases->matrix;

    return (const REAL *)(const void *)matrix->rows + biases->to_b_hh + matrix->height -
           matrix->hidden;
}

static void NAME(pack_biases)(const struct biases *biases, void *packed)
{
    const struct matrix *matrix = &biases->matrix;
    REAL *to = (REAL *)packed + matrix->packed;

    for (ptrdiff_t unit = 0; unit < matrix->units; unit += matrix->kernels->lanes)
        for (int i = 0; i < PANEL_VECTORS; i++) {
            const struct vector_rows rows = rows_of_vector(matrix, unit, i);
            for (ptrdiff_t lane = 0; lane < panel_lanes(matrix, unit); lane++)
                *to++ = lane < rows.count ? NAME(bias_of)(biases, rows.first + lane) : 0;
        }
    if (!biases->separate)
        return;
    to = (REAL *)packed + biases->packed_h;
    for (ptrdiff_t i = 0; i < layout_align(matrix->hidden, PIECE_ALIGN); i++)
        to[i] = i < matrix->hidden ? NAME(separate_bias)(biases)[i] : 0;
}

static bool NAME(biases_are_packed)(const struct biases *biases, const void *packed)
{
    const struct matrix *matrix = &biases->matrix;
    const REAL *at = (const REAL *)packed + matrix->packed;
    BITS changed = 0;

    for (ptrdiff_t unit = 0; unit < matrix->units; unit += matrix->kernels->lanes)
        for (int i = 0; i < PANEL_VECTORS; i++, at += panel_lanes(matrix, unit)) {
            const struct vector_rows rows = rows_of_vector(matrix, unit, i);
            for (ptrdiff_t lane = 0; lane < rows.count; lane++) {
                const REAL total = NAME(bias_of)(biases, rows.first + lane);
                BITS is, was;
                memcpy(&is, &total, sizeof is);
                memcpy(&was, at + lane, sizeof was);
                changed |= is ^ was;
            }
        }
    if (biases->separate)
        changed |= memcmp((const REAL *)packed + biases->packed_h, NAME(separate_bias)(biases),
                          (size_t)matrix->hidden * sizeof(REAL)) != 0;
    return changed == 0;
}

#undef REAL
#undef BITS
#undef NAME

/* What steps and gemms ask of the sums: struct NAME(sums), the register tiles of one storage. Included by
 * kernels_template.h, where the storage is the float itself, and by storage_steps_template.h, whose
 * steps serve several; their parameters are all that it needs. Defines struct NAME(tile), struct
 * NAME(sums), NAME(next_count), NAME(dispatch) and NAME(add_rows).
 */
/* One register tile: to = from + w x, by the contract's sums. */
struct NAME(tile) {
    const REAL *w; /* the first packed panel */
    ptrdiff_t
        w_stride; /* to the next panel; of integers not used, since they have no `row_panels` */
    ptrdiff_t depth;
    const REAL *x; /* [rows, depth]; of integers [rows] of struct integer_row and planes */
    ptrdiff_t x_stride;
    const REAL *from; /* [rows, panels * PANEL_TOTALS], may be `to` */
    ptrdiff_t from_stride;
    REAL *to;
    ptrdiff_t to_stride;
};

#if INTEGERS
struct NAME(sums) {
    ptrdiff_t itemsize;                             /* bytes of an integer */
    ptrdiff_t most[2];                              /* rows that one tile takes, by planes */
    void (*tiles[2][6])(const struct NAME(tile) *); /* by planes and rows */
    /* `count` rows at `values`, to the rows from `first` on; NULL for narrow panels */
    void (*quantise_rows)(const REAL *values, ptrdiff_t stride, ptrdiff_t depth,
                          const struct integer_rows *rows, ptrdiff_t first, ptrdiff_t count);
#else
struct NAME(sums) {
    void (*tiles[8])(const struct NAME(tile) *); /* by rows; 7 are taken as 4 and 3 */
    void (*row_panels)(const struct NAME(tile) *);
#endif
#if NARROW_LANES
    const struct NARROW(sums) * narrow;
#endif
};

/* The next of the counts, as few and as even as possible, that `left` is cut into. */
INLINE TARGET ptrdiff_t NAME(next_count)(ptrdiff_t left, ptrdiff_t most)
{
    const ptrdiff_t counts = (left + most - 1) / most;
    return (left + counts - 1) / counts;
}

#if INTEGERS
INLINE TARGET ptrdiff_t NAME(planes_of)(const struct NAME(tile) *tile)
{
    return ((const struct integer_row *)(const void *)tile->x)->planes;
}

/* A tile without terms: that of x of a cell whose input_size is 0. */
static NOINLINE TARGET void NAME(copy_tile)(ptrdiff_t rows, const struct NAME(tile) *tile)
{
    for (ptrdiff_t row = 0; row < rows; row++)
        for (int i = 0; i < PANEL_VECTORS; i++)
            V_STORE(tile->to + row * tile->to_stride + i * LANES,
                    V_LOAD(tile->from + row * tile->from_stride + i * LANES));
}

INLINE TARGET void NAME(dispatch)(const struct NAME(sums) *sums, ptrdiff_t rows, int panels,
                                  const struct NAME(tile) *tile)
{
    (void)panels; /* one */
    if (tile->depth == 0)
        NAME(copy_tile)(rows, tile);
    else
        sums->tiles[NAME(planes_of)(tile) - 1][rows - 1](tile);
}

INLINE TARGET ptrdiff_t NAME(tile_rows)(const struct NAME(sums) *sums, ptrdiff_t left,
                                        const struct NAME(tile) *tile)
{
    const ptrdiff_t most = sums->most[NAME(planes_of)(tile) - 1];

    return left == 1 || left <= most ? left : NAME(next_count)(left, most);
}
#else
INLINE TARGET void NAME(dispatch)(const struct NAME(sums) *sums, ptrdiff_t rows, int panels,
                                  const struct NAME(tile) *tile)
{
    if (ROW_PANELS > 1 && panels > 1)
        sums->row_panels(tile);
    else
        sums->tiles[rows - 1](tile);
}

INLINE TARGET ptrdiff_t NAME(tile_rows)(const struct NAME(sums) *sums, ptrdiff_t left,
                                        const struct NAME(tile) *tile)
{
    (void)sums, (void)tile;
    if (TILE_ROWS > 4 && left % 4 == 0)
        return left < 8 ? 4 : 8;
    return NAME(next_count)(left, TILE_ROWS);
}
#endif

/* Adds w x to the totals of `rows` rows of one panel, or of one row of several panels: tile after
 * tile, so that all but the first find the panel, or its end, in the first-level cache. */
INLINE TARGET void NAME(add_rows)(const struct NAME(sums) *sums, struct NAME(tile) tile,
                                  ptrdiff_t rows, const int panels)
{
    for (ptrdiff_t left = rows, count; left > 0; left -= count) {
        count = NAME(tile_rows)(sums, left, &tile);
        NAME(dispatch)(sums, count, panels, &tile);
        tile.x += count * tile.x_stride;
        tile.from += count * tile.from_stride;
        tile.to += count * tile.to_stride;
    }
}

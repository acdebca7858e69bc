/* Sums over many rows: tiles one after the other, and the gemm of whole matrices. Included by
 * kernels_template.h, behind tile_template.h; needs its parameters. Defines NAME(next_count),
 * NAME(add_rows) and NAME(gemm).
 */
/* The next of the counts, as few and as even as possible, that `left` is cut into. */
INLINE TARGET ptrdiff_t NAME(next_count)(ptrdiff_t left, ptrdiff_t most)
{
    const ptrdiff_t counts = (left + most - 1) / most;
    return (left + counts - 1) / counts;
}

/* Adds w x to the totals of `rows` rows of one panel, or of one row of several panels: tile after
 * tile, so that all but the first find the panel, or its end, in the first-level cache. */
INLINE TARGET void NAME(add_rows)(struct NAME(tile) tile, ptrdiff_t rows, const int panels)
{
    for (ptrdiff_t left = rows, count; left > 0; left -= count) {
        if (TILE_ROWS > 4 && left % 4 == 0)
            count = left < 8 ? 4 : 8;
        else
            count = NAME(next_count)(left, TILE_ROWS);
        NAME(dispatch)(count, panels, &tile);
        tile.x += count * tile.x_stride;
        tile.from += count * tile.from_stride;
        tile.to += count * tile.to_stride;
    }
}

static NOINLINE TARGET void NAME(gemm)(const struct gemm *gemm, ptrdiff_t first, ptrdiff_t end)
{
    static const REAL zeros[PANEL_TOTALS];
    struct NAME(tile) tile;

    for (ptrdiff_t unit = first; unit < end; unit += LANES) {
        tile.w = (const REAL *)gemm->w + PANEL_VECTORS * unit * gemm->depth;
        tile.w_stride = 0;
        tile.depth = gemm->depth;
        tile.x_stride = gemm->x_stride;
        tile.from_stride = gemm->init ? gemm->init_stride : 0;
        tile.from = gemm->init ? (const REAL *)gemm->init + PANEL_VECTORS * unit : zeros;
        tile.to_stride = gemm->out_stride;
        for (ptrdiff_t group = 0; group < gemm->groups; group++) {
            tile.x = (const REAL *)gemm->x + group * gemm->x_group;
            tile.to = (REAL *)gemm->out + group * gemm->out_group + PANEL_VECTORS * unit;
            NAME(add_rows)(tile, gemm->rows, 1);
        }
    }
}

/* The gemm of whole matrices. Included by kernels_template.h and storage_template.h, behind the tiles;
 * needs their parameters. Defines NAME(gemm).
 */
static NOINLINE TARGET void NAME(gemm)(const struct NAME(sums) *sums, const struct gemm *gemm,
                                       ptrdiff_t first, ptrdiff_t end)
{
    static const REAL zeros[PANEL_TOTALS];
    struct NAME(tile) tile;

    for (ptrdiff_t unit = first; unit < end; unit += LANES) {
        tile.w = (const REAL *)gemm->w + PANEL_VECTORS * unit * PACKED_DEPTH(sums, gemm->depth);
        tile.w_stride = 0;
        tile.depth = gemm->depth;
        tile.x_stride = gemm->x_stride;
        tile.from_stride = gemm->init ? gemm->init_stride : 0;
        tile.from = gemm->init ? (const REAL *)gemm->init + PANEL_VECTORS * unit : zeros;
        tile.to_stride = gemm->out_stride;
        for (ptrdiff_t group = 0; group < gemm->groups; group++) {
            tile.x = (const REAL *)gemm->x + group * gemm->x_group;
            tile.to = (REAL *)gemm->out + group * gemm->out_group + PANEL_VECTORS * unit;
            NAME(add_rows)(sums, tile, gemm->rows, 1);
        }
    }
}

/* The step of a GRU, an RNN and a variant: block by block of units, a gemm of the inputs and one of
 * h into the totals of some rows, then their update. Included by kernels_template.h, behind
 * gemm_template.h and block_update_template.h; needs their parameters. Defines NAME(block_step).
 *
 * A block is BLOCK_UNITS units, the last one perhaps less; its columns are gate after gate
 * (kernels_segment). So a block is as many whole panels as there are gates, whatever their number.
 */
/* Sums of `columns` columns, of which the first stands at a panel's begin, for `rows` rows. */
static NOINLINE TARGET void NAME(add_columns)(const struct NAME(tile) *first, ptrdiff_t rows,
                                              ptrdiff_t columns)
{
    struct NAME(tile) tile = *first;

    tile.w_stride = PANEL_TOTALS * tile.depth;
    while (columns > 0) {
        const int panels = ROW_PANELS > 1 && rows == 1 && columns > (ROW_PANELS - 1) * PANEL_TOTALS
                               ? ROW_PANELS
                               : 1;
#if NARROW_LANES
        if (columns <= PANEL_VECTORS * NARROW_LANES) {
            const struct NARROW(tile) narrow = {
                .w = tile.w,
                .depth = tile.depth,
                .x = tile.x,
                .x_stride = tile.x_stride,
                .from = tile.from,
                .from_stride = tile.from_stride,
                .to = tile.to,
                .to_stride = tile.to_stride,
            };
            NARROW(add_panel)(&narrow, rows);
            return;
        }
#endif
        if (panels > 1)
            NAME(add_rows)(tile, 1, ROW_PANELS);
        else
            NAME(add_rows)(tile, rows, 1);
        tile.w += panels * PANEL_TOTALS * tile.depth;
        tile.from += panels * PANEL_TOTALS;
        tile.to += panels * PANEL_TOTALS;
        columns -= panels * PANEL_TOTALS;
    }
}

/* The totals that the recurrent part starts from: those of the inputs. Returns where they are. */
INLINE TARGET struct NAME(tile) NAME(block_inputs)(const struct NAME(blocks) *blocks)
{
    const struct rnn_step *step = blocks->step;
    struct NAME(tile) tile = {
        .from = (const REAL *)step->init + blocks->row * step->init_stride + blocks->column,
        .from_stride = step->init_stride,
        .to = blocks->totals,
        .to_stride = blocks->stride,
    };

    if (step->wx) {
        tile.w = (const REAL *)step->wx + blocks->column * step->depth_x;
        tile.depth = step->depth_x;
        tile.x = (const REAL *)step->x + blocks->row * step->x_stride;
        tile.x_stride = step->x_stride;
        NAME(add_columns)(&tile, blocks->rows, blocks->columns);
        tile.from = tile.to;
        tile.from_stride = tile.to_stride;
    }
    return tile;
}

/* Moves the input part of the last gate aside, and lets that gate start from its own bias. */
INLINE TARGET void NAME(part_last_gate)(const struct NAME(blocks) *blocks, struct NAME(tile) *tile)
{
    const REAL *bias = (const REAL *)blocks->step->bias_h + blocks->unit;

    for (ptrdiff_t row = 0; row < blocks->rows; row++) {
        const REAL *from = tile->from + row * tile->from_stride;
        REAL *to = blocks->totals + row * blocks->stride;
        REAL *aside = blocks->aside + row * blocks->units_stride;
        if (from != to)
            for (ptrdiff_t i = 0; i < blocks->columns; i += LANES)
                V_STORE(to + i, V_LOAD(from + i));
        for (ptrdiff_t unit = 0; unit < blocks->units; unit += BLOCK_UNITS) {
            const ptrdiff_t segment =
                kernels_segment(LANES, blocks->step->hidden, blocks->unit + unit);
            REAL *last = to + 3 * unit + 2 * segment;
            for (ptrdiff_t i = 0; i < segment; i += LANES) {
                const ptrdiff_t width = segment - i < LANES ? segment - i : LANES;
                V_STORE(aside + unit + i, NAME(load)(last + i, width));
                NAME(store)(last + i, V_LOAD(bias + unit + i), width);
            }
        }
    }
    tile->from = blocks->totals;
    tile->from_stride = blocks->stride;
}

/* Adds the recurrent part. */
INLINE TARGET void NAME(block_recurrent)(const struct NAME(blocks) *blocks, struct NAME(tile) tile)
{
    const struct rnn_step *step = blocks->step;

    if (step->h == NULL) {
        for (ptrdiff_t row = 0; row < blocks->rows; row++)
            for (ptrdiff_t i = 0; i < blocks->columns; i += LANES)
                V_STORE(tile.to + row * tile.to_stride + i,
                        V_ADD(V_LOAD(tile.from + row * tile.from_stride + i), V_SET((REAL)0)));
        return;
    }
    tile.w = (const REAL *)step->wh + blocks->column * step->depth_h;
    tile.depth = step->depth_h;
    tile.x = (const REAL *)step->h + blocks->row * step->h_stride;
    tile.x_stride = step->h_stride;
    NAME(add_columns)(&tile, blocks->rows, blocks->columns);
}

/* A whole step. One instance serves all kinds: what differs between them is small beside the gemms. */
static NOINLINE TARGET void NAME(block_step)(const struct rnn_step *step, ptrdiff_t gates,
                                             void (*const update)(const struct NAME(blocks) *))
{
    ALIGNED REAL totals[BLOCK_GROUP * 4 * BLOCK_UNITS];
    ALIGNED REAL aside[BLOCK_GROUP * BLOCK_UNITS];
    const ptrdiff_t count = (step->end - step->first + BLOCK_UNITS - 1) / BLOCK_UNITS;
    const ptrdiff_t rows = NAME(next_count)(step->rows, BLOCK_GROUP);
    const ptrdiff_t most = BLOCK_GROUP / rows;
    struct NAME(blocks) blocks = {.step = step, .totals = totals, .aside = aside};

    for (ptrdiff_t done = 0, now; done < count; done += now) {
        now = count - done < most ? count - done : most;
        blocks.unit = step->first + BLOCK_UNITS * (step->descending ? count - done - now : done);
        blocks.units = now * BLOCK_UNITS;
        if (blocks.unit + blocks.units > step->hidden)
            blocks.units = step->hidden - blocks.unit;
        const ptrdiff_t begun = (now - 1) * BLOCK_UNITS;
        blocks.column = gates * blocks.unit;
        blocks.columns =
            gates * (begun + kernels_segment(LANES, step->hidden, blocks.unit + begun));
        blocks.stride = gates * now * BLOCK_UNITS;
        blocks.units_stride = now * BLOCK_UNITS;
        for (blocks.row = 0; blocks.row < step->rows; blocks.row += blocks.rows) {
            blocks.rows = step->rows - blocks.row < rows ? step->rows - blocks.row : rows;
            struct NAME(tile) tile = NAME(block_inputs)(&blocks);
            if (gates == 3)
                NAME(part_last_gate)(&blocks, &tile);
            NAME(block_recurrent)(&blocks, tile);
            update(&blocks);
        }
    }
}

/* The step of a GRU, an RNN and a variant: block by block of units, a gemm of the inputs and one of
 * h into the totals of some rows, then their update. Included by kernels_template.h, behind
 * gemm_template.h and block_update_template.h; needs their parameters. Defines NAME(block_step).
 *
 * A block is BLOCK_UNITS units, the last one perhaps less; its columns are gate after gate
 * (kernels_segment). So a block is as many whole panels as there are gates, whatever their number.
 */
/* One row of `panels` (a constant) panels. The tile is a copy, so that the caller's stays in registers:
 * a struct of which a pointer is passed on would be copied as vectors, which wait for its fields. */
INLINE TARGET void NAME(add_row)(const struct NAME(sums) *sums, struct NAME(tile) tile,
                                 const int panels)
{
    NAME(dispatch)(sums, 1, panels, &tile);
}

/* Sums of `columns` columns, of which the first stands at a panel's begin, for `rows` rows. */
static NOINLINE TARGET STEP_SIZE void NAME(add_columns)(const struct NAME(sums) *sums,
                                                        const struct NAME(tile) *first,
                                                        ptrdiff_t rows, ptrdiff_t columns)
{
    struct NAME(tile) tile = *first;

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
            if (rows == 1)
                NARROW(add_row)(sums->narrow, narrow, 1);
            else
                NARROW(add_rows)(sums->narrow, narrow, rows, 1);
            return;
        }
#endif
        if (panels > 1)
            NAME(add_row)(sums, tile, ROW_PANELS);
        else if (rows == 1)
            NAME(add_row)(sums, tile, 1);
        else
            NAME(add_rows)(sums, tile, rows, 1);
        tile.w += panels * tile.w_stride;
        tile.from += panels * PANEL_TOTALS;
        tile.to += panels * PANEL_TOTALS;
        columns -= panels * PANEL_TOTALS;
    }
}

/* Sets the weights and values of the input part or of the recurrent part. */
INLINE TARGET void NAME(set_part)(const struct NAME(sums) *sums, const struct BASE(block) * block,
                                  struct NAME(tile) *tile, const void *w, ptrdiff_t depth,
                                  const void *x, ptrdiff_t x_stride)
{
    tile->w_stride = PANEL_TOTALS * PACKED_DEPTH(sums, depth);
    tile->w = (const REAL *)w + block->column / PANEL_TOTALS * tile->w_stride;
    tile->depth = depth;
    tile->x = (const REAL *)x + block->row * x_stride;
    tile->x_stride = x_stride;
}

/* Lets a tile go on with the columns behind the first `columns`, from and to another place. */
INLINE TARGET void NAME(go_on)(struct NAME(tile) *tile, ptrdiff_t columns, const REAL *from,
                               ptrdiff_t from_stride, REAL *to, ptrdiff_t to_stride)
{
    tile->w += columns / PANEL_TOTALS * tile->w_stride;
    tile->from = from;
    tile->from_stride = from_stride;
    tile->to = to;
    tile->to_stride = to_stride;
}

/* Adds the recurrent part to `columns` columns; a state of zeros adds +0. */
INLINE TARGET void NAME(add_recurrent)(const struct NAME(sums) *sums,
                                       const struct BASE(block) * block,
                                       const struct NAME(tile) *tile, ptrdiff_t columns)
{
    if (block->step->h) {
        NAME(add_columns)(sums, tile, block->rows, columns);
        return;
    }
    for (ptrdiff_t row = 0; row < block->rows; row++)
        for (ptrdiff_t i = 0; i < columns; i += LANES)
            V_STORE(tile->to + row * tile->to_stride + i,
                    V_ADD(V_LOAD(tile->from + row * tile->from_stride + i), V_SET((REAL)0)));
}

/* Moves the input part of a GRU's last gate aside, and lets that gate start from its own bias: where
 * the gates are no whole panels. */
INLINE TARGET void NAME(part_last_gate)(const struct BASE(block) * block, struct NAME(tile) *tile,
                                        REAL *aside)
{
    const REAL *bias = (const REAL *)block->step->bias_h + block->unit;
    const ptrdiff_t last = 2 * block->segment;

    for (ptrdiff_t row = 0; row < block->rows; row++) {
        const REAL *from = tile->from + row * tile->from_stride;
        REAL *to = block->totals + row * block->stride;
        if (from != to)
            for (ptrdiff_t i = 0; i < last; i += LANES)
                V_STORE(to + i, V_LOAD(from + i));
        for (ptrdiff_t i = 0; i < block->segment; i += LANES) {
            const ptrdiff_t left = block->segment - i;
            const ptrdiff_t width = left < LANES ? left : LANES;
            V_STORE(aside + row * BLOCK_UNITS + i, BASE(load)(from + last + i, width));
            BASE(store)(to + last + i, V_LOAD(bias + i), width);
        }
    }
    tile->from = block->totals;
    tile->from_stride = block->stride;
}

/* The totals of a block. A GRU's last gate has a total for each part: where each gate is a whole
 * panel, the gemms write them to different places. */
INLINE TARGET void NAME(block_totals)(const struct NAME(sums) *sums, struct BASE(block) * block,
                                      ptrdiff_t gates, REAL *aside)
{
    const struct rnn_step *step = block->step;
    const ptrdiff_t columns = gates * block->segment;
    const bool separate = gates == 3 && block->segment == BLOCK_UNITS;
    const ptrdiff_t together = separate ? 2 * BLOCK_UNITS : columns;
    struct NAME(tile) tile = {
        .from = (const REAL *)step->init + block->row * step->init_stride + block->column,
        .from_stride = step->init_stride,
        .to = block->totals,
        .to_stride = block->stride,
    };

    block->aside = aside;
    block->aside_stride = BLOCK_UNITS;
    if (step->wx) {
        NAME(set_part)(sums, block, &tile, step->wx, step->depth_x, PART(step, x),
                       PART_STRIDE(sums, step, x));
        NAME(add_columns)(sums, &tile, block->rows, together);
        if (separate) {
            NAME(go_on)(&tile, together, tile.from + together, tile.from_stride, aside,
                        BLOCK_UNITS);
            NAME(add_columns)(sums, &tile, block->rows, BLOCK_UNITS);
        }
        tile.from = tile.to = block->totals;
        tile.from_stride = tile.to_stride = block->stride;
    } else if (separate) {
        block->aside = tile.from + together;
        block->aside_stride = tile.from_stride;
    }
    if (gates == 3 && !separate)
        NAME(part_last_gate)(block, &tile, aside);
    NAME(set_part)(sums, block, &tile, step->wh, step->depth_h, PART(step, h),
                   PART_STRIDE(sums, step, h));
    NAME(add_recurrent)(sums, block, &tile, together);
    if (separate) {
        NAME(go_on)(&tile, together, (const REAL *)step->bias_h + block->unit, 0,
                    block->totals + together, block->stride);
        NAME(add_recurrent)(sums, block, &tile, BLOCK_UNITS);
    }
}

/* A whole step. One instance serves all kinds: what differs between them is small beside the gemms. */
static NOINLINE
    TARGET STEP_SIZE void NAME(block_step)(const struct NAME(sums) *sums,
                                           const struct rnn_step *step, ptrdiff_t gates,
                                           void (*const update)(const struct BASE(block) *))
{
    ALIGNED REAL totals[BLOCK_ROWS * 4 * BLOCK_UNITS];
    ALIGNED REAL aside[BLOCK_ROWS * BLOCK_UNITS];
    const ptrdiff_t count = (step->end - step->first + BLOCK_UNITS - 1) / BLOCK_UNITS;
    const ptrdiff_t most = gates == 1 ? 4 * BLOCK_ROWS : BLOCK_ROWS;
    const ptrdiff_t rows = step->rows > most ? BASE(next_count)(step->rows, most) : step->rows;
    struct BASE(block) block = {
        .step = step,
        .totals = totals,
        .stride = gates * BLOCK_UNITS,
    };

    for (ptrdiff_t done = 0; done < count; done++) {
        block.unit = step->first + BLOCK_UNITS * (step->descending ? count - 1 - done : done);
        block.units = step->hidden - block.unit;
        if (block.units > BLOCK_UNITS)
            block.units = BLOCK_UNITS;
        block.segment = kernels_segment(LANES, step->hidden, block.unit);
        block.column = gates * block.unit;
        for (block.row = 0; block.row < step->rows; block.row += block.rows) {
            block.rows = step->rows - block.row < rows ? step->rows - block.row : rows;
            NAME(block_totals)(sums, &block, gates, aside);
            update(&block);
        }
    }
}

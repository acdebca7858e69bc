/* The fused step of an LSTM: panel by panel the totals of all rows, then their update while the
 * totals are in the first-level cache. Included by kernels_template.h, behind gemm_template.h and
 * update_template.h; needs its parameters. Defines NAME(lstm_step) and NAME(lstm_traced_step). What is
 * traced is a constant: a plain step has no test for it. Of a storage NAME(lstm_step) is told, which is
 * less code.
 */
/* Totals of a step: the input part, then the recurrent part, for all rows of one panel, or one row
 * of several panels (a constant). `to` is where the rows, or the panels, stand one after the
 * other. */
INLINE TARGET void NAME(step_totals)(const struct NAME(sums) *sums, const struct rnn_step *step,
                                     ptrdiff_t row, ptrdiff_t rows, ptrdiff_t unit,
                                     const int panels, REAL *to)
{
    struct NAME(tile) tile;

    tile.from = (const REAL *)step->init + row * step->init_stride + PANEL_VECTORS * unit;
    tile.from_stride = step->init_stride;
    tile.to = to;
    tile.to_stride = PANEL_TOTALS;
    if (step->wx) {
        tile.w = (const REAL *)step->wx + PANEL_VECTORS * unit * PACKED_DEPTH(sums, step->depth_x);
        tile.w_stride = PANEL_TOTALS * PACKED_DEPTH(sums, step->depth_x);
        tile.depth = step->depth_x;
        tile.x_stride = PART_STRIDE(sums, step, x);
        tile.x = (const REAL *)PART(step, x) + row * tile.x_stride;
        NAME(add_rows)(sums, tile, rows, panels);
        tile.from = to;
        tile.from_stride = PANEL_TOTALS;
    }
    if (step->h) {
        tile.w = (const REAL *)step->wh + PANEL_VECTORS * unit * PACKED_DEPTH(sums, step->depth_h);
        tile.w_stride = PANEL_TOTALS * PACKED_DEPTH(sums, step->depth_h);
        tile.depth = step->depth_h;
        tile.x_stride = PART_STRIDE(sums, step, h);
        tile.x = (const REAL *)PART(step, h) + row * tile.x_stride;
        NAME(add_rows)(sums, tile, rows, panels);
    } else {
        for (ptrdiff_t i = 0; i < rows; i++)
            for (ptrdiff_t j = 0; j < panels * PANEL_TOTALS; j += LANES)
                V_STORE(to + i * PANEL_TOTALS + j,
                        V_ADD(V_LOAD(tile.from + i * tile.from_stride + j), V_SET((REAL)0)));
    }
}

/* One group: its panels, from the last to the first where the step says so, then its update. */
INLINE TARGET void NAME(step_group)(const struct NAME(sums) *sums, const struct BASE(group) * group,
                                    const bool traced)
{
    const struct rnn_step *step = group->step;

    for (ptrdiff_t done = 0; done < group->panels; done++) {
        const ptrdiff_t panel = step->descending ? group->panels - 1 - done : done;
        REAL *to = group->totals + panel * group->rows * PANEL_TOTALS;
        NAME(step_totals)(sums, step, group->row, group->rows, group->unit + panel * LANES, 1, to);
    }
    if (traced)
        BASE(update_traced_group)(group);
    else
        BASE(update_group)(group);
}

#define PREFETCHED_LINES 8 /* 24 are as fast */
#if UPDATES_ROW
/* `panels` (a constant) panels of a batch of one row: tile and update, the totals in registers
 * between the sweeps of the update. */
INLINE TARGET void NAME(step_row_tile)(const struct NAME(sums) *sums, const struct rnn_step *step,
                                       ptrdiff_t unit, const int panels, const bool traced)
{
    ALIGNED REAL totals[ROW_PANELS * PANEL_TOTALS];
    struct BASE(place) at[ROW_PANELS];

    UNROLL
    for (int i = 0; i < panels; i++) {
        const ptrdiff_t left = step->hidden - unit - i * LANES;
        at[i] = (struct BASE(place)){0, unit + i * LANES, left < LANES ? left : LANES};
    }
    NAME(step_totals)(sums, step, 0, 1, unit, panels, totals);
    if (traced)
        BASE(trace_g)(step, totals, at, panels);
    BASE(lstm_sigmoids)(panels > 1 ? 2 : 1, totals);
    if (panels > 2)
        BASE(lstm_sigmoids)(panels - 2, totals + 2 * PANEL_TOTALS);
    BASE(lstm_states)(panels, step, totals, at);
    BASE(lstm_outputs)(panels, step, totals, at);
    if (traced)
        BASE(trace_others)(step, totals, at, panels);
}
#else
/* Prefetches where the panels begin that follow `panels` panels of one row, for which an update leaves
 * time: on AVX2, or where few weights stay in the first-level cache, that gains nothing. */
INLINE TARGET void NAME(prefetch_next)(const struct NAME(sums) *sums, const struct rnn_step *step,
                                       ptrdiff_t unit, const int panels)
{
    const ptrdiff_t next = step->descending ? unit - panels * LANES : unit + panels * LANES;
    const REAL *w = step->wx ? step->wx : step->wh;

    w += PANEL_VECTORS * next * PACKED_DEPTH(sums, step->wx ? step->depth_x : step->depth_h);
    UNROLL
    for (int i = 0; i < PREFETCHED_LINES; i++)
        PREFETCH(w + i * (CACHE_LINE / (int)sizeof(REAL)));
}

/* The same with an update that is not inlined: one more would double the code of a storage's step. */
INLINE TARGET void NAME(step_row_tile)(const struct NAME(sums) *sums, const struct rnn_step *step,
                                       ptrdiff_t unit, const int panels, const bool traced)
{
    ALIGNED REAL totals[ROW_PANELS * PANEL_TOTALS];
    const struct BASE(group) group = {step, 0, 1, unit, panels, totals};

    NAME(step_totals)(sums, step, 0, 1, unit, panels, totals);
    if (LANES > 8 && step->hidden >= 128)
        NAME(prefetch_next)(sums, step, unit, panels);
    if (traced)
        BASE(update_traced_group)(&group);
    else if (panels == 1)
        BASE(update_panel)(step, unit, totals);
    else
        BASE(update_group)(&group);
}
#endif

/* A step of one row. Its update waits for one tile only, and the next tile's weights stream in
 * meanwhile. */
INLINE TARGET void NAME(step_row)(const struct NAME(sums) *sums, const struct rnn_step *step,
                                  ptrdiff_t first, ptrdiff_t panels, const bool traced)
{
    for (ptrdiff_t done = 0, count; done < panels; done += count) {
        count = panels - done < ROW_PANELS ? 1 : ROW_PANELS;
        const ptrdiff_t panel = step->descending ? panels - done - count : done;
        if (count == ROW_PANELS)
            NAME(step_row_tile)(sums, step, first + panel * LANES, ROW_PANELS, traced);
        else
            NAME(step_row_tile)(sums, step, first + panel * LANES, 1, traced);
    }
}

/* The units [first, end) of a step; first is where a panel begins. */
INLINE TARGET void NAME(step_units)(const struct NAME(sums) *sums, const struct rnn_step *step,
                                    ptrdiff_t first, ptrdiff_t end, const bool traced)
{
    ALIGNED REAL totals[GROUP_VECTORS * PANEL_TOTALS];
    const ptrdiff_t panels = (end - first + LANES - 1) / LANES;
    struct BASE(group) group = {.step = step, .totals = totals};

    if (step->rows == 1 && ROWWISE(panels)) {
        NAME(step_row)(sums, step, first, panels, traced);
        return;
    }
    const ptrdiff_t rows = BASE(next_count)(step->rows, GROUP_VECTORS);
    const ptrdiff_t most = GROUP_VECTORS / rows;
    for (ptrdiff_t done = 0; done < panels; done += group.panels) {
        group.panels = panels - done < most ? panels - done : most;
        group.unit = first + LANES * (step->descending ? panels - done - group.panels : done);
        for (group.row = 0; group.row < step->rows; group.row += group.rows) {
            group.rows = step->rows - group.row < rows ? step->rows - group.row : rows;
            NAME(step_group)(sums, &group, traced);
        }
    }
}

#if UPDATES_ROW
static NOINLINE TARGET CHAINED void NAME(lstm_step)(const struct rnn_step *step, ptrdiff_t first,
                                                    ptrdiff_t end)
{
    NAME(step_units)(&NAME(sums), step, first, end, false);
}

static NOINLINE TARGET CHAINED void NAME(lstm_traced_step)(const struct rnn_step *step,
                                                           ptrdiff_t first, ptrdiff_t end)
{
    NAME(step_units)(&NAME(sums), step, first, end, true);
}
#else
static NOINLINE TARGET STEP_SIZE void NAME(lstm_step)(const struct NAME(sums) *sums,
                                                      const struct rnn_step *step, ptrdiff_t first,
                                                      ptrdiff_t end, bool traced)
{
    NAME(step_units)(sums, step, first, end, traced);
}
#endif

#undef PREFETCHED_LINES

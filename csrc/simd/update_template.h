/* The elementwise update of an LSTM: totals to new c and h. Included by kernels_template.h, whose
 * parameters and PANEL_VECTORS, PANEL_TOTALS, GROUP_VECTORS are all that it needs. Defines
 * NAME(update_group) for groups, the sweeps that a group consists of, NAME(lstm_sigmoids),
 * NAME(lstm_states), NAME(lstm_outputs), for constant counts, NAME(lstm_update) for rows of totals as
 * a gemm leaves them, NAME(trace_g) and NAME(trace_others).
 */
/* The totals of a group: some rows of some panels, as many vectors as one update takes at once.
 * Vector panel * rows + row of `totals` holds i, f, g, o of LANES units. */
struct NAME(group) {
    const struct rnn_step *step;
    ptrdiff_t row, rows;
    ptrdiff_t unit, panels;
    REAL *totals;
};

/* Where a vector of a group stands in the matrices. */
struct NAME(place) {
    ptrdiff_t row, unit, width;
};

INLINE TARGET vec_t NAME(load)(const REAL *p, ptrdiff_t width)
{
    return width == LANES ? V_LOAD(p) : V_LOAD_PART(p, width);
}

INLINE TARGET void NAME(store)(REAL *p, vec_t v, ptrdiff_t width)
{
    if (width == LANES)
        V_STORE(p, v);
    else
        V_STORE_PART(p, v, width);
}

/* With one lane there is nothing to put side by side: activations are called (math_template.h). */
#define SIDE_BY_SIDE (LANES > 1)

/* An update goes over the totals of `count` vectors in three sweeps, in place, each on a few
 * vectors (a constant) side by side: an activation is a long chain, and the more of them stand
 * side by side, the less the processor waits. */

/* i, f, o = sigmoid */
INLINE TARGET void NAME(lstm_sigmoids)(const int n, REAL *totals)
{
    vec_t v[6];

    UNROLL
    for (int j = 0; j < 3 * n; j++)
        v[j] = V_LOAD(totals + (j / 3 * PANEL_VECTORS + (j % 3 == 2 ? 3 : j % 3)) * LANES);
    NAME(sigmoid)(v, 3 * n);
    UNROLL
    for (int j = 0; j < 3 * n; j++)
        V_STORE(totals + (j / 3 * PANEL_VECTORS + (j % 3 == 2 ? 3 : j % 3)) * LANES, v[j]);
}

/* c' = f c + i tanh(g), kept in place of g */
INLINE TARGET void NAME(lstm_states)(const int n, const struct rnn_step *step, REAL *totals,
                                     const struct NAME(place) *at)
{
    vec_t v[6];

    UNROLL
    for (int j = 0; j < n; j++)
        v[j] = V_LOAD(totals + j * PANEL_TOTALS + 2 * LANES);
    NAME(tanh)(v, n);
    UNROLL
    for (int j = 0; j < n; j++) {
        const REAL *gates = totals + j * PANEL_TOTALS;
        const ptrdiff_t from = at[j].row * step->c_stride + at[j].unit;
        const ptrdiff_t to = at[j].row * step->c_out_stride + at[j].unit;
        vec_t c = V_SET((REAL)0);
        if (step->c)
            c = NAME(load)((const REAL *)step->c + from, at[j].width);
        c = V_FMA(V_LOAD(gates + LANES), c, V_MUL(V_LOAD(gates), v[j]));
        NAME(store)((REAL *)step->c_out + to, c, at[j].width);
        V_STORE(totals + j * PANEL_TOTALS + 2 * LANES, c);
    }
}

/* h = o tanh(c') */
INLINE TARGET void NAME(lstm_outputs)(const int n, const struct rnn_step *step, const REAL *totals,
                                      const struct NAME(place) *at)
{
    vec_t v[6];

    UNROLL
    for (int j = 0; j < n; j++)
        v[j] = V_LOAD(totals + j * PANEL_TOTALS + 2 * LANES);
    NAME(tanh)(v, n);
    UNROLL
    for (int j = 0; j < n; j++) {
        const ptrdiff_t to = at[j].row * step->h_out_stride + at[j].unit;
        v[j] = V_MUL(V_LOAD(totals + j * PANEL_TOTALS + 3 * LANES), v[j]);
        NAME(store)((REAL *)step->h_out + to, v[j], at[j].width);
    }
}

/* The totals of a group to its new c and h. */
static NOINLINE TARGET CHAINED void NAME(update_group)(const struct NAME(group) *group)
{
    const struct rnn_step *step = group->step;
    const ptrdiff_t count = group->rows * group->panels;
    struct NAME(place) at[GROUP_VECTORS];
    REAL *totals = group->totals;
    ptrdiff_t i = 0;

    for (ptrdiff_t panel = 0; panel < group->panels; panel++) {
        const ptrdiff_t unit = group->unit + panel * LANES;
        const ptrdiff_t width = step->hidden - unit < LANES ? step->hidden - unit : LANES;
        for (ptrdiff_t row = 0; row < group->rows; row++, i++)
            at[i] = (struct NAME(place)){group->row + row, unit, width};
    }
    for (i = 0; SIDE_BY_SIDE && i + 2 <= count; i += 2)
        NAME(lstm_sigmoids)(2, totals + i * PANEL_TOTALS);
    for (; i < count; i += SIDE_BY_SIDE ? count : 1)
        NAME(lstm_sigmoids)(1, totals + i * PANEL_TOTALS);
    for (i = 0; SIDE_BY_SIDE && i + 4 <= count; i += 4)
        NAME(lstm_states)(4, step, totals + i * PANEL_TOTALS, at + i);
    for (; SIDE_BY_SIDE && i + 2 <= count; i += 2)
        NAME(lstm_states)(2, step, totals + i * PANEL_TOTALS, at + i);
    for (; i < count; i += SIDE_BY_SIDE ? count : 1)
        NAME(lstm_states)(1, step, totals + i * PANEL_TOTALS, at + i);
    for (i = 0; SIDE_BY_SIDE && i + 4 <= count; i += 4)
        NAME(lstm_outputs)(4, step, totals + i * PANEL_TOTALS, at + i);
    for (; SIDE_BY_SIDE && i + 2 <= count; i += 2)
        NAME(lstm_outputs)(2, step, totals + i * PANEL_TOTALS, at + i);
    for (; i < count; i += SIDE_BY_SIDE ? count : 1)
        NAME(lstm_outputs)(1, step, totals + i * PANEL_TOTALS, at + i);
}

/* The totals of one panel of one row to its new c and h, for the steps of storages. */
static NOINLINE TARGET CHAINED void NAME(update_panel)(const struct rnn_step *step, ptrdiff_t unit,
                                                       REAL *totals)
{
    const ptrdiff_t left = step->hidden - unit;
    const struct NAME(place) at = {0, unit, left < LANES ? left : LANES};

    NAME(lstm_sigmoids)(1, totals);
    NAME(lstm_states)(1, step, totals, &at);
    NAME(lstm_outputs)(1, step, totals, &at);
}

/* One vector to a matrix of the trace. */
INLINE TARGET void NAME(trace_vector)(const struct rnn_step *step, void *matrix, ptrdiff_t row,
                                      ptrdiff_t unit, ptrdiff_t width, vec_t v)
{
    if (matrix)
        NAME(store)((REAL *)matrix + row * step->trace->stride + unit, v, width);
}

/* g = tanh of `count` vectors, before their update, which keeps no g. A second tanh is less than a
 * second copy of the update. */
static NOINLINE TARGET CHAINED void NAME(trace_g)(const struct rnn_step *step, const REAL *totals,
                                                  const struct NAME(place) *at, ptrdiff_t count)
{
    enum { ABREAST = LANES > 1 ? 4 : 1 };
    vec_t v[ABREAST];

    for (ptrdiff_t i = 0; step->trace->gates[2] && i < count; i += ABREAST) {
        for (ptrdiff_t j = 0; j < ABREAST; j++)
            v[j] = i + j < count ? V_LOAD(totals + (i + j) * PANEL_TOTALS + 2 * LANES)
                                 : V_SET((REAL)0);
        NAME(tanh)(v, ABREAST);
        for (ptrdiff_t j = 0; j < ABREAST && i + j < count; j++)
            NAME(trace_vector)(step, step->trace->gates[2], at[i + j].row, at[i + j].unit,
                               at[i + j].width, v[j]);
    }
}

/* i, f, o and c' of `count` vectors, which their update has left in place, and h'. */
static NOINLINE TARGET void NAME(trace_others)(const struct rnn_step *step, const REAL *totals,
                                               const struct NAME(place) *at, ptrdiff_t count)
{
    const struct gate_trace *trace = step->trace;
    void *const matrices[] = {trace->gates[0], trace->gates[1], trace->c, trace->gates[3]};

    for (ptrdiff_t i = 0; i < count; i++) {
        const ptrdiff_t row = at[i].row, unit = at[i].unit, width = at[i].width;
        const REAL *h = (const REAL *)step->h_out + row * step->h_out_stride + unit;
        for (int j = 0; j < PANEL_VECTORS; j++)
            NAME(trace_vector)(step, matrices[j], row, unit, width,
                               V_LOAD(totals + i * PANEL_TOTALS + j * LANES));
        NAME(trace_vector)(step, trace->h, row, unit, width, NAME(load)(h, width));
    }
}

/* update_group(), with a trace. */
static NOINLINE TARGET void NAME(update_traced_group)(const struct NAME(group) *group)
{
    struct NAME(place) at[GROUP_VECTORS];
    ptrdiff_t count = 0;

    for (ptrdiff_t panel = 0; panel < group->panels; panel++) {
        const ptrdiff_t unit = group->unit + panel * LANES, left = group->step->hidden - unit;
        for (ptrdiff_t row = 0; row < group->rows; row++)
            at[count++] = (struct NAME(place)){group->row + row, unit, left < LANES ? left : LANES};
    }
    NAME(trace_g)(group->step, group->totals, at, count);
    NAME(update_group)(group);
    NAME(trace_others)(group->step, group->totals, at, count);
}

/* The units [first, end) of all rows; first is where a panel begins. */
static NOINLINE TARGET void NAME(lstm_update)(const struct rnn_step *step, REAL *totals,
                                              ptrdiff_t stride, ptrdiff_t first, ptrdiff_t end)
{
    const ptrdiff_t panels = (end - first + LANES - 1) / LANES;
    struct NAME(group) group = {.step = step, .rows = 1};

    for (group.row = 0; group.row < step->rows; group.row++)
        for (ptrdiff_t done = 0; done < panels; done += group.panels) {
            group.panels = panels - done < GROUP_VECTORS ? panels - done : GROUP_VECTORS;
            group.unit = first + done * LANES;
            group.totals = totals + group.row * stride + PANEL_VECTORS * group.unit;
            NAME(update_group)(&group);
        }
}

#undef SIDE_BY_SIDE

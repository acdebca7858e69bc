/* Entry points of one instruction set and dtype: included by kernels_template.h for the
 * instance that serves whole panels.
 *
 * Further parameters; all but LEVEL and PRECOMPUTE_ROWS are undefined at the end:
 *   ENTRY(x)      x with a suffix of this instruction set and dtype
 *   LEVEL         its name, a string
 *   PRECOMPUTE_ROWS    see struct rnn_kernels
 *   NARROW(x), NARROW_LANES   optional: an earlier instance with fewer lanes that takes the
 *                 last panel where it is enough
 */
static TARGET void ENTRY(lstm_step)(const struct rnn_step *step)
{
#if NARROW_LANES
    const ptrdiff_t tail = step->hidden % LANES;
    const ptrdiff_t whole = step->hidden - tail;
    if (tail && tail <= NARROW_LANES && step->end > whole) {
        NAME(lstm_step)(step, step->first, whole);
        NARROW(lstm_step)(step, whole, step->end);
        return;
    }
#endif
    NAME(lstm_step)(step, step->first, step->end);
}

static TARGET void ENTRY(lstm_traced_step)(const struct rnn_step *step)
{
#if NARROW_LANES
    const ptrdiff_t tail = step->hidden % LANES;
    const ptrdiff_t whole = step->hidden - tail;
    if (tail && tail <= NARROW_LANES && step->end > whole) {
        NAME(lstm_traced_step)(step, step->first, whole);
        NARROW(lstm_traced_step)(step, whole, step->end);
        return;
    }
#endif
    NAME(lstm_traced_step)(step, step->first, step->end);
}

static TARGET void ENTRY(lstm_update)(const struct rnn_step *step, void *totals, ptrdiff_t stride)
{
#if NARROW_LANES
    const ptrdiff_t tail = step->hidden % LANES;
    const ptrdiff_t whole = step->hidden - tail;
    if (tail && tail <= NARROW_LANES && step->end > whole) {
        NAME(lstm_update)(step, totals, stride, step->first, whole);
        NARROW(lstm_update)(step, totals, stride, whole, step->end);
        return;
    }
#endif
    NAME(lstm_update)(step, totals, stride, step->first, step->end);
}

static TARGET void ENTRY(gru_step)(const struct rnn_step *step)
{
    NAME(block_step)(&NAME(sums), step, 3, NAME(gru_update));
}

static TARGET void ENTRY(gru_traced_step)(const struct rnn_step *step)
{
    NAME(block_step)(&NAME(sums), step, 3, NAME(gru_traced_update));
}

static TARGET void ENTRY(rnn_tanh_step)(const struct rnn_step *step)
{
    NAME(block_step)(&NAME(sums), step, 1, NAME(rnn_tanh_update));
}

static TARGET void ENTRY(rnn_relu_step)(const struct rnn_step *step)
{
    NAME(block_step)(&NAME(sums), step, 1, NAME(rnn_relu_update));
}

static TARGET void ENTRY(lstm_variant_step)(const struct rnn_step *step)
{
    NAME(block_step)(&NAME(sums), step, 4, NAME(lstm_variant_update));
}

static TARGET void ENTRY(gru_variant_step)(const struct rnn_step *step)
{
    NAME(block_step)(&NAME(sums), step, 3, NAME(gru_variant_update));
}

static TARGET void ENTRY(gru_reset_before_step)(const struct rnn_step *step)
{
    NAME(reset_before_step)(&NAME(sums), step);
}

static TARGET void ENTRY(gemm)(const struct gemm *gemm)
{
#if NARROW_LANES
    const ptrdiff_t tail = gemm->units % LANES;
    if (tail && tail <= NARROW_LANES) {
        const ptrdiff_t whole = gemm->units - tail;
        NAME(gemm)(&NAME(sums), gemm, 0, whole);
        NARROW(gemm)(&NARROW(sums), gemm, whole, gemm->units);
        return;
    }
#endif
    NAME(gemm)(&NAME(sums), gemm, 0, gemm->units);
}

static TARGET bool ENTRY(pack)(const struct panel *panel, void *packed)
{
#if NARROW_LANES
    if (panel->lanes == NARROW_LANES)
        return NARROW(pack)(panel, packed);
#endif
    return NAME(pack)(panel, packed);
}

static TARGET bool ENTRY(is_packed)(const struct panel *panel, const void *packed)
{
#if NARROW_LANES
    if (panel->lanes == NARROW_LANES)
        return NARROW(is_packed)(panel, packed);
#endif
    return NAME(is_packed)(panel, packed);
}

static TARGET bool ENTRY(same)(const void *a, const void *b, ptrdiff_t count)
{
    return NAME(same)(a, b, count);
}

#define DEFINE_ACTIVATION(activation)                                                              \
    static TARGET void ENTRY(activation)(const void *x, void *out, ptrdiff_t count)                \
    {                                                                                              \
        const REAL *from = x;                                                                      \
        REAL *to = out;                                                                            \
        for (ptrdiff_t i = 0; i < count; i += LANES) {                                             \
            const bool whole = count - i >= LANES;                                                 \
            vec_t v = whole ? V_LOAD(from + i) : V_LOAD_PART(from + i, count - i);                 \
            NAME(activation)(&v, 1);                                                               \
            if (whole)                                                                             \
                V_STORE(to + i, v);                                                                \
            else                                                                                   \
                V_STORE_PART(to + i, v, count - i);                                                \
        }                                                                                          \
    }
DEFINE_ACTIVATION(sigmoid)
DEFINE_ACTIVATION(tanh)
#undef DEFINE_ACTIVATION

static const struct rnn_kernels ENTRY(kernels) = {
    .level = LEVEL,
    .dtype = REAL_IS_FLOAT ? DTYPE_FLOAT32 : DTYPE_FLOAT64,
    .storage = &storage_formats[STORAGE_FLOAT],
    .itemsize = sizeof(REAL),
    .lanes = LANES,
    .narrow_lanes = NARROW_LANES,
    .precompute_rows = PRECOMPUTE_ROWS,
    .gemm = ENTRY(gemm),
    .step =
        {
            [CELL_LSTM] = ENTRY(lstm_step),
            [CELL_GRU] = ENTRY(gru_step),
            [CELL_RNN_TANH] = ENTRY(rnn_tanh_step),
            [CELL_RNN_RELU] = ENTRY(rnn_relu_step),
            [STEP_LSTM_VARIANT] = ENTRY(lstm_variant_step),
            [STEP_GRU_VARIANT] = ENTRY(gru_variant_step),
            [STEP_GRU_RESET_BEFORE] = ENTRY(gru_reset_before_step),
        },
    .traced_step =
        {
            [CELL_LSTM] = ENTRY(lstm_traced_step),
            [CELL_GRU] = ENTRY(gru_traced_step),
            [CELL_RNN_TANH] = ENTRY(rnn_tanh_step),
            [CELL_RNN_RELU] = ENTRY(rnn_relu_step),
        },
    .lstm_update = ENTRY(lstm_update),
    .pack = ENTRY(pack),
    .is_packed = ENTRY(is_packed),
    .same = ENTRY(same),
    .sigmoid = ENTRY(sigmoid),
    .tanh = ENTRY(tanh),
};

#undef ENTRY

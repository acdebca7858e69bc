/* Entry points of compressed weights: included by storage_template.h for the instance that serves whole
 * panels. Parameters that entry_template.h has too mean the same; BASE_ENTRY(x) is its ENTRY(x) for
 * floats.
 */
#if TERMS
/* Makes integers of x and h, where PART() finds them. */
static NOINLINE TARGET void ENTRY(prepare)(const struct rnn_step *step)
{
    if (step->wx)
        NAME(quantise_rows)(step->x, step->x_stride, step->depth_x, &step->rows_x, 0, step->rows);
    PREPARE_H(step);
}

/* A copy in which x is of integers. */
static TARGET struct gemm ENTRY(prepared_gemm)(const struct gemm *given)
{
    struct gemm gemm = *given;

    for (ptrdiff_t group = 0; group < gemm.groups; group++)
        NAME(quantise_rows)((const REAL *)gemm.x + group * gemm.x_group, gemm.x_stride, gemm.depth,
                            &gemm.rows_x, group * gemm.rows, gemm.rows);
    gemm.x = gemm.rows_x.memory;
    gemm.x_stride = NAME(row_stride)(gemm.depth, gemm.rows_x.planes);
    gemm.x_group = gemm.rows * gemm.x_stride;
    return gemm;
}

#define PREPARE(step) ENTRY(prepare)(step)
#else
#define PREPARE(step) ((void)(step))
#endif

INLINE TARGET void ENTRY(lstm_units)(const struct rnn_step *step, bool traced)
{
    PREPARE(step);
#if NARROW_LANES
    const ptrdiff_t tail = step->hidden % LANES;
    const ptrdiff_t whole = step->hidden - tail;
    if (tail && tail <= NARROW_LANES && step->end > whole) {
        NAME(lstm_step)(step, step->first, whole, traced);
        NARROW(lstm_step)(step, whole, step->end, traced);
        return;
    }
#endif
    NAME(lstm_step)(step, step->first, step->end, traced);
}

static TARGET void ENTRY(lstm_step)(const struct rnn_step *step) { ENTRY(lstm_units)(step, false); }

static TARGET void ENTRY(lstm_traced_step)(const struct rnn_step *step)
{
    ENTRY(lstm_units)(step, true);
}

#define DEFINE_STEP(name, gates, update)                                                           \
    static TARGET void ENTRY(name)(const struct rnn_step *step)                                    \
    {                                                                                              \
        PREPARE(step);                                                                             \
        NAME(block_step)(step, gates, BASE(update));                                               \
    }
DEFINE_STEP(gru_step, 3, gru_update)
DEFINE_STEP(gru_traced_step, 3, gru_traced_update)
DEFINE_STEP(rnn_tanh_step, 1, rnn_tanh_update)
DEFINE_STEP(rnn_relu_step, 1, rnn_relu_update)
DEFINE_STEP(lstm_variant_step, 4, lstm_variant_update)
DEFINE_STEP(gru_variant_step, 3, gru_variant_update)
#undef DEFINE_STEP

static TARGET void ENTRY(gru_reset_before_step)(const struct rnn_step *step)
{
    PREPARE(step);
    NAME(reset_before_step)(step);
}

static TARGET void ENTRY(gemm)(const struct gemm *given)
{
#if TERMS
    const struct gemm prepared = ENTRY(prepared_gemm)(given), *gemm = &prepared;
#else
    const struct gemm *gemm = given;
#endif
#if NARROW_LANES
    const ptrdiff_t tail = gemm->units % LANES;
    if (tail && tail <= NARROW_LANES) {
        NAME(gemm)(gemm, 0, gemm->units - tail);
        NARROW(gemm)(gemm, gemm->units - tail, gemm->units);
        return;
    }
#endif
    NAME(gemm)(gemm, 0, gemm->units);
}
#undef PREPARE

#define STORAGE_KERNELS(kind, packer)                                                              \
    {                                                                                              \
        .level = LEVEL,                                                                            \
        .dtype = DTYPE_FLOAT32,                                                                    \
        .storage = &storage_formats[kind],                                                         \
        .itemsize = sizeof(REAL),                                                                  \
        .lanes = LANES,                                                                            \
        .narrow_lanes = NARROW_LANES,                                                              \
        .precompute_rows = PRECOMPUTE_ROWS,                                                        \
        .gemm = ENTRY(gemm),                                                                       \
        .step =                                                                                    \
            {                                                                                      \
                [CELL_LSTM] = ENTRY(lstm_step),                                                    \
                [CELL_GRU] = ENTRY(gru_step),                                                      \
                [CELL_RNN_TANH] = ENTRY(rnn_tanh_step),                                            \
                [CELL_RNN_RELU] = ENTRY(rnn_relu_step),                                            \
                [STEP_LSTM_VARIANT] = ENTRY(lstm_variant_step),                                    \
                [STEP_GRU_VARIANT] = ENTRY(gru_variant_step),                                      \
                [STEP_GRU_RESET_BEFORE] = ENTRY(gru_reset_before_step),                            \
            },                                                                                     \
        .traced_step =                                                                             \
            {                                                                                      \
                [CELL_LSTM] = ENTRY(lstm_traced_step),                                             \
                [CELL_GRU] = ENTRY(gru_traced_step),                                               \
                [CELL_RNN_TANH] = ENTRY(rnn_tanh_step),                                            \
                [CELL_RNN_RELU] = ENTRY(rnn_relu_step),                                            \
            },                                                                                     \
        .lstm_update = BASE_ENTRY(lstm_update),                                                    \
        .pack = packer,                                                                            \
        .same = BASE_ENTRY(same),                                                                  \
        .sigmoid = BASE_ENTRY(sigmoid),                                                            \
        .tanh = BASE_ENTRY(tanh),                                                                  \
    }

#if TERMS == 4
static const struct rnn_kernels ENTRY(int8) = STORAGE_KERNELS(STORAGE_INT8, storage_pack_int8);
static const struct rnn_kernels ENTRY(int8_fast) = STORAGE_KERNELS(STORAGE_INT8_FAST,
                                                                   storage_pack_int8);
#elif TERMS == 2
static const struct rnn_kernels ENTRY(int16) = STORAGE_KERNELS(STORAGE_INT16, storage_pack_int16);
#else
static const struct rnn_kernels ENTRY(floats) = STORAGE_KERNELS(FLOATS, PACK);
#endif

#undef STORAGE_KERNELS
#undef ENTRY
#undef BASE_ENTRY

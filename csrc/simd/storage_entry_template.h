/* Entry points of one storage: the steps that storage_steps_template.h has for its kind, with its sums.
 * Included by storage_template.h for the instance that serves whole panels. Parameters that
 * entry_template.h has too mean the same; BASE_ENTRY(x) is its ENTRY(x) for floats.
 */
static TARGET void ENTRY(lstm_step)(const struct rnn_step *step)
{
    STEPS(lstm_units)(&NAME(sums), step, false);
}

static TARGET void ENTRY(lstm_traced_step)(const struct rnn_step *step)
{
    STEPS(lstm_units)(&NAME(sums), step, true);
}

#define DEFINE_STEP(name, gates, update)                                                           \
    static TARGET void ENTRY(name)(const struct rnn_step *step)                                    \
    {                                                                                              \
        STEPS(block_units)(&NAME(sums), step, gates, BASE(update));                                \
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
    STEPS(reset_before_units)(&NAME(sums), step);
}

static TARGET void ENTRY(gemm)(const struct gemm *gemm) { STEPS(gemm_units)(&NAME(sums), gemm); }

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

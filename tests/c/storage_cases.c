/* Compressed weights: networks of every storage against the reference, in every flavour. The reference
 * computes each row alone and step by step, so that equal bytes say that no bit depends on the batch or
 * on where a sequence is cut. */
#include "cases.h"

#include "../../csrc/core/compress.h"
#include "network_runs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void check_flavours(const struct network_shape *shape, const struct network_data *data)
{
    const ptrdiff_t size = network_result_size(data);
    double *expected = must_allocate((size_t)(2 * size), sizeof *expected);
    double *out = expected + size;

    network_describe(shape, "reference");
    network_expect(shape, data, expected);
    for (int i = 0; kernels_flavour_name(i); i++) {
        const char *flavour = kernels_flavour_name(i);
        for (enum placement placement = 0;
             kernels_flavour_available(i) && placement < PLACEMENT_COUNT; placement++) {
            network_describe(shape, flavour);
            network_run(flavour, shape, data, placement, out);
            const ptrdiff_t at = real_difference(expected, out, size);
            check(at < 0, "differs at %td of y %td, h_n %td, c_n %td: %a, expected %a", at,
                  data->y_size, data->h_size, data->c_size, out[at < 0 ? 0 : at],
                  expected[at < 0 ? 0 : at]);
        }
    }
    free(expected);
}

static void check_shape(const struct network_shape *shape)
{
    struct network_data data = network_data_make(shape);

    check_flavours(shape, &data);
    network_data_free(&data);
}

/* The storages one after the other. */
static enum storage storage_of(ptrdiff_t number)
{
    return (enum storage)(1 + number % (STORAGES - 1));
}

/* Everything that a network and a call may have, drawn. */
static void check_drawn(const struct plan *plan)
{
    static const ptrdiff_t hidden[] = {1, 4, 7, 16, 20, 33, 40, 70};
    static const ptrdiff_t steps[] = {1, 2, 5, 9, 27};

    for (ptrdiff_t number = 0; number < 60 * CELL_KINDS * INSIDE_COUNT * (STORAGES - 1); number++) {
        struct random random = random_seed((uint64_t)number);
        struct network_shape shape = {
            .dtype = DTYPE_FLOAT32, .storage = storage_of(number), .seed = (uint64_t)number};
        shape.kind = (enum cell_kind)(number / (STORAGES - 1) % CELL_KINDS);
        shape.inside = (enum inside)(number / (STORAGES - 1) / CELL_KINDS % INSIDE_COUNT);
        shape.ragged = shape.inside != INSIDE_RESETS && random_below(&random, 2);
        if (!network_is_packed(&shape) && random_below(&random, 2)) {
            shape.traced = (int)random_below(&random, 1 << TRACES);
        }
        shape.num_layers = 1 + random_below(&random, 3);
        shape.num_directions = 1 + (int)random_below(&random, 2);
        shape.reverse = shape.num_directions == 1 && random_below(&random, 2);
        shape.bias = random_below(&random, 4);
        shape.input_size = 1 + random_below(&random, 70);
        shape.hidden_size = hidden[random_below(&random, 8)];
        if (cells[shape.kind].may_project && random_below(&random, 3) == 0) {
            shape.proj_size = 1 + random_below(&random, shape.hidden_size);
        }
        if (random_below(&random, 3) == 0) {
            shape.variant = random_variant(&random, shape.kind);
        }
        shape.steps = steps[random_below(&random, 5)];
        shape.batch = 1 + random_below(&random, 12);
        shape.batch_major = random_below(&random, 2);
        shape.with_h0 = random_below(&random, 2);
        shape.with_c0 = random_below(&random, 2);
        shape.gap = random_below(&random, 3);
        shape.dropout = random_below(&random, 4) ? 0.0 : 0.3;
        shape.values = random_below(&random, 3) ? VALUES_ORDINARY
                                                : (enum values)random_below(&random, VALUES_COUNT);
        if (number % plan->every == 0 && (!plan->ordinary || shape.values == VALUES_ORDINARY)) {
            check_shape(&shape);
        }
    }
}

/* A single step: every hidden size and batch, tails of all depths. */
static void check_sizes(const struct plan *plan)
{
    for (ptrdiff_t number = 0; number < 70 * CELL_KINDS * (STORAGES - 1); number++) {
        struct network_shape shape = {.dtype = DTYPE_FLOAT32,
                                      .storage = storage_of(number),
                                      .kind =
                                          (enum cell_kind)(number / (STORAGES - 1) % CELL_KINDS),
                                      .num_layers = 1,
                                      .num_directions = 1,
                                      .steps = 1,
                                      .bias = true,
                                      .with_h0 = number % 7 != 0,
                                      .y_is_h_n = true,
                                      .seed = (uint64_t)number};
        shape.hidden_size = 1 + number / (CELL_KINDS * (STORAGES - 1));
        shape.input_size = 1 + number % 67;
        shape.batch = 1 + number % 9;
        shape.values = number % 5 ? VALUES_ORDINARY : VALUES_SPECIAL;
        if (number % plan->every == 0 && (!plan->ordinary || shape.values == VALUES_ORDINARY)) {
            check_shape(&shape);
        }
    }
}

/* Rows of several exact sums, and the largest sums that there can be. */
static void check_long_sums(const struct plan *plan)
{
    static const ptrdiff_t depths[] = {255, 256, 257, 513, 2047, 2048, 2049, 4100};

    for (ptrdiff_t number = 0; number < 3 * 8 * (STORAGES - 1); number++) {
        struct network_shape shape = {.dtype = DTYPE_FLOAT32,
                                      .storage = storage_of(number),
                                      .kind = number % 2 ? CELL_LSTM : CELL_RNN_TANH,
                                      .num_layers = 1,
                                      .num_directions = 1,
                                      .steps = 1 + number % 3,
                                      .batch = 1 + number % 4,
                                      .seed = (uint64_t)number};
        shape.input_size = depths[number / (STORAGES - 1) % 8];
        shape.hidden_size = 3 + number % 17;
        struct network_data data = network_data_make(&shape);
        const ptrdiff_t extreme = number / (STORAGES - 1) / 8; /* 1: one sign, 2: two signs */
        for (ptrdiff_t i = 0; extreme && i < data.params_size; i++) {
            data.params[i] = i % 3 && extreme == 2 ? -0.5 : 0.5;
        }
        for (ptrdiff_t i = 0; extreme && i < data.rows * shape.input_size; i++) {
            data.x[i] = i / shape.input_size % 2 ? -3.0 : 3.0;
        }
        if (number % plan->every == 0) {
            check_flavours(&shape, &data);
        }
        network_data_free(&data);
    }
}

/* States around the bound at which h leaves its fixed scale. */
static void check_states_beyond_one(const struct plan *plan)
{
    static const double states[] = {1.0, 0x1.000002p+0, -0x1.000002p+0, -1.0, 0x1.fffffep-1, 7.5};

    for (ptrdiff_t number = 0; number < 6 * CELL_KINDS * (STORAGES - 1); number++) {
        struct network_shape shape = {.dtype = DTYPE_FLOAT32,
                                      .storage = storage_of(number),
                                      .kind =
                                          (enum cell_kind)(number / (STORAGES - 1) % CELL_KINDS),
                                      .input_size = 5,
                                      .hidden_size = 21,
                                      .num_layers = 2,
                                      .num_directions = 1,
                                      .bias = true,
                                      .steps = 6,
                                      .batch = 3,
                                      .with_h0 = true,
                                      .seed = (uint64_t)number};
        struct network_data data = network_data_make(&shape);
        data.h0[number % shape.hidden_size] = states[number / (STORAGES - 1) / CELL_KINDS];
        if (number % plan->every == 0) {
            check_flavours(&shape, &data);
        }
        network_data_free(&data);
    }
}

/* A row of equal weights is held within half its scale, and is sound. */
static void check_row_of(enum storage storage, float weight)
{
    float weights[512], back[512], scale;
    int16_t stored[512];

    for (int i = 0; i < 512; i++) {
        weights[i] = i % 2 ? -weight : weight;
    }
    check(storage_compress(storage, weights, 1, 512, stored, &scale), "%s of %g",
          storage_formats[storage].name, (double)weight);
    check(storage_is_sound(storage, stored, &scale, 1, 512), "%s of %g is sound",
          storage_formats[storage].name, (double)weight);
    storage_widen(storage, stored, &scale, 1, 512, back);
    for (int i = 0; i < 512; i++) {
        check(fabs((double)back[i] - (double)weights[i]) <= 0.50001 * (double)scale,
              "%s of %g is %g", storage_formats[storage].name, (double)weights[i], (double)back[i]);
    }
}

/* What a storage cannot hold is refused; what stored weights may be is checked. */
static void check_refusals(void)
{
    static const float refused[][2] = {{INFINITY, 1}, {NAN, 1}, {65505.0F, 0}, {-65536.0F, 0}};
    static const float wide[] = {3.4e38F, 0x1p+127F, 0x1p-149F, 0x1.8p-143F, 0x1p-130F};
    static const float held[] = {65504.0F, -65504.0F, 0x1p-24F, 0x1p-149F, 0.0F, -0.0F};
    int8_t bytes[4] = {127, -127, 0, 1};
    int16_t words[512], stored[3];
    float weights[3] = {0.5F, 1.0F, 2.0F}, scale = 1.0F;

    case_begin("refusals of storages");
    for (int i = 0; i < 4; i++) {
        weights[1] = refused[i][0];
        for (enum storage storage = STORAGE_INT8; storage <= STORAGE_INT16; storage++) {
            check(storage_compress(storage, weights, 1, 3, stored, &scale) ==
                      (refused[i][1] == 0.0F),
                  "%s of %g", storage_formats[storage].name, (double)weights[1]);
        }
        check(storage_compress(STORAGE_FLOAT16, weights, 1, 3, stored, NULL) == (i < 2),
              "float16 of %g", (double)weights[1]);
        check(storage_compress(STORAGE_BFLOAT16, weights, 1, 3, stored, NULL), "bfloat16 of %g",
              (double)weights[1]);
    }
    weights[1] = 3.4e38F;
    check(!storage_compress(STORAGE_BFLOAT16, weights, 1, 3, stored, NULL), "bfloat16 of 3.4e38");
    for (int i = 0; i < 6; i++) {
        float back;
        check(storage_compress(STORAGE_FLOAT16, &held[i], 1, 1, stored, NULL), "float16 of %g",
              (double)held[i]);
        storage_widen(STORAGE_FLOAT16, stored, NULL, 1, 1, &back);
        check(back == (i == 3 ? 0.0F : held[i]), "float16 of %g is %g", (double)held[i],
              (double)back);
    }
    for (enum storage storage = STORAGE_INT8; storage <= STORAGE_INT16; storage++) {
        weights[1] = -0x1.fffffep+127F;
        check(!storage_compress(storage, weights, 1, 3, stored, &scale), "%s of FLT_MAX",
              storage_formats[storage].name);
        for (int i = 0; i < 5; i++) {
            check_row_of(storage, wide[i]);
        }
    }
    scale = 1.0F;
    check(storage_is_sound(STORAGE_INT8, bytes, &scale, 1, 4), "-127 is sound");
    bytes[2] = -128;
    check(!storage_is_sound(STORAGE_INT8, bytes, &scale, 1, 4), "-128 is not sound");
    bytes[2] = 0;
    for (int i = 0; i < 4; i++) {
        scale = i == 0 ? NAN : i == 1 ? -1.0F : i == 2 ? INFINITY : 0x1p+122F;
        check(!storage_is_sound(STORAGE_INT8, bytes, &scale, 1, 4), "scale %g", (double)scale);
    }
    scale = 1.0F;
    for (int i = 0; i < 512; i++) {
        words[i] = (int16_t)(i % 2 ? -1024 : 1024);
    }
    check(storage_is_sound(STORAGE_INT16, words, &scale, 1, 512), "256 times 1024 is sound");
    words[300] = 1056; /* the sum is 262176: 8191 times that is 2^31 - 32 */
    check(storage_is_sound(STORAGE_INT16, words, &scale, 1, 512), "the largest sum is sound");
    words[300] = 1057;
    check(!storage_is_sound(STORAGE_INT16, words, &scale, 1, 512), "a larger sum is not sound");
}

/* Every 16 bits widen to what they are, and back. */
static void check_halves(void)
{
    case_begin("every float of 16 bits");
    for (unsigned bits = 0; bits < 1 << 16; bits++) {
        for (enum storage storage = STORAGE_BFLOAT16; storage <= STORAGE_FLOAT16; storage++) {
            const uint16_t half = (uint16_t)bits;
            uint16_t back;
            float value;
            storage_widen(storage, &half, NULL, 1, 1, &value);
            check(storage_compress(storage, &value, 1, 1, &back, NULL) &&
                      (value != value || back == half),
                  "%s %x is %a, then %x", storage_formats[storage].name, bits, (double)value, back);
        }
    }
}

/* Weights of 16 bits at the ends of what they hold: subnormal, largest, zeros of both signs; and an
 * infinite one. A relu lets sums pass as they are. */
static void check_extreme_halves(const struct plan *plan)
{
    static const double weights[] = {0x1p-24,  -0x1.8p-23, 0x1.ffcp-1, -0.0,    65504.0, -65504.0,
                                     0x1p-133, -0x1p-126,  0x1p-14,    0x1p127, 1.0};

    for (ptrdiff_t number = 0; number < 2 * 3 * 3 * 40; number++) {
        struct network_shape shape = {.dtype = DTYPE_FLOAT32,
                                      .storage = number % 2 ? STORAGE_FLOAT16 : STORAGE_BFLOAT16,
                                      .kind = number / 2 % 3 == 0   ? CELL_LSTM
                                              : number / 2 % 3 == 1 ? CELL_GRU
                                                                    : CELL_RNN_RELU,
                                      .num_layers = 1,
                                      .num_directions = 1,
                                      .infinite = number / 6 % 3 == 0,
                                      .steps = 2,
                                      .seed = (uint64_t)number};
        shape.hidden_size = 1 + number / 18;
        shape.input_size = 1 + number % 37;
        shape.batch = 1 + number % 8;
        struct network_data data = network_data_make(&shape);
        for (ptrdiff_t i = number % 4; i < data.params_size; i += 4) {
            const double weight = weights[(i + number) % (number % 2 ? 6 : 11)];
            data.params[i] = data.params[i] - data.params[i] == 0.0 ? weight : data.params[i];
        }
        if (number % plan->every == 0 && !plan->ordinary) {
            check_flavours(&shape, &data);
        }
        network_data_free(&data);
    }
}

void check_storages(const struct plan *plan)
{
    check_refusals();
    check_halves();
    check_sizes(plan);
    check_long_sums(plan);
    check_states_beyond_one(plan);
    check_extreme_halves(plan);
    check_drawn(plan);
    check_storage_rows(plan);
}

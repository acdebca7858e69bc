#include "cases.h"

#include "environment.h"
#include "network_runs.h"

#include <stdlib.h>
#include <string.h>

static void check_network(const struct network_shape *shape)
{
    struct network_data data = network_data_make(shape);
    const ptrdiff_t size = network_result_size(&data);
    double *expected = must_allocate((size_t)(2 * size), sizeof *expected);
    double *out = expected + size;

    network_expect(shape, &data, expected);
    for (const char *level, *const *next = levels(); (level = *next) != NULL; next++) {
        for (enum placement placement = 0; placement < PLACEMENT_COUNT; placement++) {
            network_describe(shape, level);
            network_run(level, shape, &data, placement, out);
            ptrdiff_t at = real_difference(expected, out, size);
            check(at < 0, "differs at %td of y %td, h_n %td, c_n %td: %a, expected %a", at,
                  data.y_size, data.h_size, data.c_size, out[at < 0 ? 0 : at],
                  expected[at < 0 ? 0 : at]);
        }
    }
    free(expected);
    network_data_free(&data);
}

/* Gives the call lengths, resets or a trace. */
static void set_inside(struct random *random, struct network_shape *shape)
{
    shape->inside = (enum inside)random_below(random, INSIDE_COUNT);
    shape->traced = random_below(random, 2) ? 0 : (int)random_below(random, 1 << TRACES);
    if (random_below(random, 4) == 0) {
        shape->traced = (1 << TRACES) - 1;
    }
    shape->ragged = shape->inside != INSIDE_RESETS && shape->inside != INSIDE_NOTHING &&
                    random_below(random, 5);
    shape->batch = 1 + random_below(random, 12);
    shape->infinite = random_below(random, 6) == 0;
    if (random_below(random, 2)) {
        shape->variant = (struct cell_variant){0};
    }
}

/* The segments of each row alone, as plain calls, against one call with resets: its y, and its last
 * states. "hx" is what a segment begins with: of the whole call where it is the first that the
 * direction takes, else zeros. */
static void check_segments(const struct network_shape *whole, const char *level)
{
    struct network_data data = network_data_make(whole);
    const ptrdiff_t scans = whole->num_layers * whole->num_directions, batch = whole->batch;
    const ptrdiff_t out = data.h_size / scans / batch, hidden = data.c_size / scans / batch;
    const ptrdiff_t width = whole->num_directions * out, inputs = whole->input_size;
    double *results = must_allocate((size_t)(2 * network_result_size(&data)), sizeof *results);
    double *single = results + network_result_size(&data);

    network_describe(whole, level);
    network_run(level, whole, &data, AT_END, results);
    for (ptrdiff_t row = 0; row < batch; row++) {
        for (ptrdiff_t begin = 0, end; begin < whole->steps; begin = end) {
            for (end = begin + 1; end < whole->steps && !data.reset[end * batch + row];) {
                end++;
            }
            struct network_shape shape = *whole;
            shape.steps = end - begin;
            shape.batch = 1;
            shape.inside = INSIDE_NOTHING;
            shape.with_h0 = shape.with_c0 = true;
            struct network_data alone = network_data_make(&shape);
            memcpy(alone.params, data.params, (size_t)data.params_size * sizeof(double));
            for (ptrdiff_t t = begin; t < end; t++) {
                memcpy(alone.x + (t - begin) * inputs, data.x + (t * batch + row) * inputs,
                       (size_t)inputs * sizeof(double));
            }
            for (ptrdiff_t scan = 0; scan < scans; scan++) {
                const bool reverse = whole->reverse || scan % whole->num_directions;
                const bool first = reverse ? end == whole->steps : begin == 0 && !data.reset[row];
                for (ptrdiff_t i = 0; i < out; i++) {
                    alone.h0[scan * out + i] =
                        first && whole->with_h0 ? data.h0[(scan * batch + row) * out + i] : 0;
                }
                for (ptrdiff_t i = 0; i < hidden; i++) {
                    alone.c0[scan * hidden + i] =
                        first && whole->with_c0 ? data.c0[(scan * batch + row) * hidden + i] : 0;
                }
            }
            network_run(level, &shape, &alone, AT_END, single);
            network_describe(whole, level);
            for (ptrdiff_t t = begin; t < end; t++) {
                check(real_difference(single + (t - begin) * width,
                                      results + (t * batch + row) * width, width) < 0,
                      "row %td differs at step %td from its segment alone", row, t);
            }
            for (ptrdiff_t scan = 0; scan < scans; scan++) {
                const bool reverse = whole->reverse || scan % whole->num_directions;
                const double *h = results + data.y_size + (scan * batch + row) * out;
                const double *c =
                    results + data.y_size + data.h_size + (scan * batch + row) * hidden;
                if (reverse ? begin == 0 : end == whole->steps) {
                    check(real_difference(single + alone.y_size + scan * out, h, out) < 0 &&
                              real_difference(single + alone.y_size + alone.h_size + scan * hidden,
                                              c, hidden) < 0,
                          "row %td: the last states differ from those of the segment alone", row);
                }
            }
            network_data_free(&alone);
        }
    }
    free(results);
    network_data_free(&data);
}

static void check_all_segments(enum dtype dtype, const struct plan *plan)
{
    static const ptrdiff_t hidden[] = {7, 20, 33, 70};

    for (ptrdiff_t turn = 0; turn < 44 * CELL_KINDS; turn++) {
        struct random random = random_seed((uint64_t)turn);
        struct network_shape shape = {.dtype = dtype,
                                      .kind = (enum cell_kind)(turn % CELL_KINDS),
                                      .bias = true,
                                      .inside = INSIDE_RESETS,
                                      .seed = (uint64_t)turn};
        shape.num_layers = 1 + random_below(&random, 3);
        shape.num_directions = 1 + (int)random_below(&random, 2);
        shape.reverse = shape.num_directions == 1 && random_below(&random, 2);
        shape.input_size = 1 + random_below(&random, 40);
        shape.hidden_size = hidden[random_below(&random, 4)];
        shape.proj_size = cells[shape.kind].may_project && turn % 3 == 0 ? 5 : 0;
        shape.steps = 1 + random_below(&random, 30);
        shape.batch = 1 + random_below(&random, 6);
        shape.with_h0 = random_below(&random, 2);
        shape.with_c0 = random_below(&random, 2);
        shape.infinite = random_below(&random, 6) == 0;
        if (random_below(&random, 2)) {
            shape.variant = random_variant(&random, shape.kind);
        }
        for (const char *level, *const *next = levels(); (level = *next) != NULL; next++) {
            if (turn % plan->every == 0) {
                check_segments(&shape, level);
            }
        }
    }
}

/* Every structure of network and call; sizes and strides take turns. */
static void check_structures(enum dtype dtype, const struct plan *plan)
{
    static const ptrdiff_t inputs[] = {1, 5, 64, 70};
    static const ptrdiff_t hidden[] = {1, 7, 16, 20, 33, 40, 70, 101};
    static const ptrdiff_t batches[] = {1, 2, 3, 4, 9};
    static const ptrdiff_t steps[] = {1, 2, 5, 27};
    const int structures = 3 * 2 * 2 * 2 * 2 * 2 * 2, plain = 4 * structures * CELL_KINDS;

    /* First those without a variant, then a fifth as many with one: 5 has no factor of the
     * structures. Then those with something inside, every second with a variant. */
    for (int turn = 0; turn < 6 * plain; turn += turn < plain ? 1 : 5) {
        int bits = turn % structures;
        struct random random = random_seed((uint64_t)turn);
        struct network_shape shape = {.dtype = dtype, .seed = (uint64_t)turn};
        shape.kind = (enum cell_kind)(turn % plain / (4 * structures));
        shape.num_layers = 1 + bits % 3;
        bits /= 3;
        shape.num_directions = 1 + (bits & 1);
        shape.bias = bits >> 1 & 1;
        shape.ragged = bits >> 2 & 1;
        shape.with_h0 = bits >> 3 & 1;
        shape.with_c0 = bits >> 4 & 1;
        shape.input_size = inputs[random_below(&random, 4)];
        shape.hidden_size = hidden[random_below(&random, shape.kind == CELL_LSTM ? 6 : 8)];
        if (bits >> 5 & 1 && cells[shape.kind].may_project) {
            shape.proj_size = 1 + random_below(&random, shape.hidden_size);
        }
        shape.batch = batches[random_below(&random, 5)];
        shape.steps = steps[random_below(&random, 4)];
        shape.batch_major = random_below(&random, 2);
        shape.gap = random_below(&random, 3);
        shape.dropout = random_below(&random, 4) ? 0.0 : 0.3;
        shape.values = random_below(&random, 6) ? VALUES_ORDINARY
                                                : (enum values)random_below(&random, VALUES_COUNT);
        if (turn >= plain) {
            shape.variant = random_variant(&random, shape.kind);
            shape.reverse = shape.num_directions == 1 && random_below(&random, 2);
            shape.infinite = random_below(&random, 6) == 0;
        }
        if (turn >= 2 * plain) {
            set_inside(&random, &shape);
        }
        if (turn % plan->every == 0 && (!plan->ordinary || shape.values == VALUES_ORDINARY)) {
            check_network(&shape);
        }
    }
}

/* Input gates that are precomputed because weight_ih is large: every number of rows, groups of
 * steps that end early, and inputs whose rows are one matrix or not. */
static void check_precomputed(enum dtype dtype, const struct plan *plan)
{
    static const ptrdiff_t steps[] = {2, 3, 5, 9, 13};
    static const struct {
        enum cell_kind kind;
        struct cell_variant variant;
    } cases[] = {{CELL_LSTM, {0}},
                 {CELL_LSTM, {.peepholes = true}},
                 {CELL_GRU, {0}},
                 {CELL_GRU, {.reset_before = true}}};

    for (ptrdiff_t turn = 0; turn < 4 * 4 * 18; turn++) {
        struct network_shape shape = {.dtype = dtype,
                                      .input_size = dtype == DTYPE_FLOAT32 ? 250 : 125,
                                      .hidden_size = 60,
                                      .num_layers = 1,
                                      .bias = true,
                                      .seed = (uint64_t)turn};
        shape.kind = cases[turn / (4 * 18)].kind;
        shape.variant = cases[turn / (4 * 18)].variant;
        shape.batch = 1 + turn / 4 % 18;
        shape.steps = steps[turn % 5];
        shape.num_directions = 1 + (turn & 1);
        shape.batch_major = turn & 2;
        shape.ragged = turn % 3 == 0;
        shape.gap = turn % 7 == 0;
        shape.reverse = shape.num_directions == 1 && turn % 5 == 0;
        if (turn % plan->every == 0) {
            check_network(&shape);
        }
    }
}

/* A cell's call: one step whose output and h_n are the same memory. */
static void check_cells(enum dtype dtype, const struct plan *plan)
{
    /* First those without a variant. */
    for (ptrdiff_t turn = 0; turn < 2 * 4 * 70 * CELL_KINDS; turn++) {
        struct random random = random_seed((uint64_t)turn);
        struct network_shape shape = {.dtype = dtype,
                                      .kind = (enum cell_kind)(turn % CELL_KINDS),
                                      .num_layers = 1,
                                      .num_directions = 1,
                                      .steps = 1,
                                      .y_is_h_n = true,
                                      .seed = (uint64_t)turn};
        shape.hidden_size = 1 + turn / (4 * CELL_KINDS) % 70 + (turn % 3 ? 0 : 64);
        shape.input_size = 1 + turn % 40;
        shape.batch = 1 + turn % 9;
        shape.bias = turn % 3 != 0;
        shape.with_h0 = turn / CELL_KINDS & 1;
        shape.with_c0 = turn / CELL_KINDS & 2;
        if (turn >= 4 * 70 * CELL_KINDS) {
            shape.variant = random_variant(&random, shape.kind);
            shape.infinite = random_below(&random, 8) == 0;
        }
        if (turn % plan->every == 0) {
            check_network(&shape);
        }
    }
}

/* First values, packing and forward under settings that the caller made: the same bytes, and
 * the settings are there afterwards. Subnormal data tell flush-to-zero apart. */
static void check_environment(enum dtype dtype, const struct plan *plan)
{
    struct network_shape shape = {.dtype = dtype,
                                  .input_size = 6,
                                  .hidden_size = 20,
                                  .proj_size = 5,
                                  .num_layers = 2,
                                  .num_directions = 2,
                                  .bias = true,
                                  .steps = 4,
                                  .batch = 3,
                                  .with_h0 = true,
                                  .with_c0 = true,
                                  .dropout = 0.5};
    const struct cell_variant variants[] = {{0},
                                            {.gate_activation = GATE_HARD_SIGMOID3,
                                             .activation = ACTIVATION_SOFTSIGN,
                                             .peepholes = true,
                                             .cell_clip = 0.5}};
    const enum values end = plan->ordinary ? VALUES_ORDINARY + 1 : VALUES_SPECIAL;
    for (int turn = 0; turn < 2 * (int)end; turn++) {
        shape.values = (enum values)(turn / 2);
        shape.variant = variants[turn % 2];
        struct network_data data = network_data_make(&shape);
        const ptrdiff_t size = network_result_size(&data);
        double *expected = must_allocate((size_t)(2 * size), sizeof *expected);
        double *out = expected + size;
        network_expect(&shape, &data, expected);
        for (const char *level, *const *next = levels(); (level = *next) != NULL; next++) {
            for (int setting = 0; setting < environment_count(); setting++) {
                network_describe(&shape, level);
                environment_set(setting);
                network_run(level, &shape, &data, AT_END, out);
                bool kept = environment_is(setting);
                environment_reset();
                check(kept, "does not restore %s", environment_name(setting));
                ptrdiff_t at = real_difference(expected, out, size);
                check(at < 0, "differs under %s at %td", environment_name(setting), at);
            }
        }
        free(expected);
        network_data_free(&data);
    }
}

static void check_first_values(enum dtype dtype)
{
    const struct rnn_net net = {.kernels = kernels_for("portable", dtype),
                                .input_size = 5,
                                .hidden_size = 7,
                                .num_layers = 2,
                                .num_directions = 1,
                                .bias = true};
    const size_t size = (size_t)rnn_params_size(&net) * real_size(dtype);
    struct generator rng;
    unsigned char *expected = must_allocate(2, size);

    case_begin("first values %s", dtype_names[dtype]);
    generator_seed(&rng, 1);
    rnn_reset_parameters(&net, &rng, expected);
    for (int setting = 0; setting < environment_count(); setting++) {
        generator_seed(&rng, 1);
        environment_set(setting);
        rnn_reset_parameters(&net, &rng, expected + size);
        bool kept = environment_is(setting);
        environment_reset();
        check(kept, "does not restore %s", environment_name(setting));
        check(memcmp(expected, expected + size, size) == 0, "differs under %s",
              environment_name(setting));
    }
    free(expected);
}

/* Parameters in torch's order, one after the other, with torch's shapes; then the peepholes. */
static void check_parameter_order(bool peepholes)
{
    const struct rnn_net net = {.kernels = kernels_for("portable", DTYPE_FLOAT32),
                                .input_size = 3,
                                .hidden_size = 5,
                                .proj_size = 2,
                                .num_layers = 2,
                                .num_directions = 2,
                                .bias = true,
                                .variant.peepholes = peepholes};
    static const enum rnn_param_kind order[] = {WEIGHT_IH, WEIGHT_HH, BIAS_IH,   BIAS_HH,
                                                WEIGHT_HR, WEIGHT_PI, WEIGHT_PF, WEIGHT_PO};
    const ptrdiff_t each = peepholes ? 8 : 5;
    ptrdiff_t offset = 0;

    case_begin("parameter order%s", peepholes ? " with peepholes" : "");
    check(rnn_param_count(&net) == 4 * each, "counts %td", rnn_param_count(&net));
    for (ptrdiff_t i = 0; i < 4 * each; i++) {
        const struct rnn_param param = rnn_param_at(&net, i);
        const ptrdiff_t place = i % each;
        const ptrdiff_t rows[] = {20, 20, 20, 20, 2, 5, 5, 5};
        const ptrdiff_t cols[] = {param.layer ? 4 : 3, 2, 1, 1, 5, 1, 1, 1};
        check(param.kind == order[place] && param.layer == i / (2 * each) &&
                  param.direction == i / each % 2,
              "parameter %td is another", i);
        check(param.rows == rows[place] && param.cols == cols[place],
              "parameter %td has shape %td %td", i, param.rows, param.cols);
        check(param.ndim == (cols[place] == 1 ? 1 : 2), "parameter %td has %d axes", i, param.ndim);
        check(param.offset == offset, "parameter %td begins at %td", i, param.offset);
        offset += param.rows * param.cols;
    }
    check(rnn_params_size(&net) == offset, "size %td", rnn_params_size(&net));
}

void check_core(const struct plan *plan)
{
    check_parameter_order(false);
    check_parameter_order(true);
    for (enum dtype dtype = 0; dtype < DTYPE_COUNT; dtype++) {
        check_first_values(dtype);
        check_precomputed(dtype, plan);
        check_cells(dtype, plan);
        check_environment(dtype, plan);
        check_structures(dtype, plan);
        check_all_segments(dtype, plan);
    }
}

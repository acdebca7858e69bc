#include "cases.h"

#include "kernel_runs.h"

#include <stdlib.h>

static const ptrdiff_t depths[] = {1, 4, 63, 64, 65, 100, 128, 257};
static const ptrdiff_t row_counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 33};
enum {
    DEPTHS = sizeof depths / sizeof *depths,
    ROW_COUNTS = sizeof row_counts / sizeof *row_counts
};
enum { SMALL_HIDDEN = 70, HIDDEN_SIZES = SMALL_HIDDEN + 3 };

static ptrdiff_t hidden_size(ptrdiff_t index)
{
    static const ptrdiff_t large[] = {100, 128, 200};
    return index < SMALL_HIDDEN ? index + 1 : large[index - SMALL_HIDDEN];
}

static void check_states(const struct step_shape *shape, const double *expected, const double *out,
                         const char *name)
{
    const ptrdiff_t at = real_difference(expected, out, shape->rows * shape->hidden);

    check(at < 0, "%s differs at row %td unit %td: %a, expected %a", name, at / shape->hidden,
          at % shape->hidden, out[at < 0 ? 0 : at], expected[at < 0 ? 0 : at]);
}

/* Byte for byte the reference's result, hence portable's, at every level, whichever side of
 * the buffers is guarded; and the same without the fused step. */
static void check_step(const struct step_shape *shape)
{
    const ptrdiff_t count = shape->rows * shape->hidden;
    struct step_data data = step_data_make(shape);
    double *c = must_allocate((size_t)(4 * count), sizeof *c);
    double *h = c + count, *c_out = h + count, *h_out = c_out + count;

    step_expect(shape, &data, c, h);
    for (const char *level, *const *next = levels(); (level = *next) != NULL; next++) {
        const struct rnn_kernels *kernels = kernels_for(level, shape->dtype);
        for (enum placement placement = 0; placement < PLACEMENT_COUNT; placement++) {
            step_describe(shape, level);
            step_run(kernels, shape, &data, placement, c_out, h_out);
            check_states(shape, c, c_out, "c");
            check_states(shape, h, h_out, "h");
        }
        step_run_unfused(kernels, shape, &data, c_out, h_out);
        check_states(shape, c, c_out, "c of the unfused step");
        check_states(shape, h, h_out, "h of the unfused step");
    }
    free(c);
    step_data_free(&data);
}

static void check_product(const struct step_shape *shape)
{
    const ptrdiff_t count = shape->rows * PANEL_VECTORS * shape->hidden;
    struct step_data data = step_data_make(shape);
    double *expected = must_allocate((size_t)(2 * count), sizeof *expected);
    double *out = expected + count;

    product_expect(shape, &data, expected);
    for (const char *level, *const *next = levels(); (level = *next) != NULL; next++) {
        for (enum placement placement = 0; placement < PLACEMENT_COUNT; placement++) {
            case_begin("product %s %s rows %td units %td depth %td gap %td%s%s%s, %s values", level,
                       dtype_names[shape->dtype], shape->rows, shape->hidden, shape->depth_x,
                       shape->gap, shape->with_h ? "" : " no init",
                       shape->init_rows ? " init rows" : "", shape->descending ? " groups" : "",
                       values_names[shape->values]);
            product_run(kernels_for(level, shape->dtype), shape, &data, placement, out);
            ptrdiff_t at = real_difference(expected, out, count);
            check(at < 0, "out differs at %td: %a, expected %a", at, out[at < 0 ? 0 : at],
                  expected[at < 0 ? 0 : at]);
        }
    }
    free(expected);
    step_data_free(&data);
}

static bool chosen(const struct plan *plan, ptrdiff_t turn, enum values values)
{
    return turn % plan->every == 0 && (!plan->ordinary || values == VALUES_ORDINARY);
}

/* Options drawn at random for one shape. */
static struct step_shape any_shape(enum dtype dtype, ptrdiff_t rows, ptrdiff_t hidden,
                                   ptrdiff_t depth_x, ptrdiff_t depth_h, uint64_t seed)
{
    struct random random = random_seed(seed);
    struct step_shape shape = {.dtype = dtype, .rows = rows, .hidden = hidden, .seed = seed};
    shape.depth_x = depth_x;
    shape.depth_h = depth_h;
    shape.gap = random_below(&random, 4) * random_below(&random, 5);
    shape.init_rows = random_below(&random, 2);
    shape.with_x = random_below(&random, 4) != 0;
    shape.with_h = random_below(&random, 8) != 0;
    shape.descending = random_below(&random, 2);
    shape.cell = (enum cell_input)random_below(&random, CELL_INPUTS);
    shape.values = random_below(&random, 8) ? VALUES_ORDINARY
                                            : (enum values)random_below(&random, VALUES_COUNT);
    return shape;
}

/* Every number of units with every number of rows; every pair of depths with every kind of
 * row tile. The other coordinates take turns. */
static void check_shapes(enum dtype dtype, const struct plan *plan)
{
    static const ptrdiff_t few_units[] = {3, 17, 24};
    ptrdiff_t turn = 0;

    for (ptrdiff_t i = 0; i < HIDDEN_SIZES; i++) {
        for (ptrdiff_t j = 0; j < ROW_COUNTS; j++, turn++) {
            struct step_shape shape =
                any_shape(dtype, row_counts[j], hidden_size(i), depths[turn % DEPTHS],
                          depths[turn / DEPTHS % DEPTHS], (uint64_t)turn);
            if (chosen(plan, turn, shape.values)) {
                check_step(&shape);
                check_product(&shape);
            }
        }
    }
    for (ptrdiff_t i = 0; i < DEPTHS * DEPTHS; i++) {
        for (ptrdiff_t j = 0; j < 9; j++, turn++) {
            struct step_shape shape =
                any_shape(dtype, row_counts[j], few_units[turn % 3], depths[i / DEPTHS],
                          depths[i % DEPTHS], (uint64_t)turn);
            shape.with_x = shape.with_h = true;
            if (chosen(plan, turn, shape.values)) {
                check_step(&shape);
            }
        }
    }
}

/* Every combination of options, on small shapes that reach each kind of block and tile. */
static void check_options(enum dtype dtype, const struct plan *plan)
{
    static const ptrdiff_t units[] = {1, 8, 9, 16, 20, 33, 64};
    static const ptrdiff_t rows[] = {1, 2, 4, 7};
    static const ptrdiff_t gaps[] = {0, 1, 7};
    ptrdiff_t turn = 0;

    for (int i = 0; i < 7 * 4; i++) {
        for (int bits = 0; bits < 16; bits++) {
            for (int input = 0; input < 3 * CELL_INPUTS; input++, turn++) {
                struct step_shape shape = {.dtype = dtype, .depth_x = 5, .depth_h = 20};
                shape.rows = rows[i % 4];
                shape.hidden = units[i / 4];
                shape.init_rows = bits & 1;
                shape.with_x = bits & 2;
                shape.with_h = bits & 4;
                shape.descending = bits & 8;
                shape.gap = gaps[input % 3];
                shape.cell = (enum cell_input)(input / 3);
                shape.seed = (uint64_t)turn;
                if (chosen(plan, turn, shape.values)) {
                    check_step(&shape);
                    check_product(&shape);
                }
            }
        }
    }
}

static void check_values(enum dtype dtype, const struct plan *plan)
{
    static const ptrdiff_t units[] = {1, 7, 16, 33};
    static const ptrdiff_t rows[] = {1, 3, 8};
    ptrdiff_t turn = 0;

    for (enum values values = 0; values < VALUES_COUNT; values++) {
        for (int i = 0; i < 4 * 3 * 4; i++, turn++) {
            struct step_shape shape =
                any_shape(dtype, rows[i % 3], units[i / 3 % 4], 65, 10, (uint64_t)(1000 + turn));
            shape.values = values;
            if (chosen(plan, turn, shape.values)) {
                check_step(&shape);
                check_product(&shape);
            }
        }
    }
}

/* Tails of the activations, and that every level gives portable's bits. The values
 * themselves are the business of test_activations.c. */
static void check_activations(enum dtype dtype)
{
    enum { MOST = 150 };
    double x[MOST], expected[MOST], out[MOST];
    for (ptrdiff_t count = 1; count < MOST; count++) {
        struct random random = random_seed((uint64_t)count);
        random_fill(&random, dtype, (enum values)(count % VALUES_COUNT), x, count);
        for (ptrdiff_t i = 0; i < count; i += 2) {
            x[i] = real_round(dtype, x[i] * 100.0);
        }
        for (int is_tanh = 0; is_tanh < 2; is_tanh++) {
            activation_run(kernels_for("portable", dtype), is_tanh, x, count, AT_END, expected);
            for (const char *level, *const *next = levels(); (level = *next) != NULL; next++) {
                for (enum placement placement = 0; placement < PLACEMENT_COUNT; placement++) {
                    case_begin("%s %s %s of %td", is_tanh ? "tanh" : "sigmoid", level,
                               dtype_names[dtype], count);
                    activation_run(kernels_for(level, dtype), is_tanh, x, count, placement, out);
                    ptrdiff_t at = real_difference(expected, out, count);
                    check(at < 0, "differs from portable at x = %a", x[at < 0 ? 0 : at]);
                }
            }
        }
    }
}

void check_kernels(const struct plan *plan)
{
    for (enum dtype dtype = 0; dtype < DTYPE_COUNT; dtype++) {
        check_activations(dtype);
        check_shapes(dtype, plan);
        check_options(dtype, plan);
        check_values(dtype, plan);
    }
}

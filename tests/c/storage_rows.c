/* Compressed weights: what no bit of a row may depend on, said by runs alone, without the reference; and
 * which flavour a level chooses. */
#include "cases.h"

#include "../../csrc/simd/storage.h"
#include "network_runs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows of the batch that are run alone, and what stands in some of them. */
enum { ROWS = 35, STEPS = 6, NAN_IN_X = 5, INFINITE_H0 = 9, LARGE_H0 = 12, INFINITE_X = 20 };
static const ptrdiff_t alone[] = {0, NAN_IN_X, INFINITE_H0, LARGE_H0, INFINITE_X, ROWS - 1};
enum { ALONE = sizeof alone / sizeof alone[0] };

static ptrdiff_t width_of(const struct network_shape *shape)
{
    return shape->num_directions * (shape->proj_size ? shape->proj_size : shape->hidden_size);
}

static void copy(double *to, const double *from, ptrdiff_t count)
{
    memcpy(to, from, (size_t)count * sizeof *to);
}

/* Copies "rows" rows from "first" on of "count" matrices; "all" and "own" are rows of a matrix. */
static void copy_rows(double *to, ptrdiff_t own, const double *from, ptrdiff_t all, ptrdiff_t first,
                      ptrdiff_t rows, ptrdiff_t count, ptrdiff_t width)
{
    for (ptrdiff_t i = 0; i < count; i++)
        copy(to + i * own * width, from + (i * all + first) * width, rows * width);
}

static void put_oddities(const struct network_shape *shape, struct network_data *data)
{
    const ptrdiff_t out = data->h_size / (shape->num_layers * shape->num_directions * ROWS);

    data->x[(2 * ROWS + NAN_IN_X) * shape->input_size + 1] = NAN;
    data->x[(3 * ROWS + INFINITE_X) * shape->input_size] = -INFINITY;
    data->h0[INFINITE_H0 * out] = INFINITY;
    data->h0[LARGE_H0 * out + out - 1] = -3.5;
}

/* A run of some steps and rows of another call. "states" is NULL, or the h_n and c_n that it goes on
 * from, of the same rows. */
static void run_some(const char *flavour, const struct network_shape *all,
                     const struct network_data *data, ptrdiff_t first_step, ptrdiff_t steps,
                     ptrdiff_t first_row, ptrdiff_t rows, const double *states, double *out)
{
    struct network_shape shape = *all;
    shape.steps = steps;
    shape.batch = rows;
    struct network_data own = network_data_make(&shape);
    const ptrdiff_t scans = shape.num_layers * shape.num_directions;

    copy(own.params, data->params, data->params_size);
    copy_rows(own.x, rows, data->x + first_step * ROWS * shape.input_size, ROWS, first_row, rows,
              steps, shape.input_size);
    copy_rows(own.h0, rows, data->h0, ROWS, first_row, rows, scans, own.h_size / (scans * rows));
    if (own.c_size)
        copy_rows(own.c0, rows, data->c0, ROWS, first_row, rows, scans, shape.hidden_size);
    if (states) {
        copy(own.h0, states, own.h_size);
        copy(own.c0, states + own.h_size, own.c_size);
    }
    network_run(flavour, &shape, &own, AT_END, out);
    network_data_free(&own);
}

/* Compares rows of "whole", a result of all of them, with a result of these rows alone. */
static void compare_row(const struct network_shape *shape, const struct network_data *data,
                        const double *whole, ptrdiff_t row, const double *own)
{
    const ptrdiff_t scans = shape->num_layers * shape->num_directions;
    const ptrdiff_t counts[] = {STEPS, scans, scans};
    const ptrdiff_t sizes[] = {data->y_size, data->h_size, data->c_size};

    for (int array = 0; array < 3; array++) {
        const ptrdiff_t width = sizes[array] / (counts[array] * ROWS);
        for (ptrdiff_t i = 0; i < counts[array] * width; i++) {
            const double expected = whole[(i / width * ROWS + row) * width + i % width];
            if (!check(real_same(own[i], expected), "row %td alone: %a at %td of array %d, not %a",
                       row, own[i], i, array, expected))
                return;
        }
        whole += sizes[array];
        own += sizes[array] / ROWS;
    }
}

/* The whole call in two pieces is the call. */
static void compare_cut(const char *flavour, const struct network_shape *shape,
                        const struct network_data *data, const double *whole, ptrdiff_t cut)
{
    const ptrdiff_t size = network_result_size(data), row = ROWS * width_of(shape);
    double *pieces = must_allocate((size_t)(2 * size), sizeof *pieces);

    run_some(flavour, shape, data, 0, cut, 0, ROWS, NULL, pieces);
    run_some(flavour, shape, data, cut, STEPS - cut, 0, ROWS, pieces + cut * row, pieces + size);
    memmove(pieces + cut * row, pieces + size,
            (size_t)((STEPS - cut) * row + data->h_size + data->c_size) * sizeof *pieces);
    const ptrdiff_t at = real_difference(pieces, whole, size);
    check(at < 0, "cut at %td: differs at %td of y %td, h_n %td, c_n %td", cut, at, data->y_size,
          data->h_size, data->c_size);
    free(pieces);
}

/* NaN and infinities stay in their rows, and a NaN in x is in each unit from its step on. */
static void check_poison(const struct network_shape *shape, const double *y)
{
    const ptrdiff_t width = width_of(shape);
    const bool integer = shape->storage <= STORAGE_INT16;

    for (ptrdiff_t i = 0; i < STEPS * ROWS * width; i++) {
        const ptrdiff_t row = i / width % ROWS, step = i / width / ROWS;
        const bool nan = y[i] != y[i];
        const bool odd = row == NAN_IN_X || row == INFINITE_H0 || row == INFINITE_X;
        const bool poisoned = (row == NAN_IN_X && step >= 2) ||
                              (integer && (row == INFINITE_H0 || (row == INFINITE_X && step >= 3)));
        if (!check(nan ? odd : !poisoned, "row %td of step %td is %a", row, step, y[i]))
            return;
    }
}

static void check_rows_and_cuts(const struct network_shape *shape)
{
    struct network_data data = network_data_make(shape);
    const ptrdiff_t size = network_result_size(&data);
    double *whole = must_allocate((size_t)(2 * size), sizeof *whole), *own = whole + size;

    put_oddities(shape, &data);
    for (int i = 0; kernels_flavour_name(i); i++) {
        const char *flavour = kernels_flavour_name(i);
        if (!kernels_flavour_available(i))
            continue;
        network_describe(shape, flavour);
        network_run(flavour, shape, &data, AT_END, whole);
        if (shape->num_directions == 1)
            check_poison(shape, whole);
        for (int j = 0; j < ALONE; j++) {
            run_some(flavour, shape, &data, 0, STEPS, alone[j], 1, NULL, own);
            compare_row(shape, &data, whole, alone[j], own);
        }
        for (ptrdiff_t cut = 1; shape->num_directions == 1 && cut < STEPS; cut += 2)
            compare_cut(flavour, shape, &data, whole, cut);
    }
    free(whole);
    network_data_free(&data);
}

/* Each level takes the best flavour of its own, or of a level below it. */
static void check_choices(void)
{
    static const char *const choices[][5] = {
        {"portable", "portable"},
        {"neon", "neon-dotprod", "neon"},
        {"avx2", "avx2-vnni", "avx2", "portable"},
        {"avx512", "avx512-vnni", "avx2-vnni", "avx2", "portable"}};

    for (int i = 0; i < 4; i++) {
        case_begin("the flavour of %s", choices[i][0]);
        if (kernels_select(choices[i][0]) != 0)
            continue;
        int best = 1;
        while (kernels_for_storage(choices[i][best], STORAGE_INT8) == NULL)
            best++;
        for (enum storage storage = STORAGE_FLOAT + 1; storage < STORAGES; storage++)
            check(kernels_current_storage(storage) ==
                      kernels_for_storage(choices[i][best], storage),
                  "%s is not of %s", storage_formats[storage].name, choices[i][best]);
        const struct rnn_kernels *chosen = kernels_current_storage(STORAGE_INT8);
        check(kernels_select_flavour("sse9") == -1 &&
                  kernels_current_storage(STORAGE_INT8) == chosen,
              "an unknown flavour is taken");
        check(kernels_select_flavour("portable") == 0 &&
                  kernels_current_storage(STORAGE_INT8) ==
                      kernels_for_storage("portable", STORAGE_INT8),
              "portable is not taken");
    }
    kernels_select(NULL);
}

void check_storage_rows(const struct plan *plan)
{
    static const ptrdiff_t hidden[] = {3, 21, 40};

    check_choices();
    for (ptrdiff_t number = 0; number < 3 * 4 * CELL_KINDS * (STORAGES - 1); number++) {
        struct network_shape shape = {.dtype = DTYPE_FLOAT32,
                                      .storage = (enum storage)(1 + number % (STORAGES - 1)),
                                      .bias = true,
                                      .steps = STEPS,
                                      .batch = ROWS,
                                      .with_h0 = true,
                                      .with_c0 = true,
                                      .seed = (uint64_t)number};
        const ptrdiff_t kind = number / (STORAGES - 1), form = kind / CELL_KINDS;
        shape.kind = (enum cell_kind)(kind % CELL_KINDS);
        shape.num_layers = 1 + form % 2;
        shape.num_directions = 1 + (int)(form / 2 % 2);
        shape.hidden_size = hidden[form / 4];
        shape.input_size = 2 + number % 37;
        if (cells[shape.kind].may_project && form % 4 != 0)
            shape.proj_size = 1 + shape.hidden_size / 2;
        if (number % (plan->every > 1 ? 7 : 1) == 0 && !plan->ordinary)
            check_rows_and_cuts(&shape);
    }
}

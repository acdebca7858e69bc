#include "kernel_runs.h"

#include "reference.h"

#include <stdlib.h>
#include <string.h>

/* Largest buffer of any case: weights of 200 units padded, depth 257, float64. */
enum { LARGEST = 4 * 208 * 257 * 8, POLLUTION = 0xff /* NaN in either dtype */, UNTOUCHED = 0x5a };

enum slot {
    SLOT_INIT,
    SLOT_WX,
    SLOT_X,
    SLOT_WH,
    SLOT_H,
    SLOT_C,
    SLOT_INPUTS,
    SLOT_C_OUT = SLOT_INPUTS,
    SLOT_H_OUT,
    SLOT_COUNT
};
static const char *const slot_names[SLOT_COUNT] = {"init", "wx", "x",     "wh",
                                                   "h",    "c",  "c_out", "h_out"};

static struct guarded *slots(void)
{
    static struct guarded all[SLOT_COUNT];
    if (!all[0].base) {
        for (int i = 0; i < SLOT_COUNT; i++) {
            guarded_open(&all[i], LARGEST);
        }
    }
    return all;
}

struct step_data step_data_make(const struct step_shape *shape)
{
    const ptrdiff_t gates = PANEL_VECTORS * shape->hidden;
    const ptrdiff_t init = (shape->init_rows ? shape->rows : 1) * gates;
    const ptrdiff_t wx = gates * shape->depth_x, wh = gates * shape->depth_h;
    const ptrdiff_t x = shape->rows * shape->depth_x, h = shape->rows * shape->depth_h;
    const ptrdiff_t c = shape->rows * shape->hidden;
    struct random random = random_seed(shape->seed);
    struct step_data data;

    data.memory = must_allocate((size_t)(init + wx + wh + x + h + c), sizeof(double));
    data.init = data.memory;
    data.wx = data.init + init;
    data.wh = data.wx + wx;
    data.x = data.wh + wh;
    data.h = data.x + x;
    data.c = data.h + h;
    /* The kernels may leave a missing h out because its weights are finite. */
    enum values recurrent = shape->with_h ? shape->values : VALUES_ORDINARY;
    random_fill(&random, shape->dtype, shape->values, data.init, init);
    random_fill(&random, shape->dtype, VALUES_ORDINARY, data.wx, wx);
    random_fill(&random, shape->dtype, VALUES_ORDINARY, data.wh, wh);
    random_fill(&random, shape->dtype, shape->values, data.x, x);
    random_fill(&random, shape->dtype, recurrent, data.h, h);
    random_fill(&random, shape->dtype, shape->values, data.c, c);
    if (shape->values == VALUES_HUGE || shape->values == VALUES_TINY) {
        random_fill(&random, shape->dtype, shape->values, data.wx, wx);
        random_fill(&random, shape->dtype, shape->values, data.wh, wh);
    }
    return data;
}

void step_data_free(struct step_data *data) { free(data->memory); }

void step_describe(const struct step_shape *shape, const char *level)
{
    static const char *const cell_inputs[CELL_INPUTS] = {"none", "separate", "in place"};
    case_begin(
        "%s %s rows %td hidden %td depths %td %td gap %td%s%s%s%s c %s, %s values, seed %llu",
        level, dtype_names[shape->dtype], shape->rows, shape->hidden, shape->depth_x,
        shape->depth_h, shape->gap, shape->init_rows ? " init rows" : "",
        shape->with_x ? "" : " no x", shape->with_h ? "" : " no h",
        shape->descending ? " descending" : "", cell_inputs[shape->cell],
        values_names[shape->values], (unsigned long long)shape->seed);
}

static void write_matrix(enum slot slot, enum dtype dtype, const double *values, ptrdiff_t rows,
                         ptrdiff_t cols, ptrdiff_t stride)
{
    for (ptrdiff_t row = 0; row < rows; row++) {
        for (ptrdiff_t i = 0; i < cols; i++) {
            real_set(dtype, slots()[slot].data, row * stride + i, values[row * cols + i]);
        }
    }
}

static void read_matrix(enum slot slot, enum dtype dtype, ptrdiff_t rows, ptrdiff_t cols,
                        ptrdiff_t stride, double *out)
{
    for (ptrdiff_t row = 0; row < rows; row++) {
        for (ptrdiff_t i = 0; i < cols; i++) {
            out[row * cols + i] = real_get(dtype, slots()[slot].data, row * stride + i);
        }
    }
}

/* An input with rows "stride" apart, which ends with the last row's last element. */
static void *place_input(enum slot slot, enum dtype dtype, enum placement placement,
                         const double *values, ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t stride)
{
    const size_t size = (size_t)((rows - 1) * stride + cols) * real_size(dtype);
    void *array = guarded_place(&slots()[slot], size, placement, POLLUTION);
    write_matrix(slot, dtype, values, rows, cols, stride);
    guarded_protect(&slots()[slot]);
    return array;
}

/* First unit of the panel that holds a unit: panels of `lanes`, the last one as wide as the
 * padding says. */
static ptrdiff_t panel_of(const struct rnn_kernels *kernels, ptrdiff_t units, ptrdiff_t unit,
                          ptrdiff_t *width)
{
    const ptrdiff_t padded = kernels_padded_units(kernels, units);
    const ptrdiff_t first = unit / kernels->lanes * kernels->lanes;
    *width = padded - first < kernels->lanes ? padded - first : kernels->lanes;
    return first;
}

/* The packing that kernels.h describes: per panel [depth][gate][lane], zero padded. */
static void *place_weights(enum slot slot, const struct rnn_kernels *kernels,
                           enum placement placement, const double *w, ptrdiff_t units,
                           ptrdiff_t depth)
{
    const ptrdiff_t padded = kernels_padded_units(kernels, units);
    const size_t size = (size_t)(PANEL_VECTORS * padded * depth) * kernels->itemsize;
    void *packed = guarded_place(&slots()[slot], size, placement, 0);
    for (ptrdiff_t unit = 0; unit < units; unit++) {
        ptrdiff_t width, first = panel_of(kernels, units, unit, &width);
        for (ptrdiff_t k = 0; k < depth; k++) {
            for (ptrdiff_t gate = 0; gate < PANEL_VECTORS; gate++) {
                ptrdiff_t at = PANEL_VECTORS * first * depth + (k * PANEL_VECTORS + gate) * width +
                               unit - first;
                real_set(kernels->dtype, packed, at, w[(gate * units + unit) * depth + k]);
            }
        }
    }
    guarded_protect(&slots()[slot]);
    return packed;
}

/* Column of a gate in a row of totals, which is a weight matrix of depth 1. */
static ptrdiff_t total_column(const struct rnn_kernels *kernels, ptrdiff_t units, ptrdiff_t gate,
                              ptrdiff_t unit)
{
    ptrdiff_t width, first = panel_of(kernels, units, unit, &width);
    return PANEL_VECTORS * first + gate * width + unit - first;
}

/* Rows of starting totals; their padding is junk. */
static void *place_totals(const struct rnn_kernels *kernels, enum placement placement,
                          const double *totals, ptrdiff_t rows, ptrdiff_t units, ptrdiff_t stride)
{
    const ptrdiff_t padded = PANEL_VECTORS * kernels_padded_units(kernels, units);
    const size_t size = (size_t)((rows - 1) * stride + padded) * kernels->itemsize;
    void *array = guarded_place(&slots()[SLOT_INIT], size, placement, POLLUTION);
    for (ptrdiff_t row = 0; row < rows; row++) {
        for (ptrdiff_t i = 0; i < PANEL_VECTORS * units; i++) {
            ptrdiff_t column = total_column(kernels, units, i / units, i % units);
            real_set(kernels->dtype, array, row * stride + column,
                     totals[row * PANEL_VECTORS * units + i]);
        }
    }
    guarded_protect(&slots()[SLOT_INIT]);
    return array;
}

static void check_layout(const struct rnn_kernels *kernels, ptrdiff_t units)
{
    const ptrdiff_t padding = kernels_padded_units(kernels, units) - units;
    const ptrdiff_t tail = kernels_padded_units(kernels, units) % kernels->lanes;
    check(padding >= 0 && padding < kernels->lanes && (tail == 0 || tail == kernels->narrow_lanes),
          "%td units are padded by %td", units, padding);
}

/* Bytes between the rows of an output must not have been written. */
static void check_gaps(enum slot slot, size_t itemsize, ptrdiff_t rows, ptrdiff_t cols,
                       ptrdiff_t stride)
{
    const unsigned char *bytes = slots()[slot].data;
    const size_t first = (size_t)cols * itemsize, end = (size_t)stride * itemsize;
    bool intact = true;
    for (ptrdiff_t row = 0; row + 1 < rows; row++) {
        for (size_t i = first; i < end; i++) {
            intact &= bytes[(size_t)row * end + i] == UNTOUCHED;
        }
    }
    check(intact, "wrote between the rows of %s", slot_names[slot]);
    guarded_check(&slots()[slot], slot_names[slot]);
}

void step_run(const struct rnn_kernels *kernels, const struct step_shape *shape,
              const struct step_data *data, enum placement placement, double *c_out, double *h_out)
{
    const enum dtype dtype = shape->dtype;
    const ptrdiff_t rows = shape->rows, hidden = shape->hidden, gap = shape->gap;
    const ptrdiff_t stride = hidden + gap;
    struct rnn_step step = {
        .rows = rows, .hidden = hidden, .end = hidden, .descending = shape->descending};

    check_layout(kernels, hidden);
    step.init_stride = PANEL_VECTORS * kernels_padded_units(kernels, hidden) + gap;
    step.init = place_totals(kernels, placement, data->init, shape->init_rows ? rows : 1, hidden,
                             step.init_stride);
    step.init_stride = shape->init_rows ? step.init_stride : 0;
    if (shape->with_x) {
        step.depth_x = shape->depth_x;
        step.wx = place_weights(SLOT_WX, kernels, placement, data->wx, hidden, shape->depth_x);
        step.x_stride = shape->depth_x + gap;
        step.x =
            place_input(SLOT_X, dtype, placement, data->x, rows, shape->depth_x, step.x_stride);
    }
    step.depth_h = shape->depth_h;
    step.wh = place_weights(SLOT_WH, kernels, placement, data->wh, hidden, shape->depth_h);
    if (shape->with_h) {
        step.h_stride = shape->depth_h + gap;
        step.h =
            place_input(SLOT_H, dtype, placement, data->h, rows, shape->depth_h, step.h_stride);
    }
    const size_t out_size = (size_t)((rows - 1) * stride + hidden) * kernels->itemsize;
    step.c_stride = step.c_out_stride = step.h_out_stride = stride;
    step.h_out = guarded_place(&slots()[SLOT_H_OUT], out_size, placement, UNTOUCHED);
    step.c_out = guarded_place(&slots()[SLOT_C_OUT], out_size, placement, UNTOUCHED);
    if (shape->cell == CELL_IN_PLACE) {
        write_matrix(SLOT_C_OUT, dtype, data->c, rows, hidden, stride);
        step.c = step.c_out;
    } else if (shape->cell == CELL_SEPARATE) {
        step.c_stride = stride + 1;
        step.c = place_input(SLOT_C, dtype, placement, data->c, rows, hidden, step.c_stride);
    }
    kernels->step[CELL_LSTM](&step);
    check_gaps(SLOT_C_OUT, kernels->itemsize, rows, hidden, stride);
    check_gaps(SLOT_H_OUT, kernels->itemsize, rows, hidden, stride);
    read_matrix(SLOT_C_OUT, dtype, rows, hidden, stride, c_out);
    read_matrix(SLOT_H_OUT, dtype, rows, hidden, stride, h_out);
}

/* out = init + w x for all rows, as totals in kernel layout. Returns "out". */
static void *run_gemm(const struct rnn_kernels *kernels, struct gemm gemm, void *out,
                      ptrdiff_t stride)
{
    gemm.groups = 1;
    gemm.out = out;
    gemm.out_stride = stride;
    kernels->gemm(&gemm);
    return out;
}

void step_run_unfused(const struct rnn_kernels *kernels, const struct step_shape *shape,
                      const struct step_data *data, double *c_out, double *h_out)
{
    const ptrdiff_t rows = shape->rows, hidden = shape->hidden, depth_h = shape->depth_h;
    const ptrdiff_t stride = PANEL_VECTORS * kernels_padded_units(kernels, hidden);
    const enum placement placement = AT_END;
    double *no_h = must_allocate((size_t)(rows * depth_h), sizeof *no_h);
    void *totals = must_allocate((size_t)(rows * stride), kernels->itemsize);
    struct rnn_step step = {.rows = rows, .hidden = hidden, .end = hidden};
    struct gemm gemm = {.rows = rows, .units = hidden};

    gemm.init =
        place_totals(kernels, placement, data->init, shape->init_rows ? rows : 1, hidden, stride);
    gemm.init_stride = shape->init_rows ? stride : 0;
    if (shape->with_x) {
        gemm.depth = gemm.x_stride = shape->depth_x;
        gemm.w = place_weights(SLOT_WX, kernels, placement, data->wx, hidden, gemm.depth);
        gemm.x =
            place_input(SLOT_X, shape->dtype, placement, data->x, rows, gemm.depth, gemm.depth);
        gemm.init = run_gemm(kernels, gemm, totals, stride);
        gemm.init_stride = stride;
    }
    gemm.depth = gemm.x_stride = depth_h;
    gemm.w = place_weights(SLOT_WH, kernels, placement, data->wh, hidden, depth_h);
    gemm.x = place_input(SLOT_H, shape->dtype, placement, shape->with_h ? data->h : no_h, rows,
                         depth_h, depth_h);
    run_gemm(kernels, gemm, totals, stride);
    if (shape->cell != CELL_NULL)
        step.c = place_input(SLOT_C, shape->dtype, placement, data->c, rows, hidden, hidden);
    step.c_stride = step.c_out_stride = step.h_out_stride = hidden;
    const size_t out_size = (size_t)(rows * hidden) * kernels->itemsize;
    step.c_out = guarded_place(&slots()[SLOT_C_OUT], out_size, placement, UNTOUCHED);
    step.h_out = guarded_place(&slots()[SLOT_H_OUT], out_size, placement, UNTOUCHED);
    kernels->lstm_update(&step, totals, stride);
    read_matrix(SLOT_C_OUT, shape->dtype, rows, hidden, hidden, c_out);
    read_matrix(SLOT_H_OUT, shape->dtype, rows, hidden, hidden, h_out);
    free(totals);
    free(no_h);
}

void step_expect(const struct step_shape *shape, const struct step_data *data, double *c_out,
                 double *h_out)
{
    const ptrdiff_t hidden = shape->hidden, gates = PANEL_VECTORS * hidden;
    double *totals = must_allocate((size_t)(gates + hidden + shape->depth_h), sizeof *totals);
    double *no_cell = totals + gates, *no_h = no_cell + hidden; /* zeros */

    for (ptrdiff_t row = 0; row < shape->rows; row++) {
        memcpy(totals, data->init + (shape->init_rows ? row * gates : 0),
               (size_t)gates * sizeof *totals);
        if (shape->with_x) {
            reference_add_product(shape->dtype, data->wx, data->x + row * shape->depth_x, gates,
                                  shape->depth_x, totals);
        }
        reference_add_product(shape->dtype, data->wh,
                              shape->with_h ? data->h + row * shape->depth_h : no_h, gates,
                              shape->depth_h, totals);
        const struct reference_update update = {
            .dtype = shape->dtype,
            .hidden = hidden,
            .totals = totals,
            .c = shape->cell == CELL_NULL ? no_cell : data->c + row * hidden,
            .c_out = c_out + row * hidden,
            .h_out = h_out + row * hidden,
        };
        reference_update(CELL_LSTM, &update);
    }
    free(totals);
}

void product_expect(const struct step_shape *shape, const struct step_data *data, double *out)
{
    const ptrdiff_t gates = PANEL_VECTORS * shape->hidden;
    for (ptrdiff_t row = 0; row < shape->rows; row++) {
        for (ptrdiff_t i = 0; i < gates; i++) {
            out[row * gates + i] =
                shape->with_h ? data->init[(shape->init_rows ? row * gates : 0) + i] : 0.0;
        }
        reference_add_product(shape->dtype, data->wx, data->x + row * shape->depth_x, gates,
                              shape->depth_x, out + row * gates);
    }
}

void product_run(const struct rnn_kernels *kernels, const struct step_shape *shape,
                 const struct step_data *data, enum placement placement, double *out)
{
    const ptrdiff_t rows = shape->rows, units = shape->hidden, gates = PANEL_VECTORS * units;
    const ptrdiff_t padded = PANEL_VECTORS * kernels_padded_units(kernels, units);
    const ptrdiff_t stride = padded + shape->gap;
    /* Every second row of a matrix is a group, as steps and rows are in a batch_first input. */
    const ptrdiff_t groups = rows % 2 == 0 && shape->descending && !shape->init_rows ? 2 : 1;
    const ptrdiff_t x_stride = shape->depth_x + shape->gap;
    struct gemm gemm = {
        .rows = rows / groups, .groups = groups, .units = units, .depth = shape->depth_x};

    check_layout(kernels, units);
    if (shape->with_h) {
        gemm.init = place_totals(kernels, placement, data->init, shape->init_rows ? rows : 1, units,
                                 stride);
        gemm.init_stride = shape->init_rows ? stride : 0;
    }
    gemm.w = place_weights(SLOT_WX, kernels, placement, data->wx, units, shape->depth_x);
    gemm.x_stride = groups * x_stride;
    gemm.x_group = x_stride;
    gemm.x = place_input(SLOT_X, shape->dtype, placement, data->x, rows, shape->depth_x, x_stride);
    gemm.out_stride = groups * stride;
    gemm.out_group = stride;
    gemm.out = guarded_place(&slots()[SLOT_C_OUT],
                             (size_t)((rows - 1) * stride + padded) * kernels->itemsize, placement,
                             UNTOUCHED);
    kernels->gemm(&gemm);
    check_gaps(SLOT_C_OUT, kernels->itemsize, rows, padded, stride);
    for (ptrdiff_t row = 0; row < rows; row++) {
        for (ptrdiff_t i = 0; i < gates; i++) {
            ptrdiff_t column = total_column(kernels, units, i / units, i % units);
            out[row * gates + i] = real_get(shape->dtype, gemm.out, row * stride + column);
        }
    }
}

void activation_run(const struct rnn_kernels *kernels, bool is_tanh, const double *x,
                    ptrdiff_t count, enum placement placement, double *out)
{
    void *in = place_input(SLOT_X, kernels->dtype, placement, x, 1, count, count);
    void *to = guarded_place(&slots()[SLOT_C_OUT], (size_t)count * kernels->itemsize, placement,
                             UNTOUCHED);
    (is_tanh ? kernels->tanh : kernels->sigmoid)(in, to, count);
    guarded_check(&slots()[SLOT_C_OUT], "out");
    read_matrix(SLOT_C_OUT, kernels->dtype, 1, count, count, out);
}

#include "network_runs.h"

#include "../../csrc/core/compress.h"
#include "reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST = 1 << 22, POLLUTION = 0xff /* NaN in either dtype */, UNTOUCHED = 0x5a };
static const uint64_t dropout_seed = 77;

enum slot {
    SLOT_PARAMS,
    SLOT_PACKED,
    SLOT_X,
    SLOT_Y,
    SLOT_H0,
    SLOT_C0,
    SLOT_H_N,
    SLOT_C_N,
    SLOT_SIZES,
    SLOT_LENGTHS,
    SLOT_ORDER,
    SLOT_RESET,
    SLOT_WORKSPACE,
    SLOT_TRACE,
    SLOT_COUNT = SLOT_TRACE + TRACES
};

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

static ptrdiff_t hidden_out(const struct network_shape *shape)
{
    return shape->proj_size ? shape->proj_size : shape->hidden_size;
}

/* Parameters in torch's order are drawn one after the other; their number is known by the
 * shapes alone, and rnn_params_size() must agree. */
static ptrdiff_t count_params(const struct network_shape *shape)
{
    const ptrdiff_t gates = cells[shape->kind].gates * shape->hidden_size, out = hidden_out(shape);
    ptrdiff_t count = 0;
    for (ptrdiff_t layer = 0; layer < shape->num_layers; layer++) {
        ptrdiff_t depth = layer ? shape->num_directions * out : shape->input_size;
        count += shape->num_directions * (gates * (depth + out) + (shape->bias ? 2 * gates : 0) +
                                          shape->proj_size * shape->hidden_size +
                                          (shape->variant.peepholes ? 3 : 0) * shape->hidden_size);
    }
    return count;
}

/* Index of the first value of weight_hh of a direction of the first layer. */
static ptrdiff_t first_weight_hh(const struct network_shape *shape, int direction)
{
    struct network_shape one = *shape;
    one.num_layers = one.num_directions = 1;
    return direction * count_params(&one) +
           cells[shape->kind].gates * shape->hidden_size * shape->input_size;
}

struct cell_variant random_variant(struct random *random, enum cell_kind kind)
{
    static const double clips[] = {0.0, 0.25, 0.6, INFINITY};
    struct cell_variant variant = {0};

    if (kind != CELL_LSTM && kind != CELL_GRU) {
        return variant;
    }
    variant.gate_activation = (enum gate_activation)random_below(random, GATE_ACTIVATIONS);
    variant.activation = (enum activation)random_below(random, ACTIVATIONS);
    if (kind == CELL_GRU) {
        variant.reset_before = random_below(random, 2);
    } else {
        variant.peepholes = random_below(random, 2);
        variant.cell_clip = clips[random_below(random, 4)];
    }
    return variant;
}

ptrdiff_t network_length(const struct network_data *data, ptrdiff_t steps, ptrdiff_t row)
{
    ptrdiff_t length = 0;

    while (length < steps && data->batch_sizes[length] > row) {
        length++;
    }
    return length;
}

/* Places and resets; "random" goes on only where the shape asks for them. */
static void draw_inside(const struct network_shape *shape, struct random *random,
                        struct network_data *data)
{
    const ptrdiff_t batch = shape->batch;

    data->places = must_allocate((size_t)batch, sizeof *data->places);
    data->reset = must_allocate((size_t)(shape->steps * batch), 1);
    for (ptrdiff_t row = 0; row < batch; row++) {
        const ptrdiff_t other =
            shape->inside == INSIDE_SHUFFLED_LENGTHS ? random_below(random, row + 1) : row;
        data->places[row] = data->places[other];
        data->places[other] = row;
    }
    /* Sequences of one length stand as in the matrices. */
    for (ptrdiff_t i = 0; i < batch * batch; i++) {
        const ptrdiff_t row = i % batch;
        const int64_t place = data->places[row];
        if (row + 1 < batch && place > data->places[row + 1] &&
            network_length(data, shape->steps, row) ==
                network_length(data, shape->steps, row + 1)) {
            data->places[row] = data->places[row + 1];
            data->places[row + 1] = place;
        }
    }
    for (ptrdiff_t i = 0; shape->inside == INSIDE_RESETS && i < shape->steps * batch; i++) {
        data->reset[i] =
            random_below(random, 4) ? 0 : (unsigned char)(1 + random_below(random, 255));
    }
}

bool network_has_trace(const struct network_shape *shape, int array)
{
    const struct cell *cell = &cells[shape->kind];
    const int gates = cell->gates > 1 ? cell->gates : 0;

    return shape->traced >> array & 1 &&
           (array == 5 || (array == 4 ? cell_has_c(cell) : array < gates));
}

const struct rnn_kernels *network_kernels(const char *level, const struct network_shape *shape)
{
    return shape->storage ? kernels_for_storage(level, shape->storage)
                          : kernels_for(level, shape->dtype);
}

struct network_data network_data_make(const struct network_shape *shape)
{
    const ptrdiff_t states = shape->num_layers * shape->num_directions * shape->batch;
    struct random random = random_seed(shape->seed);
    struct network_data data = {.params_size = count_params(shape)};

    data.net.kernels = network_kernels("portable", shape);
    data.net.kind = shape->kind;
    data.net.input_size = shape->input_size;
    data.net.hidden_size = shape->hidden_size;
    data.net.proj_size = shape->proj_size;
    data.net.num_layers = shape->num_layers;
    data.net.num_directions = shape->num_directions;
    data.net.bias = shape->bias;
    data.net.reverse = shape->reverse;
    data.net.variant = shape->variant;
    data.batch_sizes = must_allocate((size_t)shape->steps, sizeof *data.batch_sizes);
    int64_t size = shape->batch;
    for (ptrdiff_t t = 0; t < shape->steps; t++) {
        if (shape->ragged && t && size > 1) {
            size -= random_below(&random, 3) % size;
        }
        data.batch_sizes[t] = size;
        data.rows += (ptrdiff_t)size;
    }
    draw_inside(shape, &random, &data);
    data.y_size = data.rows * shape->num_directions * hidden_out(shape);
    data.h_size = states * hidden_out(shape);
    data.c_size = cells[shape->kind].states > 1 ? states * shape->hidden_size : 0;
    for (int array = 0; array < TRACES; array++) {
        data.trace_size +=
            network_has_trace(shape, array)
                ? shape->num_layers * shape->num_directions * data.rows * shape->hidden_size
                : 0;
    }
    const ptrdiff_t x_size = data.rows * shape->input_size;
    data.memory = must_allocate((size_t)(data.params_size + x_size + data.h_size + data.c_size),
                                sizeof(double));
    data.params = data.memory;
    data.x = data.params + data.params_size;
    data.h0 = data.x + x_size;
    data.c0 = data.h0 + data.h_size;
    random_fill(&random, shape->dtype, VALUES_ORDINARY, data.params, data.params_size);
    for (int direction = 0; shape->infinite && direction < shape->num_directions; direction++) {
        data.params[first_weight_hh(shape, direction)] = INFINITY;
    }
    random_fill(&random, shape->dtype, shape->values, data.x, x_size);
    random_fill(&random, shape->dtype, shape->values, data.h0, data.h_size);
    random_fill(&random, shape->dtype, shape->values, data.c0, data.c_size);
    return data;
}

void network_data_free(struct network_data *data)
{
    free(data->batch_sizes);
    free(data->places);
    free(data->reset);
    free(data->memory);
}

void network_describe(const struct network_shape *shape, const char *level)
{
    static const char *const gates[] = {"", " hard_sigmoid", " hard_sigmoid3"};
    static const char *const inside_names[] = {"", " lengths", " shuffled lengths", " resets"};
    static const char *const activations[] = {"", " relu", " softsign", " linear"};
    const struct cell_variant *variant = &shape->variant;

    case_begin(
        "%s %s%s%s%s%s%s%s clip %g %s %s I %td H %td P %td layers %td directions %d%s T %td N "
        "%td%s%s%s%s%s traced %x gap %td dropout %g, %s values, seed %llu",
        storage_formats[shape->storage].name, cells[shape->kind].mode,
        gates[variant->gate_activation], activations[variant->activation],
        variant->peepholes ? " peepholes" : "", variant->reset_before ? " reset before" : "",
        shape->reverse ? " reverse" : "", shape->infinite ? " infinite weights" : "",
        variant->cell_clip, level, dtype_names[shape->dtype], shape->input_size, shape->hidden_size,
        shape->proj_size, shape->num_layers, shape->num_directions, shape->bias ? "" : " no bias",
        shape->steps, shape->batch, shape->ragged ? " ragged" : "", inside_names[shape->inside],
        shape->batch_major ? " batch major" : "", shape->with_h0 ? "" : " no h0",
        shape->with_c0 ? "" : " no c0", (unsigned)shape->traced, shape->gap, shape->dropout,
        values_names[shape->values], (unsigned long long)shape->seed);
}

ptrdiff_t network_result_size(const struct network_data *data)
{
    return data->y_size + data->h_size + data->c_size + data->trace_size;
}

void network_expect(const struct network_shape *shape, const struct network_data *data, double *out)
{
    const ptrdiff_t each =
        shape->num_layers * shape->num_directions * data->rows * shape->hidden_size;
    double *trace = must_allocate((size_t)(TRACES * each), sizeof *trace);
    struct generator rng;
    generator_seed(&rng, dropout_seed);
    const struct reference_call call = {
        .steps = shape->steps,
        .batch = shape->batch,
        .batch_sizes = data->batch_sizes,
        .x = data->x,
        .h0 = shape->with_h0 ? data->h0 : NULL,
        .c0 = shape->with_c0 && data->c_size ? data->c0 : NULL,
        .y = out,
        .h_n = out + data->y_size,
        .c_n = data->c_size ? out + data->y_size + data->h_size : NULL,
        .dropout = shape->dropout,
        .rng = &rng,
        .reset = shape->inside == INSIDE_RESETS ? data->reset : NULL,
        .trace = trace,
    };
    reference_forward(&data->net, data->params, &call);
    out += data->y_size + data->h_size + data->c_size;
    for (int array = 0; array < TRACES; array++) {
        if (network_has_trace(shape, array)) {
            memcpy(out, trace + array * each, (size_t)each * sizeof *out);
            out += each;
        }
    }
    free(trace);
}

/* How the rows of a [T, N, width] array, or of its packed form, lie in memory. */
struct rows {
    ptrdiff_t step, row, extent; /* extent: elements up to the end of the last row */
};

bool network_is_packed(const struct network_shape *shape)
{
    return shape->ragged && shape->inside == INSIDE_NOTHING;
}

bool network_has_lengths(const struct network_shape *shape)
{
    return shape->inside == INSIDE_LENGTHS || shape->inside == INSIDE_SHUFFLED_LENGTHS;
}

ptrdiff_t network_array_steps(const struct network_shape *shape)
{
    return shape->steps + (network_has_lengths(shape) ? shape->gap : 0);
}

static struct rows rows_layout(const struct network_shape *shape, ptrdiff_t rows, ptrdiff_t width)
{
    struct rows layout = {0, width + shape->gap, 0};
    if (network_is_packed(shape)) {
        layout.extent = (rows - 1) * layout.row + width;
        return layout;
    }
    layout.step = shape->batch * layout.row + shape->gap;
    if (shape->batch_major) {
        layout.step = width + shape->gap;
        layout.row = network_array_steps(shape) * layout.step + shape->gap;
    }
    layout.extent =
        (network_array_steps(shape) - 1) * layout.step + (shape->batch - 1) * layout.row + width;
    return layout;
}

ptrdiff_t network_row_at(const struct network_shape *shape, const struct network_data *data,
                         ptrdiff_t step_stride, ptrdiff_t row_stride, ptrdiff_t row)
{
    ptrdiff_t t = 0;

    if (network_is_packed(shape)) {
        return row * row_stride;
    }
    for (; row >= data->batch_sizes[t]; t++) {
        row -= (ptrdiff_t)data->batch_sizes[t];
    }
    return t * step_stride + (ptrdiff_t)data->places[row] * row_stride;
}

static void *place_rows(enum slot slot, const struct network_shape *shape,
                        const struct network_data *data, const struct rows *layout,
                        enum placement placement, const double *values, ptrdiff_t width)
{
    void *array = guarded_place(&slots()[slot], (size_t)layout->extent * real_size(shape->dtype),
                                placement, POLLUTION);
    for (ptrdiff_t row = 0; row < data->rows; row++) {
        const ptrdiff_t at = network_row_at(shape, data, layout->step, layout->row, row);
        for (ptrdiff_t i = 0; i < width; i++) {
            real_set(shape->dtype, array, at + i, values[row * width + i]);
        }
    }
    guarded_protect(&slots()[slot]);
    return array;
}

static void *place_dense(enum slot slot, enum dtype dtype, enum placement placement,
                         const double *values, ptrdiff_t count)
{
    void *array =
        guarded_place(&slots()[slot], (size_t)count * real_size(dtype), placement, POLLUTION);
    for (ptrdiff_t i = 0; i < count; i++) {
        real_set(dtype, array, i, values[i]);
    }
    guarded_protect(&slots()[slot]);
    return array;
}

ptrdiff_t network_state_at(const struct network_shape *shape, const struct network_data *data,
                           ptrdiff_t i, ptrdiff_t width)
{
    const ptrdiff_t row = i / width, layer = row / shape->batch;

    return (layer * shape->batch + (ptrdiff_t)data->places[row % shape->batch]) * width + i % width;
}

static void *place_states(enum slot slot, const struct network_shape *shape,
                          const struct network_data *data, enum placement placement,
                          const double *values, ptrdiff_t count, ptrdiff_t width)
{
    double *moved = must_allocate((size_t)count, sizeof *moved);

    for (ptrdiff_t i = 0; i < count; i++) {
        moved[network_state_at(shape, data, i, width)] = values[i];
    }
    void *array = place_dense(slot, shape->dtype, placement, moved, count);
    free(moved);
    return array;
}

static const void *place_bytes(enum slot slot, enum placement placement, const void *bytes,
                               size_t size)
{
    void *array = memcpy(guarded_place(&slots()[slot], size, placement, 0), bytes, size);

    guarded_protect(&slots()[slot]);
    return array;
}

/* Fills "within" and the call's part of it from the shape. */
static void set_inside(const struct network_shape *shape, const struct network_data *data,
                       enum placement placement, struct rnn_call *call, struct rnn_within *within)
{
    const size_t batch = (size_t)shape->batch, sizes = (size_t)shape->steps * sizeof(int64_t);
    int64_t lengths[64] = {0}, *order, *found;

    *within = (struct rnn_within){.steps = network_array_steps(shape)};
    call->within = shape->inside == INSIDE_NOTHING && !shape->traced ? NULL : within;
    if (network_is_packed(shape)) {
        call->batch_sizes = place_bytes(SLOT_SIZES, placement, data->batch_sizes, sizes);
    }
    if (shape->inside == INSIDE_RESETS) {
        const bool by_row = shape->batch_major;
        unsigned char *flags = must_allocate(batch, (size_t)shape->steps);
        within->reset_step = by_row ? 1 : shape->batch;
        within->reset_row = by_row ? shape->steps : 1;
        for (ptrdiff_t i = 0; i < shape->steps * shape->batch; i++) {
            flags[i / shape->batch * within->reset_step + i % shape->batch * within->reset_row] =
                data->reset[i];
        }
        within->reset = place_bytes(SLOT_RESET, placement, flags, batch * (size_t)shape->steps);
        free(flags);
    }
    if (!network_has_lengths(shape)) {
        return;
    }
    for (ptrdiff_t t = 0; t < shape->steps; t++) {
        for (ptrdiff_t row = 0; row < data->batch_sizes[t]; row++) {
            lengths[data->places[row]]++;
        }
    }
    within->lengths = place_bytes(SLOT_LENGTHS, placement, lengths, batch * sizeof *lengths);
    order = guarded_place(&slots()[SLOT_ORDER], batch * sizeof *order, placement, 0);
    found = guarded_place(&slots()[SLOT_SIZES], sizes, placement, POLLUTION);
    within->order = rnn_order_lengths(within->lengths, shape->batch, order, found) ? NULL : order;
    within->sizes = found;
    check(memcmp(found, data->batch_sizes, sizes) == 0, "rnn_order_lengths() gives other sizes");
    for (ptrdiff_t row = 1; row < shape->batch; row++) {
        const int64_t before = lengths[order[row - 1]], length = lengths[order[row]];
        check(before > length || (before == length && order[row - 1] < order[row]),
              "rnn_order_lengths() gives no stable order");
    }
    guarded_check(&slots()[SLOT_ORDER], "order");
    guarded_check(&slots()[SLOT_SIZES], "sizes");
}

void network_compress(const struct rnn_net *net, const struct network_data *data, char *stored)
{
    const enum storage storage = (enum storage)(net->kernels->storage - storage_formats);

    for (ptrdiff_t index = 0; index < rnn_param_count(net); index++) {
        const struct rnn_param param = rnn_param_at(net, index);
        const struct rnn_stored at = rnn_stored_at(net, index);
        const ptrdiff_t count = param.rows * param.cols;
        float *values = must_allocate((size_t)count, sizeof *values);
        for (ptrdiff_t i = 0; i < count; i++) {
            values[i] = (float)data->params[param.offset + i];
        }
        if (at.compressed) {
            float *scales = (float *)(void *)(stored + at.scales);
            check(storage_compress(storage, values, param.rows, param.cols, stored + at.values,
                                   scales),
                  "does not compress parameter %td", index);
            check(storage_is_sound(storage, stored + at.values, scales, param.rows, param.cols),
                  "parameter %td is not sound", index);
        } else {
            memcpy(stored + at.values, values, (size_t)count * sizeof *values);
        }
        free(values);
    }
}

/* Compresses the parameters into guarded memory. */
static const void *place_stored(const struct rnn_net *net, const struct network_data *data,
                                enum placement placement)
{
    const size_t size = (size_t)rnn_stored_size(net);
    /* At the end of its pages it may be less aligned than a caller's memory. */
    char *stored =
        guarded_place(&slots()[SLOT_PARAMS], (size + 63) / 64 * 64, placement, POLLUTION);

    network_compress(net, data, stored);
    guarded_protect(&slots()[SLOT_PARAMS]);
    return stored;
}

/* Packs into guarded memory, which is then read-only: a call must not write its weights. */
static const void *pack(const struct rnn_net *net, const struct network_data *data,
                        enum placement placement, bool infinite, bool *finite)
{
    const enum dtype dtype = net->kernels->dtype;
    const ptrdiff_t size = rnn_packed_size(net);
    const void *params =
        net->kernels->storage->itemsize
            ? place_stored(net, data, placement)
            : place_dense(SLOT_PARAMS, dtype, placement, data->params, data->params_size);
    check(rnn_params_size(net) == data->params_size, "rnn_params_size() is %td, not %td",
          rnn_params_size(net), data->params_size);
    void *packed =
        guarded_place(&slots()[SLOT_PACKED], (size_t)size * real_size(dtype), placement, POLLUTION);
    *finite = rnn_pack(net, params, packed);
    check(*finite == !infinite, "the weights count as %s", *finite ? "finite" : "infinite");
    guarded_check(&slots()[SLOT_PACKED], "packed");
    guarded_protect(&slots()[SLOT_PACKED]);
    return packed;
}

static ptrdiff_t trace_extent(const struct network_shape *shape)
{
    return shape->num_layers * shape->num_directions * network_array_steps(shape) * shape->batch *
           shape->hidden_size;
}

static void place_trace(const struct network_shape *shape, enum placement placement,
                        struct rnn_trace *trace)
{
    const size_t size = (size_t)trace_extent(shape) * real_size(shape->dtype);

    for (int array = 0; array < TRACES; array++) {
        if (network_has_trace(shape, array)) {
            void *memory = guarded_place(&slots()[SLOT_TRACE + array], size, placement, UNTOUCHED);
            *(array < 4 ? &trace->gates[array] : array == 4 ? &trace->c : &trace->h) = memory;
        }
    }
}

/* Copies the trace out, and checks that nothing else of it was written. Leaves untouched bytes. */
static void take_trace(const struct network_shape *shape, const struct network_data *data,
                       double *out)
{
    const ptrdiff_t scans = shape->num_layers * shape->num_directions;
    const ptrdiff_t hidden = shape->hidden_size, extent = trace_extent(shape);
    const struct rows layout = {shape->batch * hidden, hidden, 0};
    const size_t itemsize = real_size(shape->dtype);

    for (int array = 0; array < TRACES; array++) {
        unsigned char *bytes = slots()[SLOT_TRACE + array].data;
        bool intact = true;
        if (!network_has_trace(shape, array)) {
            continue;
        }
        for (ptrdiff_t i = 0; i < scans * data->rows; i++, out += hidden) {
            const ptrdiff_t at =
                i / data->rows * (extent / scans) +
                network_row_at(shape, data, layout.step, layout.row, i % data->rows);
            for (ptrdiff_t unit = 0; unit < hidden; unit++) {
                out[unit] = real_get(shape->dtype, bytes, at + unit);
            }
            memset(bytes + (size_t)at * itemsize, UNTOUCHED, (size_t)hidden * itemsize);
        }
        for (size_t i = 0; i < (size_t)extent * itemsize; i++) {
            intact &= bytes[i] == UNTOUCHED;
        }
        check(intact, "wrote beyond the ends of sequences in array %d of the trace", array);
        guarded_check(&slots()[SLOT_TRACE + array], "trace");
    }
}

/* True if the rows of a [T, N, width] array of untouched bytes, with gaps, are zeros beyond the ends of
 * the sequences. */
static bool is_cleared(const struct network_shape *shape, const struct network_data *data,
                       const unsigned char *bytes, const struct rows *layout, ptrdiff_t width)
{
    const size_t itemsize = real_size(shape->dtype);
    unsigned char *expected = must_allocate((size_t)layout->extent, itemsize);

    memset(expected, UNTOUCHED, (size_t)layout->extent * itemsize);
    for (ptrdiff_t row = 0; row < shape->batch; row++) {
        for (ptrdiff_t t = network_length(data, shape->steps, row); t < network_array_steps(shape);
             t++) {
            const ptrdiff_t at = t * layout->step + (ptrdiff_t)data->places[row] * layout->row;
            memset(expected + (size_t)at * itemsize, 0, (size_t)width * itemsize);
        }
    }
    const bool same = memcmp(bytes, expected, (size_t)layout->extent * itemsize) == 0;
    free(expected);
    return same;
}

static void check_clearing(const struct network_shape *shape, const struct network_data *data,
                           const struct rnn_net *net, const struct rnn_call *call,
                           const struct rows *y)
{
    const ptrdiff_t scans = shape->num_layers * shape->num_directions;
    const ptrdiff_t hidden = shape->hidden_size;
    const struct rows trace = {shape->batch * hidden, hidden, trace_extent(shape) / scans};

    rnn_clear_padding(net, call);
    check(is_cleared(shape, data, call->y, y, shape->num_directions * hidden_out(shape)),
          "does not clear y alone beyond the ends of sequences");
    for (ptrdiff_t i = 0; i < TRACES * scans; i++) {
        const int array = (int)(i / scans);
        const size_t at = (size_t)(i % scans * trace.extent) * real_size(shape->dtype);
        check(!network_has_trace(shape, array) ||
                  is_cleared(shape, data, slots()[SLOT_TRACE + array].data + at, &trace, hidden),
              "does not clear array %d of the trace beyond the ends of sequences", array);
    }
}

/* Copies the result out, and checks that nothing but rows of y was written. */
static void take_result(const struct network_shape *shape, const struct network_data *data,
                        const struct rows *layout, double *out)
{
    static const char *const names[] = {"y", "h_n", "c_n", "workspace"};
    static const enum slot written[] = {SLOT_Y, SLOT_H_N, SLOT_C_N, SLOT_WORKSPACE};
    const ptrdiff_t width = shape->num_directions * hidden_out(shape);
    const size_t itemsize = real_size(shape->dtype);
    unsigned char *bytes = slots()[SLOT_Y].data;

    for (ptrdiff_t row = 0; row < data->rows; row++) {
        ptrdiff_t at = network_row_at(shape, data, layout->step, layout->row, row);
        for (ptrdiff_t i = 0; i < width; i++) {
            out[row * width + i] = real_get(shape->dtype, bytes, at + i);
        }
        memset(bytes + (size_t)at * itemsize, UNTOUCHED, (size_t)width * itemsize);
    }
    bool intact = true;
    for (size_t i = 0; i < (size_t)layout->extent * itemsize; i++) {
        intact &= bytes[i] == UNTOUCHED;
    }
    check(intact, "wrote between the rows of y");
    out += data->y_size;
    for (ptrdiff_t i = 0; i < data->h_size; i++) {
        out[i] = shape->y_is_h_n ? (out - data->y_size)[i]
                                 : real_get(shape->dtype, slots()[SLOT_H_N].data,
                                            network_state_at(shape, data, i, hidden_out(shape)));
    }
    out += data->h_size;
    for (ptrdiff_t i = 0; i < data->c_size; i++) {
        out[i] = real_get(shape->dtype, slots()[SLOT_C_N].data,
                          network_state_at(shape, data, i, shape->hidden_size));
    }
    for (int i = 0; i < 4; i++) {
        guarded_check(&slots()[written[i]], names[i]);
    }
    take_trace(shape, data, out + data->c_size);
}

void network_run(const char *level, const struct network_shape *shape,
                 const struct network_data *data, enum placement placement, double *out)
{
    const enum dtype dtype = shape->dtype;
    const size_t itemsize = real_size(dtype);
    const ptrdiff_t width = shape->num_directions * hidden_out(shape);
    struct generator rng;
    struct rnn_net net = data->net;
    struct rnn_call call = {
        .steps = shape->steps, .batch = shape->batch, .descending = network_descends(shape)};
    struct rnn_within within;

    net.kernels = network_kernels(level, shape);
    const void *packed = pack(&net, data, placement, shape->infinite, &call.finite_weights);
    const struct rows x = rows_layout(shape, data->rows, shape->input_size);
    const struct rows y = rows_layout(shape, data->rows, width);
    call.x = place_rows(SLOT_X, shape, data, &x, placement, data->x, shape->input_size);
    call.x_step = x.step;
    call.x_row = x.row;
    call.y = guarded_place(&slots()[SLOT_Y], (size_t)y.extent * itemsize, placement, UNTOUCHED);
    call.y_step = y.step;
    call.y_row = y.row;
    set_inside(shape, data, placement, &call, &within);
    place_trace(shape, placement, &within.trace);
    if (shape->with_h0) {
        call.h0 = place_states(SLOT_H0, shape, data, placement, data->h0, data->h_size,
                               hidden_out(shape));
        call.h0_row = hidden_out(shape);
        call.h0_layer = shape->batch * call.h0_row;
    }
    if (shape->with_c0 && data->c_size) {
        call.c0 = place_states(SLOT_C0, shape, data, placement, data->c0, data->c_size,
                               shape->hidden_size);
        call.c0_row = shape->hidden_size;
        call.c0_layer = shape->batch * call.c0_row;
    }
    call.h_n = guarded_place(&slots()[SLOT_H_N], (size_t)data->h_size * itemsize, placement, 0);
    call.h_n = shape->y_is_h_n ? call.y : call.h_n;
    call.c_n = guarded_place(&slots()[SLOT_C_N], (size_t)data->c_size * itemsize, placement, 0);
    call.c_n = data->c_size ? call.c_n : NULL;
    generator_seed(&rng, dropout_seed);
    call.dropout = shape->dropout;
    call.rng = &rng;
    void *workspace = guarded_place(&slots()[SLOT_WORKSPACE],
                                    (size_t)rnn_workspace_size(&net, &call), placement, POLLUTION);
    rnn_forward(&net, packed, &call, workspace);
    take_result(shape, data, &y, out);
    if (network_has_lengths(shape)) {
        check_clearing(shape, data, &net, &call, &y);
    }
}

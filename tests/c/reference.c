#include "reference.h"

#include "reference_storage.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double fused(enum dtype dtype, double a, double b, double c)
{
    return dtype == DTYPE_FLOAT32 ? (double)exact_fmaf((float)a, (float)b, (float)c)
                                  : exact_fma(a, b, c);
}

/* Sums and products of two floats are rounded twice here, harmlessly: 53 >= 2 * 24 + 2. */
static double plus(enum dtype dtype, double a, double b) { return real_round(dtype, a + b); }

static double times(enum dtype dtype, double a, double b) { return real_round(dtype, a * b); }

static double activation(enum dtype dtype, bool is_tanh, double value)
{
    const struct rnn_kernels *kernels = kernels_for("portable", dtype);
    double in[1] = {0}, out[1] = {0}; /* room for either dtype */
    real_set(dtype, in, 0, value);
    (is_tanh ? kernels->tanh : kernels->sigmoid)(in, out, 1);
    return real_get(dtype, out, 0);
}

void reference_add_product(enum dtype dtype, const double *w, const double *v, ptrdiff_t rows,
                           ptrdiff_t depth, double *total)
{
    for (ptrdiff_t row = 0; row < rows; row++, w += depth) {
        for (ptrdiff_t first = 0; first < depth; first += PYLSTM_SUM_BLOCK) {
            double sum = 0.0;
            for (ptrdiff_t k = first; k < depth && k < first + PYLSTM_SUM_BLOCK; k++) {
                sum = fused(dtype, w[k], v[k], sum);
            }
            total[row] = plus(dtype, total[row], sum);
        }
    }
}

static const struct cell_variant no_variant = {0};

/* Comparisons with a NaN are false, so that a NaN stays. */
static double bounded(double value, double least, double most)
{
    return value < least ? least : value > most ? most : value;
}

double reference_gate(enum dtype dtype, const struct cell_variant *variant, double total)
{
    /* The constants as the dtype has them. */
    const double fifth = dtype == DTYPE_FLOAT32 ? (double)0.2F : 0.2;
    const double sixth = dtype == DTYPE_FLOAT32 ? (double)(1.0F / 6.0F) : 1.0 / 6.0;

    switch (variant->gate_activation) {
    case GATE_HARD_SIGMOID:
        return bounded(fused(dtype, fifth, total, 0.5), 0.0, 1.0);
    case GATE_HARD_SIGMOID3:
        return bounded(fused(dtype, sixth, total, 0.5), 0.0, 1.0);
    default:
        return activation(dtype, false, total);
    }
}

static double activate(enum dtype dtype, const struct cell_variant *variant, double value)
{
    switch (variant->activation) {
    case ACTIVATION_RELU:
        return value < 0 ? 0.0 : value;
    case ACTIVATION_SOFTSIGN:
        return real_round(dtype, value / plus(dtype, 1.0, fabs(value)));
    case ACTIVATION_LINEAR:
        return value;
    default:
        return activation(dtype, true, value);
    }
}

/* The total of a gate with its peephole, which reads c or c'. */
static double peep(const struct reference_update *update, ptrdiff_t gate, ptrdiff_t unit, double c)
{
    const double total = update->totals[gate * update->hidden + unit];
    const ptrdiff_t index = gate < 2 ? gate : 2;

    if (update->peepholes == NULL)
        return total;
    return fused(update->dtype, update->peepholes[index * update->hidden + unit], c, total);
}

static void keep_gate(const struct reference_update *update, ptrdiff_t gate, ptrdiff_t unit,
                      double value)
{
    if (update->gates)
        update->gates[gate * update->hidden + unit] = value;
}

static void update_lstm(const struct reference_update *update)
{
    const struct cell_variant *variant = update->variant;
    const enum dtype dtype = update->dtype;

    for (ptrdiff_t unit = 0; unit < update->hidden; unit++) {
        const double c = update->c[unit];
        double i = reference_gate(dtype, variant, peep(update, 0, unit, c));
        double f = reference_gate(dtype, variant, peep(update, 1, unit, c));
        double g = activate(dtype, variant, update->totals[2 * update->hidden + unit]);
        double state = fused(dtype, f, c, times(dtype, i, g));
        if (variant->cell_clip > 0) {
            const double clip = real_round(dtype, variant->cell_clip);
            state = bounded(state, -clip, clip);
        }
        double o = reference_gate(dtype, variant, peep(update, 3, unit, state));
        keep_gate(update, 0, unit, i);
        keep_gate(update, 1, unit, f);
        keep_gate(update, 2, unit, g);
        keep_gate(update, 3, unit, o);
        update->c_out[unit] = state;
        update->h_out[unit] = times(dtype, o, activate(dtype, variant, state));
    }
}

static void update_gru(const struct reference_update *update)
{
    const struct cell_variant *variant = update->variant;
    const enum dtype dtype = update->dtype;
    const ptrdiff_t hidden = update->hidden;

    for (ptrdiff_t unit = 0; unit < hidden; unit++) {
        double r = reference_gate(dtype, variant, update->totals[unit]);
        double z = reference_gate(dtype, variant, update->totals[hidden + unit]);
        double n = update->totals[2 * hidden + unit];
        if (!variant->reset_before)
            n = fused(dtype, r, n, update->aside[unit]);
        n = activate(dtype, variant, n);
        keep_gate(update, 0, unit, r);
        keep_gate(update, 1, unit, z);
        keep_gate(update, 2, unit, n);
        update->h_out[unit] = fused(dtype, z, update->h[unit], fused(dtype, -z, n, n));
    }
}

static void update_rnn_tanh(const struct reference_update *update)
{
    for (ptrdiff_t unit = 0; unit < update->hidden; unit++) {
        update->h_out[unit] = activation(update->dtype, true, update->totals[unit]);
    }
}

static void update_rnn_relu(const struct reference_update *update)
{
    for (ptrdiff_t unit = 0; unit < update->hidden; unit++) {
        update->h_out[unit] = update->totals[unit] < 0 ? 0.0 : update->totals[unit];
    }
}

void reference_update(enum cell_kind kind, const struct reference_update *update)
{
    static void (*const updates[CELL_KINDS])(const struct reference_update *) = {
        [CELL_LSTM] = update_lstm,
        [CELL_GRU] = update_gru,
        [CELL_RNN_TANH] = update_rnn_tanh,
        [CELL_RNN_RELU] = update_rnn_relu,
    };
    struct reference_update all = *update;
    if (all.variant == NULL)
        all.variant = &no_variant;
    updates[kind](&all);
}

/* The parameters of one layer and direction among all weights. */
struct layer {
    const double *w_ih, *w_hh, *b_ih, *b_hh, *w_hr, *peepholes; /* absent ones NULL */
    ptrdiff_t depth;                                            /* columns of w_ih */
    bool bounded_x; /* x is h of a layer before, all within [-1, 1] */
};

/* True if h before a projection cannot leave [-1, 1] by itself. */
static bool is_bounded(const struct rnn_net *net)
{
    return net->kind != CELL_RNN_RELU && net->variant.activation != ACTIVATION_RELU &&
           net->variant.activation != ACTIVATION_LINEAR;
}

/* reference_add_product() with the weights in their storage. */
static void add_stored(const struct rnn_net *net, bool is_x, bool bounded, const double *w,
                       const double *v, ptrdiff_t rows, ptrdiff_t depth, double *total)
{
    const enum storage storage = (enum storage)(net->kernels->storage - storage_formats);

    if (storage == STORAGE_FLOAT) {
        reference_add_product(net->kernels->dtype, w, v, rows, depth, total);
    } else if (storage != STORAGE_BFLOAT16 && storage != STORAGE_FLOAT16) {
        reference_add_integers(storage, is_x, bounded, w, v, rows, depth, total);
    } else {
        double *widened = must_allocate((size_t)(rows * depth), sizeof *widened);
        for (ptrdiff_t i = 0; i < rows * depth; i++) {
            widened[i] = reference_weight(storage, w[i]);
        }
        reference_add_product(net->kernels->dtype, widened, v, rows, depth, total);
        free(widened);
    }
}

static struct layer take_layer(const struct rnn_net *net, ptrdiff_t index, const double **params)
{
    const ptrdiff_t hidden = net->hidden_size, gates = cells[net->kind].gates * hidden;
    const ptrdiff_t out = net->proj_size ? net->proj_size : hidden;
    const double *next = *params;
    struct layer layer = {0};

    layer.depth = index ? net->num_directions * out : net->input_size;
    layer.w_ih = next;
    next += gates * layer.depth;
    layer.w_hh = next;
    next += gates * out;
    if (net->bias) {
        layer.b_ih = next;
        layer.b_hh = next + gates;
        next += 2 * gates;
    }
    if (net->proj_size) {
        layer.w_hr = next;
        next += out * hidden;
    }
    if (net->variant.peepholes) {
        layer.peepholes = next;
        next += 3 * hidden;
    }
    *params = next;
    return layer;
}

/* The recurrent part of a GRU that resets before the product: that of n is over r h. */
static void add_reset_product(const struct rnn_net *net, const struct layer *layer, const double *h,
                              double *totals)
{
    const enum dtype dtype = net->kernels->dtype;
    const ptrdiff_t hidden = net->hidden_size;
    double *reset = must_allocate((size_t)hidden, sizeof *reset);

    add_stored(net, false, is_bounded(net), layer->w_hh, h, 2 * hidden, hidden, totals);
    for (ptrdiff_t unit = 0; unit < hidden; unit++) {
        reset[unit] = times(dtype, reference_gate(dtype, &net->variant, totals[unit]), h[unit]);
    }
    add_stored(net, false, is_bounded(net), layer->w_hh + 2 * hidden * hidden, reset, hidden,
               hidden, totals + 2 * hidden);
    free(reset);
}

/* The totals of a step, and of a GRU the input part of n. */
static void find_totals(const struct rnn_net *net, const struct layer *layer, const double *x,
                        const double *h, double *totals, double *aside)
{
    const enum dtype dtype = net->kernels->dtype;
    const ptrdiff_t hidden = net->hidden_size, gates = cells[net->kind].gates * hidden;
    const ptrdiff_t out = net->proj_size ? net->proj_size : hidden;
    const bool separate = net->kind == CELL_GRU && !net->variant.reset_before;
    const ptrdiff_t last = gates - hidden; /* the first row of the last gate */

    for (ptrdiff_t j = 0; j < gates; j++) {
        totals[j] = !net->bias              ? 0.0
                    : separate && j >= last ? layer->b_ih[j]
                                            : plus(dtype, layer->b_ih[j], layer->b_hh[j]);
    }
    add_stored(net, true, layer->bounded_x, layer->w_ih, x, gates, layer->depth, totals);
    if (net->variant.reset_before) {
        add_reset_product(net, layer, h, totals);
        return;
    }
    for (ptrdiff_t j = 0; separate && j < hidden; j++) {
        aside[j] = totals[last + j];
        totals[last + j] = net->bias ? layer->b_hh[last + j] : 0.0;
    }
    add_stored(net, false, is_bounded(net) && !net->proj_size, layer->w_hh, h, gates, out, totals);
}

/* One sequence of the batch through one layer and direction. x and call->y are the first rows of
 * the whole arrays; the row of step t is start[t] + `row`, also in the scan's own trace. h and c go in and out. */
static void run_sequence(const struct rnn_net *net, const struct layer *layer, int direction,
                         double *trace, const ptrdiff_t *start, ptrdiff_t row, ptrdiff_t length,
                         const struct reference_call *call, const double *x, double *h, double *c)
{
    const enum dtype dtype = net->kernels->dtype;
    const ptrdiff_t hidden = net->hidden_size, gates = cells[net->kind].gates * hidden;
    const ptrdiff_t out = net->proj_size ? net->proj_size : hidden;
    const ptrdiff_t width = net->num_directions * out;
    const bool reverse = direction == 1 || net->reverse;
    const ptrdiff_t rows = start[call->steps];
    const ptrdiff_t each = net->num_layers * net->num_directions * rows * hidden; /* of the trace */
    double *totals = must_allocate((size_t)(gates + 6 * hidden), sizeof *totals);
    double *raw = totals + gates; /* h' before the projection */
    double *aside = raw + hidden;
    const struct reference_update update = {.dtype = dtype,
                                            .hidden = hidden,
                                            .variant = &net->variant,
                                            .peepholes = layer->peepholes,
                                            .totals = totals,
                                            .aside = aside,
                                            .h = h,
                                            .c = c,
                                            .c_out = c,
                                            .h_out = raw,
                                            .gates = aside + hidden};

    for (ptrdiff_t i = 0; i < length; i++) {
        ptrdiff_t t = reverse ? length - 1 - i : i, at = start[t] + row;
        if (call->reset && t + reverse < length && call->reset[start[t + reverse] + row]) {
            memset(h, 0, (size_t)out * sizeof *h);
            memset(c ? c : raw, 0, (size_t)hidden * sizeof *c);
        }
        find_totals(net, layer, x + at * layer->depth, h, totals, aside);
        reference_update(net->kind, &update);
        for (ptrdiff_t array = 0; trace && array < 6; array++) {
            const double *from = array < 4    ? update.gates + array * hidden
                                 : array == 5 ? raw
                                 : c          ? c
                                              : raw;
            memcpy(trace + array * each + at * hidden, from, (size_t)hidden * sizeof *trace);
        }
        if (net->proj_size) {
            memset(h, 0, (size_t)out * sizeof *h);
            add_stored(net, false, is_bounded(net), layer->w_hr, raw, out, hidden, h);
        } else {
            memcpy(h, raw, (size_t)out * sizeof *h);
        }
        memcpy(call->y + at * width + direction * out, h, (size_t)out * sizeof *h);
    }
    free(totals);
}

/* Masks in the element order of the layer's whole output; a kept value is divided by 1 - p
 * the way torch does it: multiplied by the rounded quotient. */
static void drop(enum dtype dtype, double p, struct generator *rng, double *y, ptrdiff_t count)
{
    const double keep = 1.0 - p;
    const double scale = real_round(dtype, 1.0 / real_round(dtype, keep));
    for (ptrdiff_t i = 0; i < count; i++) {
        y[i] = times(dtype, y[i], generator_uniform(rng) < keep ? scale : 0.0);
    }
}

void reference_forward(const struct rnn_net *net, const double *params,
                       const struct reference_call *call)
{
    const ptrdiff_t hidden = net->hidden_size;
    const ptrdiff_t out = net->proj_size ? net->proj_size : hidden;
    const ptrdiff_t width = net->num_directions * out;
    ptrdiff_t *start = must_allocate((size_t)call->steps + 1, sizeof *start);
    for (ptrdiff_t t = 0; t < call->steps; t++) {
        start[t + 1] = start[t] + (ptrdiff_t)call->batch_sizes[t];
    }
    const ptrdiff_t rows = start[call->steps];
    double *between = must_allocate((size_t)(rows * width), sizeof *between);
    const double *x = call->x;

    for (ptrdiff_t index = 0; index < net->num_layers; index++) {
        for (int direction = 0; direction < net->num_directions; direction++) {
            struct layer layer = take_layer(net, index, &params);
            layer.bounded_x = index && is_bounded(net) && !net->proj_size && call->dropout == 0.0;
            for (ptrdiff_t row = 0; row < call->batch; row++) {
                ptrdiff_t at = (index * net->num_directions + direction) * call->batch + row;
                ptrdiff_t length = 0;
                while (length < call->steps && call->batch_sizes[length] > row) {
                    length++;
                }
                double *trace = NULL;
                if (call->trace)
                    trace = call->trace + at / call->batch * rows * hidden;
                double *h = call->h_n + at * out;
                double *c = call->c_n ? call->c_n + at * hidden : NULL;
                for (ptrdiff_t i = 0; i < out; i++) {
                    h[i] = call->h0 ? call->h0[at * out + i] : 0.0;
                }
                for (ptrdiff_t i = 0; c && i < hidden; i++) {
                    c[i] = call->c0 ? call->c0[at * hidden + i] : 0.0;
                }
                run_sequence(net, &layer, direction, trace, start, row, length, call, x, h, c);
            }
        }
        if (index + 1 < net->num_layers) {
            memcpy(between, call->y, (size_t)(rows * width) * sizeof *between);
            if (call->dropout > 0.0) {
                drop(net->kernels->dtype, call->dropout, call->rng, between, rows * width);
            }
            x = between;
        }
    }
    free(between);
    free(start);
}

#include "reference.h"

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

static void update_lstm(enum dtype dtype, const double *totals, const double *c, ptrdiff_t hidden,
                        double *c_out, double *h_out)
{
    for (ptrdiff_t unit = 0; unit < hidden; unit++) {
        double i = activation(dtype, false, totals[unit]);
        double f = activation(dtype, false, totals[hidden + unit]);
        double g = activation(dtype, true, totals[2 * hidden + unit]);
        double o = activation(dtype, false, totals[3 * hidden + unit]);
        double state = fused(dtype, f, c[unit], times(dtype, i, g));
        c_out[unit] = state;
        h_out[unit] = times(dtype, o, activation(dtype, true, state));
    }
}

void reference_update(enum cell_kind kind, enum dtype dtype, const double *totals, const double *c,
                      ptrdiff_t hidden, double *c_out, double *h_out)
{
    static void (*const updates[CELL_KINDS])(enum dtype, const double *, const double *, ptrdiff_t,
                                             double *, double *) = {[CELL_LSTM] = update_lstm};
    updates[kind](dtype, totals, c, hidden, c_out, h_out);
}

/* The parameters of one layer and direction among all weights. */
struct layer {
    const double *w_ih, *w_hh, *b_ih, *b_hh, *w_hr; /* absent ones NULL */
    ptrdiff_t depth;                                /* columns of w_ih */
};

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
    *params = next;
    return layer;
}

/* One sequence of the batch through one layer and direction. x and y are the first rows of
 * the whole arrays; the row of step t is start[t] + `row`. h and c go in and out. */
static void run_sequence(const struct rnn_net *net, const struct layer *layer, bool reverse,
                         const ptrdiff_t *start, ptrdiff_t row, ptrdiff_t length, const double *x,
                         double *y, double *h, double *c)
{
    const enum dtype dtype = net->kernels->dtype;
    const ptrdiff_t hidden = net->hidden_size, gates = cells[net->kind].gates * hidden;
    const ptrdiff_t out = net->proj_size ? net->proj_size : hidden;
    const ptrdiff_t width = net->num_directions * out;
    double *totals = must_allocate((size_t)(gates + hidden), sizeof *totals);
    double *raw = totals + gates; /* h' before the projection */

    for (ptrdiff_t i = 0; i < length; i++) {
        ptrdiff_t at = start[reverse ? length - 1 - i : i] + row;
        for (ptrdiff_t j = 0; j < gates; j++) {
            totals[j] = net->bias ? plus(dtype, layer->b_ih[j], layer->b_hh[j]) : 0.0;
        }
        reference_add_product(dtype, layer->w_ih, x + at * layer->depth, gates, layer->depth,
                              totals);
        reference_add_product(dtype, layer->w_hh, h, gates, out, totals);
        reference_update(net->kind, dtype, totals, c, hidden, c, raw);
        if (net->proj_size) {
            memset(h, 0, (size_t)out * sizeof *h);
            reference_add_product(dtype, layer->w_hr, raw, out, hidden, h);
        } else {
            memcpy(h, raw, (size_t)out * sizeof *h);
        }
        memcpy(y + at * width + (reverse ? out : 0), h, (size_t)out * sizeof *h);
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
            for (ptrdiff_t row = 0; row < call->batch; row++) {
                ptrdiff_t at = (index * net->num_directions + direction) * call->batch + row;
                ptrdiff_t length = 0;
                while (length < call->steps && call->batch_sizes[length] > row) {
                    length++;
                }
                double *h = call->h_n + at * out, *c = call->c_n + at * hidden;
                for (ptrdiff_t i = 0; i < out; i++) {
                    h[i] = call->h0 ? call->h0[at * out + i] : 0.0;
                }
                for (ptrdiff_t i = 0; i < hidden; i++) {
                    c[i] = call->c0 ? call->c0[at * hidden + i] : 0.0;
                }
                run_sequence(net, &layer, direction == 1, start, row, length, x, call->y, h, c);
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

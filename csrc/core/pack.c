/* Packing: parameters in torch's layout to the layout that the kernels stream, and comparing the
 * two.
 *
 * Units are cut into panels of `lanes` units (kernels.h); a matrix becomes, panel after panel,
 * [depth][gate][lane]. A projection has no gates: its output columns are cut the same way, so
 * that column 4*unit + gate*lanes + lane of a panel is simply the next in line. The panels of a
 * matrix are taken from the last to the first: the next step begins with the first, and finds it in
 * the caches.
 */
#include "pack.h"

#include "fpenv.h"
#include "layout.h"
#include "params.h"

#include <string.h>

/* How many lanes the panel that starts at `unit` has. */
static ptrdiff_t panel_lanes(const struct rnn_kernels *kernels, ptrdiff_t units, ptrdiff_t unit)
{
    return units - unit <= kernels->narrow_lanes ? kernels->narrow_lanes : kernels->lanes;
}

/* A weight matrix and where it stands in the packed copy. */
struct matrix {
    const struct rnn_kernels *kernels;
    bool projects;
    const char *rows; /* [height, depth] */
    ptrdiff_t height, depth;
    ptrdiff_t units;  /* of a projection: 4 output columns are one */
    ptrdiff_t packed; /* elements from the start of the packed copy */
};

/* Returns the matrix of parameter `index`, with its values at `weight`. */
static struct matrix matrix_of(const struct rnn_net *net, ptrdiff_t index, const void *weight)
{
    const struct rnn_param param = rnn_param_at(net, index);
    const struct direction_layout at = direction_layout(net, param.layer);
    struct matrix matrix = {.kernels = net->kernels,
                            .projects = param.kind == WEIGHT_HR,
                            .rows = weight,
                            .height = param.rows,
                            .depth = param.cols};

    matrix.units = (param.rows + 3) / PANEL_VECTORS;
    matrix.packed = direction_offset(net, index / rnn_params_per_direction(net));
    if (param.kind == WEIGHT_IH)
        matrix.packed += at.weight_ih;
    else
        matrix.packed += matrix.projects ? at.weight_hr : at.weight_hh;
    return matrix;
}

/* Where panel `index` of the matrix stands in the packed copy: bytes from its start. */
static size_t panel_offset(const struct matrix *matrix, ptrdiff_t index)
{
    const ptrdiff_t unit = index * matrix->kernels->lanes;

    return (size_t)(matrix->packed + PANEL_VECTORS * unit * matrix->depth) *
           matrix->kernels->itemsize;
}

static struct panel panel_of(const struct matrix *matrix, ptrdiff_t index)
{
    const ptrdiff_t unit = index * matrix->kernels->lanes;
    const ptrdiff_t lanes = panel_lanes(matrix->kernels, matrix->units, unit);
    const ptrdiff_t row = matrix->projects ? PANEL_VECTORS * unit : unit;
    const ptrdiff_t gate_rows = matrix->projects ? lanes : matrix->units;
    struct panel panel = {
        .gate_stride = gate_rows * matrix->depth, .depth = matrix->depth, .lanes = lanes};

    panel.rows = matrix->rows + (size_t)(row * matrix->depth) * matrix->kernels->itemsize;
    for (int gate = 0; gate < PANEL_VECTORS; gate++) {
        const ptrdiff_t left =
            matrix->projects ? matrix->height - row - gate * lanes : matrix->units - unit;
        panel.counts[gate] = left < 0 ? 0 : left < lanes ? left : lanes;
    }
    return panel;
}

static ptrdiff_t panel_count(const struct matrix *matrix)
{
    return (matrix->units + matrix->kernels->lanes - 1) / matrix->kernels->lanes;
}

/* Returns whether all is finite. */
static bool pack_matrix(const struct matrix *matrix, void *packed)
{
    bool finite = true;

    for (ptrdiff_t index = panel_count(matrix) - 1; index >= 0; index--) {
        const struct panel panel = panel_of(matrix, index);
        finite &= matrix->kernels->pack(&panel, (char *)packed + panel_offset(matrix, index));
    }
    return finite;
}

/* The biases of one direction and where their sum stands in the packed copy. */
struct biases {
    const struct rnn_kernels *kernels;
    ptrdiff_t units;
    const void *b_ih; /* [4*units]; b_hh comes next */
    ptrdiff_t packed; /* elements from the start of the packed copy */
};

#define REAL float
#define BITS uint32_t
#define NAME(x) x##_f32
#include "pack_template.h"

#define REAL double
#define BITS uint64_t
#define NAME(x) x##_f64
#include "pack_template.h"

/* Returns the biases of the direction that parameter `index` belongs to. */
static struct biases biases_of(const struct rnn_net *net, ptrdiff_t index, const void *params)
{
    const ptrdiff_t direction = index / rnn_params_per_direction(net);
    const struct rnn_param b_ih =
        rnn_param_at(net, direction * rnn_params_per_direction(net) + BIAS_IH);

    return (struct biases){
        .kernels = net->kernels,
        .units = net->hidden_size,
        .b_ih = (const char *)params + (size_t)b_ih.offset * net->kernels->itemsize,
        .packed = direction_offset(net, direction) + direction_layout(net, b_ih.layer).bias};
}

static void pack_biases(const struct rnn_net *net, ptrdiff_t index, const void *params,
                        void *packed)
{
    const struct biases biases = biases_of(net, index, params);

    if (net->kernels->dtype == DTYPE_FLOAT32)
        pack_biases_f32(&biases, packed);
    else
        pack_biases_f64(&biases, packed);
}

static const void *values_of(const struct rnn_net *net, const struct rnn_param *param,
                             const void *params)
{
    return (const char *)params + (size_t)param->offset * net->kernels->itemsize;
}

static bool is_bias(const struct rnn_param *param)
{
    return param->kind == BIAS_IH || param->kind == BIAS_HH;
}

ptrdiff_t rnn_packed_size(const struct rnn_net *net)
{
    if (!layout_fits(net))
        return -1;
    return direction_offset(net, net->num_layers * net->num_directions);
}

bool rnn_pack(const struct rnn_net *net, const void *params, void *packed)
{
    const fpenv_t saved = fpenv_enter();
    const size_t itemsize = net->kernels->itemsize;
    const ptrdiff_t directions = net->num_layers * net->num_directions;
    bool finite = true;

    for (ptrdiff_t i = 0; i < directions && !net->bias; i++)
        memset((char *)packed + (size_t)direction_offset(net, i) * itemsize, 0,
               (size_t)direction_layout(net, i / net->num_directions).weight_ih * itemsize);
    for (ptrdiff_t index = 0; index < rnn_param_count(net); index++) {
        const struct rnn_param param = rnn_param_at(net, index);
        if (param.kind == BIAS_IH) {
            pack_biases(net, index, params, packed);
        } else if (!is_bias(&param)) {
            const struct matrix matrix = matrix_of(net, index, values_of(net, &param, params));
            const bool all = pack_matrix(&matrix, packed);
            finite &= all || param.kind != WEIGHT_HH;
        }
    }
    fpenv_leave(saved);
    return finite;
}

bool rnn_weight_is_packed(const struct rnn_net *net, ptrdiff_t index, const void *weight,
                          const void *packed)
{
    const struct matrix matrix = matrix_of(net, index, weight);

    for (ptrdiff_t i = panel_count(&matrix) - 1; i >= 0; i--) {
        const struct panel panel = panel_of(&matrix, i);
        const char *at = (const char *)packed + panel_offset(&matrix, i);
        if (!net->kernels->is_packed(&panel, at))
            return false;
    }
    return true;
}

bool rnn_param_is_packed(const struct rnn_net *net, ptrdiff_t index, const void *params,
                         const void *packed)
{
    const struct rnn_param param = rnn_param_at(net, index);
    bool same;

    if (!is_bias(&param))
        return rnn_weight_is_packed(net, index, values_of(net, &param, params), packed);
    const struct biases biases = biases_of(net, index, params);
    const fpenv_t saved = fpenv_enter();
    same = net->kernels->dtype == DTYPE_FLOAT32 ? biases_are_packed_f32(&biases, packed)
                                                : biases_are_packed_f64(&biases, packed);
    fpenv_leave(saved);
    return same;
}

/* Packing: parameters in torch's layout to the layout that the kernels stream, and comparing the
 * two.
 *
 * Units are cut into panels of `lanes` units (kernels.h); a matrix becomes, panel after panel,
 * [depth][gate][lane]. The output columns of a projection and of all but a plain LSTM are cut the
 * same way without regard to gates: column 4*unit + vector*lanes + lane of a panel is the next in
 * line. The panels of a matrix are taken from the last to the first: the next step begins with the
 * first, and finds it in the caches. A matrix of two pieces (layout.h) is two matrices here.
 */
#include "pack.h"

#include "../simd/storage.h"
#include "fpenv.h"
#include "layout.h"
#include "params.h"

#include <string.h>

/* Where the columns of a matrix in kernel layout come from. */
enum columns {
    COLUMNS_OF_GATES, /* a panel's vectors are the gates of its units */
    COLUMNS_OF_ROWS,  /* row after row */
    COLUMNS_OF_BLOCKS /* blocks of units, in each of them gate after gate */
};

/* A weight matrix, or a piece of one, and where it stands in the packed copy. */
struct matrix {
    const struct rnn_kernels *kernels;
    enum columns columns;
    const char *rows; /* [height, depth] */
    size_t itemsize;
    const float *scales; /* [height]; NULL: none */
    ptrdiff_t height, depth;
    ptrdiff_t gates, hidden;
    ptrdiff_t units;  /* a fourth of the columns */
    ptrdiff_t packed; /* elements from the start of the packed copy */
};

/* The rows of one vector of a panel: so many from `first` on. */
struct vector_rows {
    ptrdiff_t first, count;
};

/* How many lanes the panel that starts at `unit` has. */
static ptrdiff_t panel_lanes(const struct matrix *matrix, ptrdiff_t unit)
{
    const struct rnn_kernels *kernels = matrix->kernels;

    return matrix->units - unit <= kernels->narrow_lanes ? kernels->narrow_lanes : kernels->lanes;
}

static ptrdiff_t clip(ptrdiff_t value, ptrdiff_t most)
{
    return value < 0 ? 0 : value < most ? value : most;
}

/* Rows of the vector that begins at a column of a matrix in blocks. */
static struct vector_rows block_rows(const struct matrix *matrix, ptrdiff_t column, ptrdiff_t lanes)
{
    const ptrdiff_t block = PANEL_VECTORS * matrix->kernels->lanes;
    const ptrdiff_t unit = column / (matrix->gates * block) * block;
    const ptrdiff_t segment = kernels_segment(matrix->kernels->lanes, matrix->hidden, unit);
    const ptrdiff_t within = column - matrix->gates * unit;
    const ptrdiff_t gate = within / segment, place = within % segment;
    const ptrdiff_t left = gate < matrix->gates ? matrix->hidden - unit - place : 0;

    return (struct vector_rows){gate * matrix->hidden + unit + place, clip(left, lanes)};
}

/* Rows of vector `index` of the panel that starts at `unit`. */
static struct vector_rows rows_of_vector(const struct matrix *matrix, ptrdiff_t unit, int index)
{
    const ptrdiff_t lanes = panel_lanes(matrix, unit);
    const ptrdiff_t column = PANEL_VECTORS * unit + index * lanes;

    if (matrix->columns == COLUMNS_OF_GATES)
        return (struct vector_rows){index * matrix->hidden + unit,
                                    clip(matrix->hidden - unit, lanes)};
    if (matrix->columns == COLUMNS_OF_BLOCKS)
        return block_rows(matrix, column, lanes);
    return (struct vector_rows){column, clip(matrix->height - column, lanes)};
}

/* Where the columns of weight_ih, weight_hh and the biases come from. */
static enum columns columns_of(const struct rnn_net *net)
{
    if (layout_is_panels(net))
        return COLUMNS_OF_GATES;
    return net->is_linear || net->hidden_size <= PANEL_VECTORS * net->kernels->lanes
               ? COLUMNS_OF_ROWS
               : COLUMNS_OF_BLOCKS;
}

/* How many pieces the matrix of a parameter has. */
static int pieces_of(const struct rnn_net *net, enum rnn_param_kind kind)
{
    return kind == WEIGHT_HR ? 1 : layout_pieces(net);
}

/* Returns a piece of the matrix of parameter `index`, with its values at `weight`, and its scales. */
static struct matrix matrix_of(const struct rnn_net *net, ptrdiff_t index, int number,
                               const void *weight, const float *scales)
{
    const struct piece piece = layout_piece(net, number);
    const ptrdiff_t columns = layout_columns(net, piece.gates, 0, net->hidden_size);
    const struct rnn_param param = rnn_param_at(net, index);
    const struct direction_layout at = direction_layout(net, param.layer);
    struct matrix matrix = {.kernels = net->kernels,
                            .columns = columns_of(net),
                            .rows = weight,
                            .itemsize = storage_itemsize(net->kernels),
                            .scales = scales,
                            .height = param.rows,
                            .depth = param.cols,
                            .gates = piece.gates,
                            .hidden = net->hidden_size,
                            .packed = direction_offset(net, index / rnn_params_per_direction(net))};

    if (param.kind == WEIGHT_HR) {
        matrix.columns = COLUMNS_OF_ROWS;
        matrix.units = (param.rows + 3) / PANEL_VECTORS;
        matrix.packed += at.weight_hr;
        return matrix;
    }
    matrix.rows += (size_t)(piece.first_gate * net->hidden_size * param.cols) * matrix.itemsize;
    if (scales)
        matrix.scales += piece.first_gate * net->hidden_size;
    matrix.height = piece.gates * net->hidden_size;
    matrix.units = (columns + PANEL_VECTORS - 1) / PANEL_VECTORS;
    matrix.packed += (param.kind == WEIGHT_IH ? at.weight_ih : at.weight_hh) +
                     piece.column * storage_packed_depth(net->kernels->storage, param.cols);
    return matrix;
}

/* Where panel `index` of the matrix stands in the packed copy: bytes from its start. */
static size_t panel_offset(const struct matrix *matrix, ptrdiff_t index)
{
    const ptrdiff_t unit = index * matrix->kernels->lanes;

    return (size_t)(matrix->packed +
                    PANEL_VECTORS * unit *
                        storage_packed_depth(matrix->kernels->storage, matrix->depth)) *
           matrix->kernels->itemsize;
}

static struct panel panel_of(const struct matrix *matrix, ptrdiff_t index)
{
    const ptrdiff_t unit = index * matrix->kernels->lanes;
    struct panel panel = {.depth = matrix->depth, .lanes = panel_lanes(matrix, unit)};

    for (int i = 0; i < PANEL_VECTORS; i++) {
        const struct vector_rows rows = rows_of_vector(matrix, unit, i);
        panel.counts[i] = rows.count;
        panel.rows[i] = matrix->rows;
        if (rows.count)
            panel.rows[i] = matrix->rows + (size_t)(rows.first * matrix->depth) * matrix->itemsize;
        panel.scales[i] = matrix->scales && rows.count ? matrix->scales + rows.first : NULL;
    }
    return panel;
}

static ptrdiff_t panel_count(const struct matrix *matrix)
{
    return (matrix->units + matrix->kernels->lanes - 1) / matrix->kernels->lanes;
}

/* Packs a piece. Returns whether all is finite. */
static bool pack_piece(const struct matrix *matrix, void *packed)
{
    bool finite = true;

    for (ptrdiff_t index = panel_count(matrix) - 1; index >= 0; index--) {
        const struct panel panel = panel_of(matrix, index);
        finite &= matrix->kernels->pack(&panel, (char *)packed + panel_offset(matrix, index));
    }
    return finite;
}

/* Packs a matrix. Returns whether all is finite. */
static bool pack_matrix(const struct rnn_net *net, ptrdiff_t index, const void *params,
                        void *packed)
{
    const struct rnn_stored at = rnn_stored_at(net, index);
    const void *scales = at.scales == at.end ? NULL : (const char *)params + at.scales;
    bool finite = true;

    for (int i = 0; i < pieces_of(net, rnn_param_at(net, index).kind); i++) {
        const struct matrix matrix =
            matrix_of(net, index, i, (const char *)params + at.values, scales);
        finite &= pack_piece(&matrix, packed);
    }
    return finite;
}

/* A piece of the biases of one direction: its columns are those of weight_ih. */
struct biases {
    struct matrix matrix; /* depth 1, at the first bias; `packed` is where the sums stand */
    ptrdiff_t to_b_hh;    /* elements from b_ih to b_hh of the same row */
    bool single;          /* there is no b_hh */
    bool separate;        /* the last gate's b_hh is not added, but stands at `packed_h` */
    ptrdiff_t packed_h;
};

#define REAL float
#define BITS uint32_t
#define NAME(x) x##_f32
#include "pack_template.h"

#define REAL double
#define BITS uint64_t
#define NAME(x) x##_f64
#include "pack_template.h"

/* Returns a piece of the biases of the direction that parameter `index` belongs to. */
static struct biases biases_of(const struct rnn_net *net, ptrdiff_t index, int number,
                               const void *params)
{
    const struct piece piece = layout_piece(net, number);
    const ptrdiff_t direction = index / rnn_params_per_direction(net);
    const ptrdiff_t first = direction * rnn_params_per_direction(net);
    const ptrdiff_t bias = first + (net->is_linear ? 1 : (ptrdiff_t)BIAS_IH);
    const struct rnn_param b_ih = rnn_param_at(net, bias);

    /* The two biases are floats in every storage, side by side. */
    struct biases biases = {
        .to_b_hh = b_ih.rows, .single = net->is_linear, .separate = layout_separates_bias(net)};
    const struct direction_layout at = direction_layout(net, b_ih.layer);
    const size_t stored = rnn_stored_at(net, bias).values;

    biases.matrix = matrix_of(net, first, number, params, NULL);
    biases.matrix.rows = (const char *)params + stored +
                         (size_t)(piece.first_gate * net->hidden_size) * net->kernels->itemsize;
    biases.matrix.depth = 1;
    biases.matrix.packed = direction_offset(net, direction) + at.bias + piece.column;
    biases.packed_h = direction_offset(net, direction) + at.bias_h;
    return biases;
}

static void pack_biases(const struct rnn_net *net, ptrdiff_t index, const void *params,
                        void *packed)
{
    for (int i = 0; i < layout_pieces(net); i++) {
        const struct biases biases = biases_of(net, index, i, params);
        if (net->kernels->dtype == DTYPE_FLOAT32)
            pack_biases_f32(&biases, packed);
        else
            pack_biases_f64(&biases, packed);
    }
}

static bool biases_are_packed(const struct rnn_net *net, ptrdiff_t index, const void *params,
                              const void *packed)
{
    const fpenv_t saved = fpenv_enter();
    bool same = true;

    for (int i = 0; i < layout_pieces(net); i++) {
        const struct biases biases = biases_of(net, index, i, params);
        same &= net->kernels->dtype == DTYPE_FLOAT32 ? biases_are_packed_f32(&biases, packed)
                                                     : biases_are_packed_f64(&biases, packed);
    }
    fpenv_leave(saved);
    return same;
}

/* Where a peephole stands in the packed copy: bytes from its start. */
static size_t peephole_offset(const struct rnn_net *net, ptrdiff_t index,
                              const struct rnn_param *param)
{
    const ptrdiff_t offset = direction_offset(net, index / rnn_params_per_direction(net)) +
                             direction_layout(net, param->layer).peepholes +
                             ((ptrdiff_t)param->kind - WEIGHT_PI) * layout_peephole(net);

    return (size_t)offset * net->kernels->itemsize;
}

static void pack_peephole(const struct rnn_net *net, ptrdiff_t index, const struct rnn_param *param,
                          const void *values, void *packed)
{
    char *to = (char *)packed + peephole_offset(net, index, param);

    memset(to, 0, (size_t)layout_peephole(net) * net->kernels->itemsize);
    memcpy(to, values, (size_t)param->rows * net->kernels->itemsize);
}

static const void *values_of(const struct rnn_net *net, ptrdiff_t index, const void *params)
{
    return (const char *)params + rnn_stored_at(net, index).values;
}

static bool is_bias(const struct rnn_param *param)
{
    return param->kind == BIAS_IH || param->kind == BIAS_HH;
}

static bool is_peephole(const struct rnn_param *param) { return param->kind >= WEIGHT_PI; }

/* Packs the weight of a layer that convolves, by way of the copy of it as it is. */
static bool pack_kernel(const struct rnn_net *net, const void *weight, char *packed)
{
    const struct rnn_param param = rnn_param_at(net, 0);
    char *copy = packed + (size_t)direction_layout(net, 0).weight_hh * net->kernels->itemsize;

    memcpy(copy, weight, (size_t)(param.rows * param.cols) * net->kernels->itemsize);
    const struct matrix matrix = matrix_of(net, 0, 0, copy, NULL);
    return pack_piece(&matrix, packed);
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
        } else if (is_peephole(&param)) {
            pack_peephole(net, index, &param, values_of(net, index, params), packed);
        } else if (net->kernel) {
            finite &= pack_kernel(net, values_of(net, index, params), packed);
        } else if (!is_bias(&param)) {
            const bool all = pack_matrix(net, index, params, packed);
            finite &= all || param.kind != WEIGHT_HH;
        }
    }
    fpenv_leave(saved);
    return finite;
}

bool rnn_weight_is_packed(const struct rnn_net *net, ptrdiff_t index, const void *weight,
                          const void *packed)
{
    const struct rnn_param param = rnn_param_at(net, index);

    if (is_peephole(&param))
        return memcmp((const char *)packed + peephole_offset(net, index, &param), weight,
                      (size_t)param.rows * net->kernels->itemsize) == 0;
    for (int piece = 0; piece < pieces_of(net, param.kind); piece++) {
        const struct matrix matrix = matrix_of(net, index, piece, weight, NULL);
        for (ptrdiff_t i = panel_count(&matrix) - 1; i >= 0; i--) {
            const struct panel panel = panel_of(&matrix, i);
            const char *at = (const char *)packed + panel_offset(&matrix, i);
            if (!net->kernels->is_packed(&panel, at))
                return false;
        }
    }
    return true;
}

bool rnn_param_is_packed(const struct rnn_net *net, ptrdiff_t index, const void *params,
                         const void *packed)
{
    const struct rnn_param param = rnn_param_at(net, index);

    if (!is_bias(&param))
        return rnn_weight_is_packed(net, index, values_of(net, index, params), packed);
    return biases_are_packed(net, index, params, packed);
}

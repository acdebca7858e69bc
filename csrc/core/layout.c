#include "layout.h"

#include "../simd/storage.h"

bool rnn_computes_alike(const struct rnn_net *net, const struct rnn_net *other)
{
    const struct cell_variant *a = &net->variant, *b = &other->variant;

    return net->kind == other->kind && net->reverse == other->reverse &&
           a->gate_activation == b->gate_activation && a->activation == b->activation &&
           a->peepholes == b->peepholes && a->reset_before == b->reset_before &&
           a->cell_clip == b->cell_clip && net->is_linear == other->is_linear &&
           net->kernel == other->kernel;
}

ptrdiff_t layer_input_size(const struct rnn_net *net, ptrdiff_t layer)
{
    return layer == 0 ? net->input_size : net->num_directions * rnn_hidden_out(net);
}

/* Sizes are checked in double first: exact far beyond any size that memory can hold. */
bool layout_fits(const struct rnn_net *net)
{
    const double hidden = (double)net->hidden_size + 64;
    const double input = (double)net->input_size + net->num_directions * hidden + 64;
    const double layers = (double)net->num_layers * net->num_directions;

    if (net->is_linear) /* nothing is as large as H H */
        return 8 * hidden * ((double)net->input_size + 64) * 8 < (double)PTRDIFF_MAX / 4;

    return layers * 8 * hidden * (input + hidden) * 8 < (double)PTRDIFF_MAX / 4;
}

bool layout_is_panels(const struct rnn_net *net)
{
    return net->kind == CELL_LSTM && !cell_is_variant(&net->variant);
}

bool layout_separates_bias(const struct rnn_net *net)
{
    return cells[net->kind].separate_bias && !net->variant.reset_before;
}

int layout_pieces(const struct rnn_net *net) { return net->variant.reset_before ? 2 : 1; }

/* A fourth of the columns of the piece that begins with a gate, padded. */
static ptrdiff_t padded_units(const struct rnn_net *net, ptrdiff_t gates)
{
    const ptrdiff_t columns = layout_columns(net, gates, 0, net->hidden_size);

    return kernels_padded_units(net->kernels, (columns + PANEL_VECTORS - 1) / PANEL_VECTORS);
}

struct piece layout_piece(const struct rnn_net *net, int index)
{
    const ptrdiff_t gates = cells[net->kind].gates;

    if (!net->variant.reset_before)
        return (struct piece){.gates = gates};
    if (index == 0)
        return (struct piece){.gates = gates - 1};
    return (struct piece){gates - 1, 1, PANEL_VECTORS * padded_units(net, gates - 1)};
}

ptrdiff_t layout_columns(const struct rnn_net *net, ptrdiff_t gates, ptrdiff_t first, ptrdiff_t end)
{
    if (layout_is_panels(net)) /* before the division, which a small call would feel */
        return gates * (end - first);
    if (net->is_linear) /* row after row */
        return end - first;

    const ptrdiff_t lanes = net->kernels->lanes;
    const ptrdiff_t last = end - end % (PANEL_VECTORS * lanes); /* begin of an incomplete block */

    if (last == end)
        return gates * (end - first);
    return gates * (last - first + kernels_segment(lanes, end, last));
}

ptrdiff_t layout_shared_units(const struct rnn_net *net)
{
    return layout_is_panels(net) ? net->kernels->lanes : PANEL_VECTORS * net->kernels->lanes;
}

ptrdiff_t layout_peephole(const struct rnn_net *net)
{
    return layout_align(net->hidden_size, PIECE_ALIGN);
}

/* A fourth of the columns of all pieces, padded. */
static ptrdiff_t all_padded_units(const struct rnn_net *net)
{
    const struct piece last = layout_piece(net, layout_pieces(net) - 1);

    return last.column / PANEL_VECTORS + padded_units(net, last.gates);
}

struct direction_layout direction_layout(const struct rnn_net *net, ptrdiff_t layer)
{
    struct direction_layout at;

    const struct storage_format *storage = net->kernels->storage;

    at.step = cell_step(net->kind, &net->variant);
    const bool panels = at.step == CELL_LSTM;
    at.input_size = layer_input_size(net, layer);
    at.padded_units =
        panels ? kernels_padded_units(net->kernels, net->hidden_size) : all_padded_units(net);
    at.proj_units = net->proj_size
                        ? kernels_padded_units(net->kernels, (net->proj_size + 3) / PANEL_VECTORS)
                        : 0;
    const ptrdiff_t totals = layout_align(PANEL_VECTORS * at.padded_units, PIECE_ALIGN);
    at.bias = 0;
    at.bias_h = totals;
    at.weight_ih =
        totals +
        (!panels && layout_separates_bias(net) ? layout_align(net->hidden_size, PIECE_ALIGN) : 0);
    at.weight_hh = at.weight_ih + totals * storage_packed_depth(storage, at.input_size);
    if (net->is_linear) {
        at.weight_hr = at.peepholes = at.size = at.weight_hh;
        if (net->kernel) /* the weight as it is */
            at.size += layout_align(net->hidden_size * at.input_size, PIECE_ALIGN);
        return at;
    }
    at.weight_hr = at.weight_hh + totals * storage_packed_depth(storage, rnn_hidden_out(net));
    at.peepholes =
        at.weight_hr + (net->proj_size
                            ? layout_align(PANEL_VECTORS * at.proj_units *
                                               storage_packed_depth(storage, net->hidden_size),
                                           PIECE_ALIGN)
                            : 0);
    at.size = at.peepholes + (!panels && net->variant.peepholes ? 3 * layout_peephole(net) : 0);
    return at;
}

void layout_set_variant(const struct rnn_net *net, const struct direction_layout *at,
                        const char *packed, void *reset_h, struct rnn_step *step)
{
    step->trace = NULL;
    step->variant = &net->variant;
    step->peepholes =
        net->variant.peepholes ? packed + at->peepholes * (ptrdiff_t)net->kernels->itemsize : NULL;
    step->peephole_stride = layout_peephole(net);
    step->piece = layout_piece(net, layout_pieces(net) - 1).column;
    step->reset_h = reset_h;
}

ptrdiff_t layout_totals(ptrdiff_t padded_units)
{
    return layout_align(PANEL_VECTORS * padded_units, PIECE_ALIGN) | PIECE_ALIGN;
}

ptrdiff_t direction_offset(const struct rnn_net *net, ptrdiff_t index)
{
    const ptrdiff_t first = direction_layout(net, 0).size;

    if (index <= net->num_directions)
        return index * first;
    return net->num_directions * first +
           (index - net->num_directions) * direction_layout(net, 1).size;
}

#include "layout.h"

ptrdiff_t rnn_hidden_out(const struct rnn_net *net)
{
    return net->proj_size ? net->proj_size : net->hidden_size;
}

ptrdiff_t rnn_gate_rows(const struct rnn_net *net)
{
    return cells[net->kind].gates * net->hidden_size;
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

    return layers * 8 * hidden * (input + hidden) * 8 < (double)PTRDIFF_MAX / 4;
}

ptrdiff_t layout_columns(const struct rnn_net *net, ptrdiff_t first, ptrdiff_t end)
{
    const ptrdiff_t gates = cells[net->kind].gates, lanes = net->kernels->lanes;
    const ptrdiff_t last = end - end % (PANEL_VECTORS * lanes); /* begin of an incomplete block */

    if (net->kind == CELL_LSTM || last == end)
        return gates * (end - first);
    return gates * (last - first + kernels_segment(lanes, end, last));
}

ptrdiff_t layout_shared_units(const struct rnn_net *net)
{
    return net->kind == CELL_LSTM ? net->kernels->lanes : PANEL_VECTORS * net->kernels->lanes;
}

struct direction_layout direction_layout(const struct rnn_net *net, ptrdiff_t layer)
{
    struct direction_layout at;

    at.input_size = layer_input_size(net, layer);
    at.padded_units = kernels_padded_units(
        net->kernels, (layout_columns(net, 0, net->hidden_size) + 3) / PANEL_VECTORS);
    at.proj_units = kernels_padded_units(net->kernels, (net->proj_size + 3) / PANEL_VECTORS);
    const ptrdiff_t totals = layout_align(PANEL_VECTORS * at.padded_units, PIECE_ALIGN);
    at.bias = 0;
    at.bias_h = totals;
    at.weight_ih =
        totals + (cells[net->kind].separate_bias ? layout_align(net->hidden_size, PIECE_ALIGN) : 0);
    at.weight_hh = at.weight_ih + totals * at.input_size;
    at.weight_hr = at.weight_hh + totals * rnn_hidden_out(net);
    at.size = at.weight_hr +
              (net->proj_size
                   ? layout_align(PANEL_VECTORS * at.proj_units * net->hidden_size, PIECE_ALIGN)
                   : 0);
    return at;
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

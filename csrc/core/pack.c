/* Packing: parameters in torch's layout to the layout that the kernels stream.
 *
 * Units are cut into panels of `lanes` units (kernels.h); a matrix becomes, panel after panel,
 * [depth][gate][lane]. A projection has no gates: its output columns are cut the same way, so
 * that column 4*unit + gate*lanes + lane of a panel is simply the next in line.
 */
#include "fpenv.h"
#include "layout.h"

#include <string.h>

struct direction_layout direction_layout(const struct rnn_net *net, ptrdiff_t layer)
{
    struct direction_layout at;

    at.input_size = layer_input_size(net, layer);
    at.padded_units = kernels_padded_units(net->kernels, net->hidden_size);
    at.proj_units = kernels_padded_units(net->kernels, (net->proj_size + 3) / PANEL_VECTORS);
    const ptrdiff_t totals = layout_align(PANEL_VECTORS * at.padded_units, PIECE_ALIGN);
    at.bias = 0;
    at.weight_ih = totals;
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

/* How many lanes the panel that starts at `unit` has. */
static ptrdiff_t panel_lanes(const struct rnn_kernels *kernels, ptrdiff_t units, ptrdiff_t unit)
{
    const ptrdiff_t left = units - unit;

    return left <= kernels->narrow_lanes ? kernels->narrow_lanes : kernels->lanes;
}

#define REAL float
#define NAME(x) x##_f32
#include "pack_template.h"

#define REAL double
#define NAME(x) x##_f64
#include "pack_template.h"

bool rnn_pack(const struct rnn_net *net, const void *params, void *packed)
{
    const fpenv_t saved = fpenv_enter();
    bool finite = true;

    memset(packed, 0, (size_t)rnn_packed_size(net) * net->kernels->itemsize);
    for (ptrdiff_t index = 0; index < net->num_layers * net->num_directions; index++) {
        if (net->kernels->dtype == DTYPE_FLOAT32)
            finite &= pack_direction_f32(net, index, params, packed);
        else
            finite &= pack_direction_f64(net, index, params, packed);
    }
    fpenv_leave(saved);
    return finite;
}

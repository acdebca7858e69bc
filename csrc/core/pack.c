/* Packing: parameters in torch's layout to the layout that the kernels stream.
 *
 * Units are cut into panels of `lanes` units (kernels.h); a matrix becomes, panel after panel,
 * [depth][gate][lane]. A projection has no gates: its output columns are cut the same way, so
 * that column 4*unit + gate*lanes + lane of a panel is simply the next in line.
 */
#include "pack.h"

#include "fpenv.h"
#include "layout.h"
#include "params.h"

#include <string.h>

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

ptrdiff_t rnn_packed_size(const struct rnn_net *net)
{
    if (!layout_fits(net))
        return -1;
    return direction_offset(net, net->num_layers * net->num_directions);
}

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

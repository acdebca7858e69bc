/* Where things stand in the packed copy. Internal to csrc/core. */
#ifndef PYLSTM_CORE_LAYOUT_H
#define PYLSTM_CORE_LAYOUT_H

#include "../simd/storage.h"
#include "rnn.h"

/* Every piece begins at a multiple of 64 bytes: 16 floats, and as many doubles. */
#define PIECE_ALIGN 16

/* One direction of one layer in the packed copy; offsets in elements from its start. */
struct direction_layout {
    int step;               /* of the kernels: cell_step() */
    ptrdiff_t input_size;   /* depth of weight_ih */
    ptrdiff_t padded_units; /* a fourth of the columns of weight_ih and weight_hh, padded */
    ptrdiff_t proj_units;   /* padded units of the projection: 4 output columns each */
    ptrdiff_t bias, bias_h, weight_ih, weight_hh, weight_hr; /* bias_h: of a separate bias */
    ptrdiff_t peepholes; /* each of layout_peephole() elements */
    ptrdiff_t size;
};

/* Gates whose columns stand side by side in a packed matrix: all of them, but with reset_before
 * r and z, then n. A piece ends with a panel of its own. */
struct piece {
    ptrdiff_t first_gate, gates;
    ptrdiff_t column; /* columns of the pieces before it, padding counted */
};
enum { MOST_PIECES = 2 };

/* True if no size of the network, in elements or bytes, overflows. */
bool layout_fits(const struct rnn_net *net);
/* True if the columns are panel after panel, gate after gate in each: those of a plain LSTM. Else
 * they are block after block. */
bool layout_is_panels(const struct rnn_net *net);
/* True if b_hh of the last gate is not added to b_ih. */
bool layout_separates_bias(const struct rnn_net *net);
int layout_pieces(const struct rnn_net *net);
struct piece layout_piece(const struct rnn_net *net, int index);
/* Columns of the units [first, end) of a piece of `gates` gates, padding between gates counted.
 * `first` is where a block of units or a panel begins (layout_is_panels); `end` is such a place
 * or H. */
ptrdiff_t layout_columns(const struct rnn_net *net, ptrdiff_t gates, ptrdiff_t first,
                         ptrdiff_t end);
/* Threads that share units cut them at multiples of this: where a block or a panel begins. */
ptrdiff_t layout_shared_units(const struct rnn_net *net);
ptrdiff_t layer_input_size(const struct rnn_net *net, ptrdiff_t layer);
struct direction_layout direction_layout(const struct rnn_net *net, ptrdiff_t layer);
/* Where direction `index` = layer * D + direction begins; index Y*D gives the whole size. */
ptrdiff_t direction_offset(const struct rnn_net *net, ptrdiff_t index);

/* Elements of a row of totals: an odd number of cache lines, or of pairs of them, so that the rows
 * lie in different sets of a cache. */
ptrdiff_t layout_totals(ptrdiff_t padded_units);

/* Elements from one packed peephole to the next. */
ptrdiff_t layout_peephole(const struct rnn_net *net);
/* Sets what the steps of variants alone read. "packed" is where the direction begins, "reset_h"
 * scratch memory, which may be NULL without reset_before. */
void layout_set_variant(const struct rnn_net *net, const struct direction_layout *at,
                        const char *packed, void *reset_h, struct rnn_step *step);

static inline ptrdiff_t layout_align(ptrdiff_t count, ptrdiff_t multiple)
{
    return (count + multiple - 1) / multiple * multiple;
}

/* Fills what a single step of layer 0 reads: of a plain LSTM in few instructions, since this is a
 * part of each small call. `depth` is that of the packed weight_ih. */
static inline void direction_layout_of_step(const struct rnn_net *net, ptrdiff_t depth,
                                            struct direction_layout *at)
{
    if (cell_step(net->kind, &net->variant) != CELL_LSTM) {
        *at = direction_layout(net, 0);
        return;
    }
    at->step = CELL_LSTM;
    at->bias = 0;
    at->weight_ih = layout_align(
        PANEL_VECTORS * kernels_padded_units(net->kernels, net->hidden_size), PIECE_ALIGN);
    at->bias_h = at->weight_ih; /* which this step does not read */
    at->weight_hh = at->weight_ih * (1 + depth);
}

#endif

/* Where things stand in the packed copy. Internal to csrc/core. */
#ifndef PYLSTM_CORE_LAYOUT_H
#define PYLSTM_CORE_LAYOUT_H

#include "rnn.h"

/* Every piece begins at a multiple of 64 bytes: 16 floats, and as many doubles. */
#define PIECE_ALIGN 16

/* One direction of one layer in the packed copy; offsets in elements from its start. */
struct direction_layout {
    ptrdiff_t input_size;   /* depth of weight_ih */
    ptrdiff_t padded_units; /* a fourth of the columns of weight_ih and weight_hh, padded */
    ptrdiff_t proj_units;   /* padded units of the projection: 4 output columns each */
    ptrdiff_t bias, bias_h, weight_ih, weight_hh, weight_hr; /* bias_h: of a separate bias */
    ptrdiff_t size;
};

/* True if no size of the network, in elements or bytes, overflows. */
bool layout_fits(const struct rnn_net *net);
/* Columns of the units [first, end), padding between gates counted. `first` is where a block of units
 * or, of an LSTM, a panel begins; `end` is such a place or H. */
ptrdiff_t layout_columns(const struct rnn_net *net, ptrdiff_t first, ptrdiff_t end);
/* Threads that share units cut them at multiples of this: at panels of an LSTM, else at blocks. */
ptrdiff_t layout_shared_units(const struct rnn_net *net);
ptrdiff_t layer_input_size(const struct rnn_net *net, ptrdiff_t layer);
struct direction_layout direction_layout(const struct rnn_net *net, ptrdiff_t layer);
/* Where direction `index` = layer * D + direction begins; index Y*D gives the whole size. */
ptrdiff_t direction_offset(const struct rnn_net *net, ptrdiff_t index);

/* Elements of a row of totals: an odd number of cache lines, or of pairs of them, so that the rows
 * lie in different sets of a cache. */
ptrdiff_t layout_totals(ptrdiff_t padded_units);

static inline ptrdiff_t layout_align(ptrdiff_t count, ptrdiff_t multiple)
{
    return (count + multiple - 1) / multiple * multiple;
}

#endif

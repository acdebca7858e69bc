/* The kinds of cells: all that is not the same for each of them, one row of a table a kind. */
#ifndef PYLSTM_CORE_CELLS_H
#define PYLSTM_CORE_CELLS_H

#include "../simd/kernels.h"

#include <stdbool.h>

struct cell {
    const char *mode; /* "RNN_TANH", as torch has it in the attribute of that name */
    const char *name; /* "RNN", torch's class of the layer; with "Cell" behind it, the cell's */
    const char *gate_names; /* one letter a gate, in the order of the rows of weight_ih */
    int gates;
    int states;         /* h alone, or h and c */
    bool separate_bias; /* b_hh of the last gate is not added to b_ih */
    bool may_project;   /* has weight_hr where proj_size is not 0 */
};

extern const struct cell cells[CELL_KINDS];

/* True if a state is h and c, false if it is h alone. */
static inline bool cell_has_c(const struct cell *cell) { return cell->states == 2; }

#endif

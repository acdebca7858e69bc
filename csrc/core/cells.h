/* The kinds of cells: all that is not the same for each of them, one row of a table a kind. */
#ifndef PYLSTM_CORE_CELLS_H
#define PYLSTM_CORE_CELLS_H

#include "../simd/kernels.h"

#include <stdbool.h>

struct cell {
    const char *mode;       /* "LSTM", as torch calls the layer */
    const char *gate_names; /* one letter a gate, in the order of the rows of weight_ih */
    int gates;
    int states;         /* h alone, or h and c */
    bool separate_bias; /* b_hh of the last gate is not added to b_ih */
    bool may_project;   /* has weight_hr where proj_size is not 0 */
};

extern const struct cell cells[CELL_KINDS];

#endif

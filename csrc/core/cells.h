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

static inline bool cell_is_variant(const struct cell_variant *variant)
{
    /* What torch computes is 0 in each field: one test for four of them. */
    return ((unsigned)variant->gate_activation | (unsigned)variant->activation |
            (unsigned)variant->peepholes | (unsigned)variant->reset_before) != 0 ||
           variant->cell_clip > 0;
}

/* Index of the step among those of the kernels. The variant is one that the kind may have. */
static inline int cell_step(enum cell_kind kind, const struct cell_variant *variant)
{
    if (!cell_is_variant(variant))
        return (int)kind;
    if (kind == CELL_LSTM)
        return STEP_LSTM_VARIANT;
    return variant->reset_before ? STEP_GRU_RESET_BEFORE : STEP_GRU_VARIANT;
}

#endif

#include "cells.h"

const struct cell cells[CELL_KINDS] = {
    [CELL_LSTM] = {"LSTM", "ifgo", 4, 2, .separate_bias = false, .may_project = true},
};

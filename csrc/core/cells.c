#include "cells.h"

const struct cell cells[CELL_KINDS] = {
    [CELL_LSTM] = {"LSTM", "ifgo", 4, 2, .may_project = true},
    [CELL_GRU] = {"GRU", "rzn", 3, 1, .separate_bias = true},
    [CELL_RNN_TANH] = {"RNN_TANH", "h", 1, 1},
    [CELL_RNN_RELU] = {"RNN_RELU", "h", 1, 1},
};

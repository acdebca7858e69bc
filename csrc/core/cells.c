#include "cells.h"

const struct cell cells[CELL_KINDS] = {
    [CELL_LSTM] = {"LSTM", "LSTM", "ifgo", 4, 2, .may_project = true},
    [CELL_GRU] = {"GRU", "GRU", "rzn", 3, 1, .separate_bias = true},
    [CELL_RNN_TANH] = {"RNN_TANH", "RNN", "h", 1, 1, .may_project = false},
    [CELL_RNN_RELU] = {"RNN_RELU", "RNN", "h", 1, 1, .may_project = false},
};

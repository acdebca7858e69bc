/* _core.Cell: the call of torch.nn.LSTMCell, torch.nn.GRUCell and torch.nn.RNNCell. */
#ifndef PYLSTM_PYTHON_CELL_TYPE_H
#define PYLSTM_PYTHON_CELL_TYPE_H

#include "common.h"

extern PyType_Spec cell_type_spec;

#endif

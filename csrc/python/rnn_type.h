/* _core.RNN: the call of torch.nn.LSTM, torch.nn.GRU and torch.nn.RNN. */
#ifndef PYLSTM_PYTHON_RNN_TYPE_H
#define PYLSTM_PYTHON_RNN_TYPE_H

#include "common.h"

extern PyType_Spec rnn_type_spec;

#endif

/* _core.LSTM: the call of torch.nn.LSTM. */
#ifndef PYLSTM_PYTHON_RNN_TYPE_H
#define PYLSTM_PYTHON_RNN_TYPE_H

#include "common.h"

extern PyType_Spec rnn_type_spec;

#endif

/* _core.Conv1d: the parameters and the arithmetic of torch.nn.Conv1d. */
#ifndef PYLSTM_PYTHON_CONV_TYPE_H
#define PYLSTM_PYTHON_CONV_TYPE_H

#include "module_state.h"

extern PyType_Spec conv_type_spec;

#endif

/* _core.Linear: the call of torch.nn.Linear. */
#ifndef PYLSTM_PYTHON_LINEAR_TYPE_H
#define PYLSTM_PYTHON_LINEAR_TYPE_H

#include "module_state.h"

extern PyType_Spec linear_type_spec;

#endif

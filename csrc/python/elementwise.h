/* Activations of arrays that no layer holds: sigmoid, tanh, gelu. */
#ifndef PYLSTM_PYTHON_ELEMENTWISE_H
#define PYLSTM_PYTHON_ELEMENTWISE_H

#include "common.h"

extern PyMethodDef elementwise_methods[];

#endif

/* _core.Layer: what all layers and cells share, namely parameters and options. */
#ifndef PYLSTM_PYTHON_LAYER_TYPE_H
#define PYLSTM_PYTHON_LAYER_TYPE_H

#include "common.h"

extern PyType_Spec layer_type_spec;

#endif

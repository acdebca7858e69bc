/* _core.Stream: the type of what layer.stream() returns, pylstm.Stream. */
#ifndef PYLSTM_PYTHON_STREAM_TYPE_H
#define PYLSTM_PYTHON_STREAM_TYPE_H

#include "common.h"

extern PyType_Spec stream_type_spec;

#endif

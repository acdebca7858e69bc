/* What modules in Python draw from the generator: normal numbers, and factors of dropout. */
#ifndef PYLSTM_PYTHON_DRAWS_H
#define PYLSTM_PYTHON_DRAWS_H

#include "common.h"

extern PyMethodDef draws_methods[];

#endif

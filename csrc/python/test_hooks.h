/* Allocations that fail on request: only in builds for tests (PYLSTM_TEST_HOOKS=1). */
#ifndef PYLSTM_PYTHON_TEST_HOOKS_H
#define PYLSTM_PYTHON_TEST_HOOKS_H

#include "common.h"

#ifdef PYLSTM_TEST_HOOKS
extern PyMethodDef test_hooks_methods[];
#endif

#endif

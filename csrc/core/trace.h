/* The trace of a call: gates and states of every step. Internal to csrc/core. */
#ifndef PYLSTM_CORE_TRACE_H
#define PYLSTM_CORE_TRACE_H

#include "operands.h"

#endif

/* How many threads a call may have: set_num_threads, get_num_threads, PYLSTM_NUM_THREADS. */
#ifndef PYLSTM_PYTHON_NUM_THREADS_H
#define PYLSTM_PYTHON_NUM_THREADS_H

#include "module_state.h"

extern PyMethodDef num_threads_methods[];

/* Reads PYLSTM_NUM_THREADS. ImportError where it is not a positive integer. */
int num_threads_from_environment(struct module_state *module_state);
/* How many threads a call may have; -1 on failure. The first time, this runs Python code. */
int num_threads_limit(struct module_state *module_state);
/* Ends the helpers; later calls work alone. Needs no GIL, and cannot fail. */
void num_threads_close(struct module_state *module_state);

#endif

/* The generator's functions: manual_seed, initial_seed, get_rng_state, set_rng_state. */
#ifndef PYLSTM_PYTHON_GENERATOR_H
#define PYLSTM_PYTHON_GENERATOR_H

#include "module_state.h"

extern PyMethodDef generator_methods[];

/* Seeds the generator of a module that is being loaded from os.urandom. */
int generator_seed_from_system(struct module_state *module_state);

#endif

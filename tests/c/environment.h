/* Floating-point settings that another library may leave behind: rounding modes, and
 * flush-to-zero where the machine has it. */
#ifndef PYLSTM_TESTS_ENVIRONMENT_H
#define PYLSTM_TESTS_ENVIRONMENT_H

#include <stdbool.h>

int environment_count(void);
const char *environment_name(int setting);
void environment_set(int setting);
/* True if every control bit is as environment_set() left it. */
bool environment_is(int setting);
void environment_reset(void);

#endif

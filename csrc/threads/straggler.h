/* Stragglers: rows that late helpers leave undone, computed again by the caller.
 *
 * That costs little more than working alone, where a processor is shared with other programs.
 */
#ifndef PYLSTM_THREADS_STRAGGLER_H
#define PYLSTM_THREADS_STRAGGLER_H

#include "team.h"

/* After TEAM_LATE: bytes that straggler_redo() needs. Returns -1 where the missing rows cannot be
 * computed alone: team_give_up() is left then. */
ptrdiff_t straggler_workspace(const struct team *team);
/* After TEAM_LATE: computes the rows that are missing in "memory", which is 64-byte aligned, until
 * that is done or the helpers have finished them after all. Then the results are complete, and pool
 * and team are left. Returns false where call->stop ended it; the results are unfinished then. */
bool straggler_redo(struct team *team, void *memory);

#endif

/* The GIL and Ctrl-C during a call: a long one looks for signals now and then. */
#ifndef PYLSTM_PYTHON_INTERRUPT_H
#define PYLSTM_PYTHON_INTERRUPT_H

#include "lock.h"

#include "../core/rnn.h"

/* About 5 us of arithmetic: less is not worth handing the GIL over. */
#define UNLOCKED_WORK 150e3
/* Some milliseconds of multiply-adds: shorter calls are not interrupted. */
#define INTERRUPTIBLE_WORK 100e6

/* Lives for as long as the call that looks for signals. */
struct interrupt {
    struct rnn_stop stop;
    PyThreadState *thread;    /* NULL while the call holds the GIL */
    struct lock *lock;        /* that the call holds as well, or NULL */
    uint64_t looked;          /* nanoseconds */
    unsigned asked, per_look; /* steps since then, and at least so many before the next look */
    bool raised;              /* a signal's handler raised an exception, which is set */
};

/* Makes a long call, which holds the GIL and `lock`, look for signals: at every look both are free
 * for a moment. Sets call->stop, which points to `interrupt` from then on. */
void interrupt_watch(struct interrupt *interrupt, struct rnn_call *call, double work,
                     struct lock *lock);
/* Releases the GIL; a long call will look for signals. */
void gil_release(struct interrupt *interrupt, struct rnn_call *call, double work);
/* Takes the GIL again. Returns -1 where a signal's handler raised an exception. */
int gil_acquire(struct interrupt *interrupt);

#endif

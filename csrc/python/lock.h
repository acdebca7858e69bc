/* A lock that costs nothing where the GIL already excludes other threads: between acquire and
 * release nothing may let go of the GIL. Not recursive. Zeroed memory is a lock that is free.
 */
#ifndef PYLSTM_PYTHON_LOCK_H
#define PYLSTM_PYTHON_LOCK_H

#include "common.h"

#ifdef Py_GIL_DISABLED
struct lock {
    PyMutex mutex;
};
static inline void lock_acquire(struct lock *lock) { PyMutex_Lock(&lock->mutex); }
static inline void lock_release(struct lock *lock) { PyMutex_Unlock(&lock->mutex); }
#else
struct lock {
    char unused;
};
static inline void lock_acquire(struct lock *lock) { (void)lock; }
static inline void lock_release(struct lock *lock) { (void)lock; }
#endif

#endif

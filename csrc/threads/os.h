/* The operating system's threads, as little of them as the pool needs.
 *
 * Each of the files below defines, for one kind of system, the types os_mutex, os_condition,
 * os_thread, os_result (what a thread's function returns, with the calling convention
 * OS_THREAD_CALL) and os_processors, and these functions:
 *
 *     os_mutex_init os_lock os_unlock os_condition_init os_wait os_signal    as everywhere
 *     os_start(thread, run, argument, stack_bytes)   true if the thread was started
 *     os_join(thread)      waits for its end
 *     os_yield() os_nap()  lets other threads run; sleeps for 0.1 to 1 ms
 *     os_nanoseconds()     of a clock that never goes back
 *     os_place(thread, last)   lets "thread" run wherever the caller may, but on the processor that
 *                          the caller is on. Linux likes to wake a thread there, on a machine of few
 *                          processors even where another is idle, and then one of the two stands
 *                          still for milliseconds. "last" remembers what the thread was told; zero
 *                          at first. Does nothing but on Linux.
 *
 * OS_FORKS is defined where a process can fork.
 *
 * Include this header before any system header: strict C11 hides the clock otherwise.
 */
#ifndef PYLSTM_THREADS_OS_H
#define PYLSTM_THREADS_OS_H

#if defined(_WIN32)
#include "os_windows.h"
#elif defined(__wasi__) && !defined(_REENTRANT)
#include "os_none.h"
#else
#include "os_posix.h"
#endif

/* Tells the processor that this is a loop that waits. */
static inline void os_pause(void)
{
#if defined(__x86_64__) || defined(_M_X64)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory"); /* `yield` does nothing on most */
#endif
}

/* One spin of a loop that waits: after some 25 us of them others may have the core, and after some
 * milliseconds the loop hardly uses it. Not for a caller at work, which never gives its core away:
 * on a busy machine it would come back after milliseconds. */
static inline void os_idle(unsigned spins)
{
    if (spins < 2048)
        os_pause();
    else if (spins < 20000)
        os_yield();
    else
        os_nap();
}

#endif

/* POSIX threads. Included by os.h, which says what the functions do. */
#ifndef PYLSTM_THREADS_OS_POSIX_H
#define PYLSTM_THREADS_OS_POSIX_H

#define OS_FORKS 1

#if defined(__linux__) && !defined(__ANDROID__)
#define OS_PLACES 1 /* a thread can set the affinity of another */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#endif
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

typedef pthread_mutex_t os_mutex;
typedef pthread_cond_t os_condition;
typedef pthread_t os_thread;
typedef void *os_result;
#define OS_THREAD_CALL

static inline void os_mutex_init(os_mutex *mutex) { pthread_mutex_init(mutex, NULL); }
static inline void os_lock(os_mutex *mutex) { pthread_mutex_lock(mutex); }
static inline void os_unlock(os_mutex *mutex) { pthread_mutex_unlock(mutex); }
static inline void os_condition_init(os_condition *condition)
{
    pthread_cond_init(condition, NULL);
}
static inline void os_wait(os_condition *condition, os_mutex *mutex)
{
    pthread_cond_wait(condition, mutex);
}
static inline void os_signal(os_condition *condition) { pthread_cond_signal(condition); }

/* The new thread takes no signals, they are for the program's own threads; but its own faults it
 * may report. */
static inline bool os_start(os_thread *thread, os_result (*run)(void *), void *argument,
                            size_t stack_bytes)
{
    pthread_attr_t attributes;
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    sigset_t signals, before;
    int failed;

    if (pthread_attr_init(&attributes) != 0)
        return false;
    sigfillset(&signals);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&signals, faults[i]);
    failed = pthread_attr_setstacksize(&attributes, stack_bytes);
    if (!failed)
        failed = pthread_sigmask(SIG_SETMASK, &signals, &before);
    if (!failed) {
        failed = pthread_create(thread, &attributes, run, argument);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_attr_destroy(&attributes);
    return !failed;
}
static inline void os_join(os_thread thread) { pthread_join(thread, NULL); }
static inline void os_yield(void) { sched_yield(); }
static inline void os_nap(void) { nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL); }
static inline uint64_t os_nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

#ifdef OS_PLACES
typedef cpu_set_t os_processors;
static inline void os_place(os_thread thread, os_processors *last)
{
    const int here = sched_getcpu();
    cpu_set_t allowed;

    CPU_ZERO(&allowed);
    if (here < 0 || here >= CPU_SETSIZE || sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return; /* more processors than the set has room for: as the system likes */
    if (CPU_COUNT(&allowed) > 1)
        CPU_CLR((size_t)here, &allowed);
    if (memcmp(last, &allowed, sizeof allowed) == 0)
        return;
    pthread_setaffinity_np(thread, sizeof allowed, &allowed);
    *last = allowed;
}
#else
typedef char os_processors;
static inline void os_place(os_thread thread, os_processors *last) { (void)thread, (void)last; }
#endif

#endif

/* No threads: WebAssembly without them. Included by os.h, which says what the functions do. */
#ifndef PYLSTM_THREADS_OS_NONE_H
#define PYLSTM_THREADS_OS_NONE_H

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* No thread can be started, so no lock is ever contended. */
typedef char os_mutex, os_condition, os_thread;
typedef void *os_result;
#define OS_THREAD_CALL

static inline void os_mutex_init(os_mutex *mutex) { (void)mutex; }
static inline void os_lock(os_mutex *mutex) { (void)mutex; }
static inline void os_unlock(os_mutex *mutex) { (void)mutex; }
static inline void os_condition_init(os_condition *condition) { (void)condition; }
static inline void os_wait(os_condition *condition, os_mutex *mutex)
{
    (void)condition, (void)mutex;
}
static inline void os_signal(os_condition *condition) { (void)condition; }
static inline bool os_start(os_thread *thread, os_result (*run)(void *), void *argument,
                            size_t stack_bytes)
{
    (void)thread, (void)run, (void)argument, (void)stack_bytes;
    return false;
}
static inline void os_join(os_thread thread) { (void)thread; }
static inline void os_yield(void) {}
static inline void os_nap(void) {}
static inline uint64_t os_nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

typedef char os_processors;
static inline void os_place(os_thread thread, os_processors *last) { (void)thread, (void)last; }

#endif

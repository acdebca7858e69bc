/* Threads of Windows. Included by os.h, which says what the functions do. */
#ifndef PYLSTM_THREADS_OS_WINDOWS_H
#define PYLSTM_THREADS_OS_WINDOWS_H

#define WIN32_LEAN_AND_MEAN
#include <process.h>
#include <stdbool.h>
#include <stdint.h>
#include <windows.h>

typedef SRWLOCK os_mutex;
typedef CONDITION_VARIABLE os_condition;
typedef HANDLE os_thread;
typedef unsigned os_result;
#define OS_THREAD_CALL __stdcall

static inline void os_mutex_init(os_mutex *mutex) { InitializeSRWLock(mutex); }
static inline void os_lock(os_mutex *mutex) { AcquireSRWLockExclusive(mutex); }
static inline void os_unlock(os_mutex *mutex) { ReleaseSRWLockExclusive(mutex); }
static inline void os_condition_init(os_condition *condition)
{
    InitializeConditionVariable(condition);
}
static inline void os_wait(os_condition *condition, os_mutex *mutex)
{
    SleepConditionVariableSRW(condition, mutex, INFINITE, 0);
}
static inline void os_signal(os_condition *condition) { WakeConditionVariable(condition); }
static inline bool os_start(os_thread *thread, os_result(OS_THREAD_CALL *run)(void *),
                            void *argument, size_t stack_bytes)
{
    *thread = (HANDLE)_beginthreadex(NULL, (unsigned)stack_bytes, run, argument,
                                     STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
    return *thread != NULL;
}
static inline void os_join(os_thread thread)
{
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}
static inline void os_yield(void) { SwitchToThread(); }
static inline void os_nap(void) { Sleep(1); }
static inline uint64_t os_nanoseconds(void)
{
    LARGE_INTEGER ticks, rate;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&rate);
    return (uint64_t)((double)ticks.QuadPart * (1e9 / (double)rate.QuadPart));
}

typedef char os_processors;
static inline void os_place(os_thread thread, os_processors *last) { (void)thread, (void)last; }

#endif

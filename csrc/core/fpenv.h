/* The default floating-point environment, for the length of a call.
 *
 * Round to nearest, no flush-to-zero, exceptions masked: another library's settings change no
 * bit of ours. Restoring the whole register also leaves the caller's sticky flags alone.
 */
#ifndef PYLSTM_CORE_FPENV_H
#define PYLSTM_CORE_FPENV_H

#include <stdint.h>

#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>

typedef unsigned int fpenv_t;
#define MXCSR_DEFAULT 0x1f80U

static inline fpenv_t fpenv_enter(void)
{
    const fpenv_t saved = _mm_getcsr();
    _mm_setcsr(MXCSR_DEFAULT);
    return saved;
}

static inline void fpenv_leave(fpenv_t saved) { _mm_setcsr(saved); }

#elif defined(__aarch64__)

typedef uint64_t fpenv_t;

static inline fpenv_t fpenv_enter(void)
{
    fpenv_t saved;
    __asm__ volatile("mrs %0, fpcr" : "=r"(saved));
    __asm__ volatile("msr fpcr, %0" : : "r"(UINT64_C(0)) : "memory");
    return saved;
}

static inline void fpenv_leave(fpenv_t saved)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(saved) : "memory");
}

#else
#include <fenv.h>

typedef fenv_t fpenv_t;

static inline fpenv_t fpenv_enter(void)
{
    fenv_t saved;
    fegetenv(&saved);
    fesetenv(FE_DFL_ENV);
    return saved;
}

static inline void fpenv_leave(fpenv_t saved) { fesetenv(&saved); }
#endif

#endif

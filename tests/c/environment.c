#include "environment.h"

#include <fenv.h>
#include <stdint.h>

#if defined(__SSE2__)
#include <xmmintrin.h>
#define FLUSH_TO_ZERO 0x8040U /* FTZ and DAZ */
#define STATUS_BITS 0x3fU

static uint64_t control(void) { return _mm_getcsr() & ~STATUS_BITS; }

static void set_control(uint64_t bits) { _mm_setcsr((unsigned int)bits); }

#elif defined(__aarch64__)
#define FLUSH_TO_ZERO (UINT64_C(1) << 24) /* FZ */

static uint64_t control(void)
{
    uint64_t bits;
    __asm__ volatile("mrs %0, fpcr" : "=r"(bits));
    return bits;
}

static void set_control(uint64_t bits) { __asm__ volatile("msr fpcr, %0" : : "r"(bits)); }

#else
#define FLUSH_TO_ZERO 0 /* rounding modes only */

static uint64_t control(void) { return 0; }

static void set_control(uint64_t bits) { (void)bits; }
#endif

#ifdef FE_UPWARD
static const int roundings[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
static const char *const names[] = {
    "flush to zero",
    "rounding up",
    "rounding up and flush to zero",
    "rounding down",
    "rounding down and flush to zero",
    "truncation",
    "truncation and flush to zero",
};
static uint64_t expected_control;

int environment_count(void) { return (int)(sizeof names / sizeof *names); }

const char *environment_name(int setting) { return names[setting]; }

void environment_set(int setting)
{
    fesetround(roundings[(setting + 1) / 2]);
    if (setting % 2 == 0) {
        set_control(control() | FLUSH_TO_ZERO);
    }
    expected_control = control();
}

bool environment_is(int setting)
{
    return fegetround() == roundings[(setting + 1) / 2] && control() == expected_control;
}

void environment_reset(void)
{
    set_control(control() & ~(uint64_t)FLUSH_TO_ZERO);
    fesetround(FE_TONEAREST);
}

#else /* WebAssembly: it rounds to nearest and flushes nothing, whatever is asked */

int environment_count(void) { return 0; }

const char *environment_name(int setting)
{
    (void)setting;
    return "none";
}

void environment_set(int setting) { (void)setting, (void)FLUSH_TO_ZERO, set_control(0); }

bool environment_is(int setting)
{
    (void)setting;
    return control() == 0;
}

void environment_reset(void) {}
#endif

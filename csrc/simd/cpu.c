/* What this machine can run, the operating system's part (XGETBV) included. */
#include "levels.h"

#if PYLSTM_BUILD_X86

#include <cpuid.h>

#ifdef _WIN32 /* the builtins need the compiler's own library, which clang-cl does not link */

#include <stdint.h>

enum {
    FMA = 12,
    OSXSAVE = 27,
    AVX2 = 5,
    AVX512F = 16,
    AVX512DQ = 17,
    AVX512BW = 30,
    AVX512VL = 31
};
enum { YMM_STATE = 0x06, ZMM_STATE = 0xe6 }; /* of XCR0 */

static bool has_bit(unsigned int word, int bit) { return word >> bit & 1; }

static bool keeps_state(uint32_t mask)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & mask) == mask;
}

/* EBX of leaf 7, with nothing set where FMA or the wide registers are missing. */
static unsigned int features(uint32_t state)
{
    unsigned int a, b, c, d;
    if (!__get_cpuid_count(1, 0, &a, &b, &c, &d) || !has_bit(c, FMA) || !has_bit(c, OSXSAVE) ||
        !keeps_state(state) || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return 0;
    return b;
}

bool cpu_has_avx2(void) { return has_bit(features(YMM_STATE), AVX2); }

bool cpu_has_avx512(void)
{
    const unsigned int found = features(ZMM_STATE);
    return has_bit(found, AVX2) && has_bit(found, AVX512F) && has_bit(found, AVX512BW) &&
           has_bit(found, AVX512DQ) && has_bit(found, AVX512VL);
}

#else

bool cpu_has_avx2(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

bool cpu_has_avx512(void)
{
    return cpu_has_avx2() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}

#endif

/* Every processor with AVX2 has it, but a virtual machine may hide it. */
bool cpu_has_f16c(void)
{
    unsigned int a, b, c, d;
    return cpu_has_avx2() && __get_cpuid_count(1, 0, &a, &b, &c, &d) && (c >> 29 & 1);
}

/* VNNI has no state of its own beside that of the level. */
bool cpu_has_avx_vnni(void)
{
    unsigned int a, b, c, d;
    return cpu_has_f16c() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}

bool cpu_has_avx512_vnni(void)
{
    unsigned int a, b, c, d;
    return cpu_has_avx512() && cpu_has_f16c() && __get_cpuid_count(7, 0, &a, &b, &c, &d) &&
           (c >> 11 & 1);
}

#endif

#if PYLSTM_BUILD_NEON

#if defined(__linux__)
#include <sys/auxv.h>

bool cpu_has_dotprod(void) { return getauxval(AT_HWCAP) >> 20 & 1; }
#elif defined(__APPLE__) || defined(__ARM_FEATURE_DOTPROD)
bool cpu_has_dotprod(void) { return true; } /* as every Apple silicon has */
#else
bool cpu_has_dotprod(void) { return false; }
#endif

#endif

/* Which instruction sets this build holds, and their kernel tables. */
#ifndef PYLSTM_SIMD_LEVELS_H
#define PYLSTM_SIMD_LEVELS_H

#include "kernels.h"

#if (defined(__x86_64__) || defined(_M_X64)) && (defined(__GNUC__) || defined(__clang__))
#define PYLSTM_BUILD_X86 1
#else
#define PYLSTM_BUILD_X86 0
#endif

#if defined(__aarch64__) && (defined(__GNUC__) || defined(__clang__))
#define PYLSTM_BUILD_NEON 1
#else
#define PYLSTM_BUILD_NEON 0
#endif

extern const struct rnn_kernels *const portable_kernels[DTYPE_COUNT];
/* By storage; NULL for STORAGE_FLOAT, and where this build has none. */
extern const struct rnn_kernels *const portable_storages[STORAGES];
#if PYLSTM_BUILD_X86
extern const struct rnn_kernels *const avx2_kernels[DTYPE_COUNT];
extern const struct rnn_kernels *const avx512_kernels[DTYPE_COUNT];
extern const struct rnn_kernels *const avx2_storages[STORAGES];
extern const struct rnn_kernels *const avx2_vnni_storages[STORAGES];
extern const struct rnn_kernels *const avx512_vnni_storages[STORAGES];
bool cpu_has_avx2(void);
bool cpu_has_f16c(void);
bool cpu_has_avx_vnni(void);
bool cpu_has_avx512(void);
bool cpu_has_avx512_vnni(void);
#endif
#if PYLSTM_BUILD_NEON
extern const struct rnn_kernels *const neon_kernels[DTYPE_COUNT];
extern const struct rnn_kernels *const neon_storages[STORAGES];
extern const struct rnn_kernels *const neon_dotprod_storages[STORAGES];
bool cpu_has_dotprod(void);
#endif

#endif

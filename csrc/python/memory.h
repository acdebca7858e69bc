/* Memory of our own, objects aside: NULL where there is none. Needs no GIL, and sets no exception.
 * In builds for tests allocations can be made to fail (test_hooks.c).
 */
#ifndef PYLSTM_PYTHON_MEMORY_H
#define PYLSTM_PYTHON_MEMORY_H

#include "common.h"

#include <stdint.h>
#include <stdlib.h>

#ifdef PYLSTM_TEST_HOOKS
void *memory_new(size_t nbytes);
void *memory_new_zeroed(size_t nbytes);
void memory_free(void *memory);
#elif defined(Py_LIMITED_API) /* which has none of the next functions before 3.13 */
static inline void *memory_new(size_t nbytes) { return malloc(nbytes); }
static inline void *memory_new_zeroed(size_t nbytes) { return calloc(1, nbytes); }
static inline void memory_free(void *memory) { free(memory); }
#else
static inline void *memory_new(size_t nbytes) { return PyMem_RawMalloc(nbytes); }
static inline void *memory_new_zeroed(size_t nbytes) { return PyMem_RawCalloc(1, nbytes); }
static inline void memory_free(void *memory) { PyMem_RawFree(memory); }
#endif

/* Of values and workspaces, in bytes: a cache line. */
#define MEMORY_ALIGNMENT 64

/* The first address from `memory` on that is a multiple of `alignment`, a power of two. */
static inline void *memory_align(void *memory, size_t alignment)
{
    return (char *)memory + (-(uintptr_t)memory & (alignment - 1));
}

/* Memory that has `size` bytes from its first aligned address on; NULL also where `size` is
 * negative, which stands for a size that overflows, or too large to count. */
static inline void *memory_new_workspace(ptrdiff_t size)
{
    if (size < 0 || size > PTRDIFF_MAX - MEMORY_ALIGNMENT)
        return NULL;
    return memory_new((size_t)size + MEMORY_ALIGNMENT);
}

#endif

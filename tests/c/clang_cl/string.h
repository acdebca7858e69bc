/* Enough of Windows' C library to compile the kernels and most of the core with clang-cl elsewhere:
 * its compiler can be had anywhere, its headers cannot. Nothing is linked. */
#pragma once
#include <stddef.h>

int memcmp(const void *a, const void *b, size_t size);
void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int strcmp(const char *a, const char *b);

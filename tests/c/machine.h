/* What the C tests ask of the operating system: POSIX, Windows, or WebAssembly, which has less.
 *
 * Include it before any system header: strict C11 hides parts of them otherwise. */
#ifndef PYLSTM_TESTS_MACHINE_H
#define PYLSTM_TESTS_MACHINE_H

#include <stdbool.h>
#include <stddef.h>

size_t page_size(void);
/* Returns "size" writable bytes, a multiple of the page size, between two pages that no code may
 * touch; NULL where there is no room. Without pages (WebAssembly) nothing guards them. */
unsigned char *pages_reserve(size_t size);
/* Makes whole pages read-only or writable again. False where that fails. */
bool pages_protect(unsigned char *start, size_t size, bool read_only);
extern const bool has_guard_pages;

/* Turns a fault into a failure: prints "running", a text that the caller changes, and ends. */
void watch_for_crashes(const char *running);
/* Ends the program if it is still there after so many seconds; nothing where there is no alarm. */
void end_after(unsigned seconds);

/* NULL where there is no room. Given back with aligned_release(). */
void *aligned_reserve(size_t alignment, size_t size);
void aligned_release(void *memory);

/* Threads of this process; -1 where the system does not tell. */
int thread_count(void);

#endif

#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, sigaction, opendir, alarm */
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char crash_text[] = "CRASHED (guard page or read-only input touched) ";

#if defined(_WIN32)

#define WIN32_LEAN_AND_MEAN
#include <malloc.h>
#include <windows.h>

#include <tlhelp32.h>

const bool has_guard_pages = true;

size_t page_size(void)
{
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    return info.dwPageSize;
}

unsigned char *pages_reserve(size_t size)
{
    const size_t page = page_size();
    unsigned char *map = VirtualAlloc(NULL, size + 2 * page, MEM_RESERVE, PAGE_NOACCESS);
    return map ? VirtualAlloc(map + page, size, MEM_COMMIT, PAGE_READWRITE) : NULL;
}

bool pages_protect(unsigned char *start, size_t size, bool read_only)
{
    DWORD before;
    return VirtualProtect(start, size, read_only ? PAGE_READONLY : PAGE_READWRITE, &before);
}

static const char *watched;

static LONG WINAPI crashed(EXCEPTION_POINTERS *exception)
{
    (void)exception;
    printf("%s%s\n", crash_text, watched);
    fflush(stdout);
    ExitProcess(1);
}

void watch_for_crashes(const char *running)
{
    watched = running;
    SetUnhandledExceptionFilter(crashed);
}

void end_after(unsigned seconds) { (void)seconds; }

void *aligned_reserve(size_t alignment, size_t size) { return _aligned_malloc(size, alignment); }

void aligned_release(void *memory) { _aligned_free(memory); }

int thread_count(void)
{
    HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
    THREADENTRY32 entry = {.dwSize = sizeof entry};
    int count = 0;

    if (snapshot == INVALID_HANDLE_VALUE)
        return -1;
    for (BOOL more = Thread32First(snapshot, &entry); more; more = Thread32Next(snapshot, &entry))
        count += entry.th32OwnerProcessID == GetCurrentProcessId();
    CloseHandle(snapshot);
    return count;
}

#elif defined(__wasm__)

const bool has_guard_pages = false;

size_t page_size(void) { return 4096; } /* of no meaning here but in places that end at one */

unsigned char *pages_reserve(size_t size) { return aligned_reserve(page_size(), size); }

bool pages_protect(unsigned char *start, size_t size, bool read_only)
{
    (void)start, (void)size, (void)read_only;
    return true;
}

void watch_for_crashes(const char *running)
{
    (void)running, (void)crash_text; /* the engine says where the program trapped */
}

void end_after(unsigned seconds) { (void)seconds; }

void *aligned_reserve(size_t alignment, size_t size)
{
    return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

void aligned_release(void *memory) { free(memory); }

int thread_count(void) { return -1; }

#else

#include <dirent.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

const bool has_guard_pages = true;

size_t page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

unsigned char *pages_reserve(size_t size)
{
    const size_t page = page_size();
    unsigned char *map = mmap(NULL, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + page, size, PROT_READ | PROT_WRITE) != 0) {
        return NULL;
    }
    return map + page;
}

bool pages_protect(unsigned char *start, size_t size, bool read_only)
{
    return mprotect(start, size, read_only ? PROT_READ : PROT_READ | PROT_WRITE) == 0;
}

static const char *watched;

static void crashed(int signal_number)
{
    ssize_t written = write(STDOUT_FILENO, crash_text, sizeof crash_text - 1);
    written += write(STDOUT_FILENO, watched, strlen(watched));
    written += write(STDOUT_FILENO, "\n", 1);
    _exit(written > 0 ? 1 : signal_number);
}

void watch_for_crashes(const char *running)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = crashed;
    watched = running;
    if (sigaction(SIGSEGV, &action, NULL) != 0 || sigaction(SIGBUS, &action, NULL) != 0) {
        printf("note: crashes will not name their case\n");
    }
}

void end_after(unsigned seconds) { alarm(seconds); }

void *aligned_reserve(size_t alignment, size_t size)
{
    return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

void aligned_release(void *memory) { free(memory); }

int thread_count(void)
{
    DIR *folder = opendir("/proc/self/task");
    int count = 0;

    if (folder == NULL)
        return -1;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

#endif

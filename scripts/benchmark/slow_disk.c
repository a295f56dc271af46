/* Preloaded, it makes every fsync and fdatasync take $SLOW_DISK_US microseconds longer, as on a slower disk, and
 * counts them: those of SQLite's write-ahead logs, and those of other files.
 *
 *     cc -O2 -shared -fPIC -o slow_disk.so slow_disk.c -ldl
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long wal_flushes, other_flushes, extra_us;

__attribute__((constructor)) static void begin(void)
{
    const char *us = getenv("SLOW_DISK_US");
    extra_us = us ? atol(us) : 0;
}

long slow_disk_wal_flushes(void) { return __atomic_load_n(&wal_flushes, __ATOMIC_RELAXED); }
long slow_disk_other_flushes(void) { return __atomic_load_n(&other_flushes, __ATOMIC_RELAXED); }

static int is_wal(int fd)
{
    char link[64], path[4096];
    ssize_t length;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path);
    return length > 4 && memcmp(path + length - 4, "-wal", 4) == 0;
}

static void before(int fd)
{
    __atomic_add_fetch(is_wal(fd) ? &wal_flushes : &other_flushes, 1, __ATOMIC_RELAXED);
    if (extra_us) {
        struct timespec rest = {extra_us / 1000000, extra_us % 1000000 * 1000};
        while (nanosleep(&rest, &rest) && errno == EINTR)
            ;
    }
}

int fsync(int fd)
{
    static int (*real)(int);
    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    before(fd);
    return real(fd);
}

int fdatasync(int fd)
{
    static int (*real)(int);
    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    before(fd);
    return real(fd);
}

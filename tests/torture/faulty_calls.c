/* System calls that fail now and then, in the processes that load this with LD_PRELOAD.

   TORTURE_ROOTS  folders, separated by ':', absolute and resolved; calls on anything else are left alone
   TORTURE_RATE   of how many calls one fails
   TORTURE_KINDS  which faults, separated by ',': EIO ESTALE ENOSPC EINTR EAGAIN ENOLCK short
   TORTURE_SEED   a number; processes differ all the same
   TORTURE_LOG    gets a line for each fault: call, fault, path

   A short read or write moves a part of what was asked for, at least one byte. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SHORT -1
#define REAL(name) ((__typeof__(&name))real(&real_##name, #name))

static char roots[8][PATH_MAX];
static int n_roots, log_fd = -1;
static uint64_t rate, seed;
static struct { const char *name; int fault; } kinds[] = {
    {"EIO", EIO}, {"ESTALE", ESTALE}, {"ENOSPC", ENOSPC}, {"EINTR", EINTR},
    {"EAGAIN", EAGAIN}, {"ENOLCK", ENOLCK}, {"short", SHORT}};
enum { KINDS = sizeof kinds / sizeof *kinds };
static int enabled[KINDS];

static void *real(void **cached, const char *name)
{
    if (!*cached)
        *cached = dlsym(RTLD_NEXT, name);
    return *cached;
}

__attribute__((constructor)) static void set_up(void)
{
    const char *given = getenv("TORTURE_ROOTS"), *names = getenv("TORTURE_KINDS"), *log = getenv("TORTURE_LOG");
    char copy[PATH_MAX * 2], *rest = NULL;
    if (!given || !names || !getenv("TORTURE_RATE"))
        return;
    snprintf(copy, sizeof copy, "%s", given);
    for (char *root = strtok_r(copy, ":", &rest); root && n_roots < 8; root = strtok_r(NULL, ":", &rest))
        snprintf(roots[n_roots++], PATH_MAX, "%s", root);
    snprintf(copy, sizeof copy, "%s", names);
    for (char *name = strtok_r(copy, ",", &rest); name; name = strtok_r(NULL, ",", &rest))
        for (int n = 0; n < KINDS; n++)
            enabled[n] |= !strcmp(name, kinds[n].name);
    if (log)
        log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    seed = strtoull(getenv("TORTURE_SEED") ? getenv("TORTURE_SEED") : "1", NULL, 10);
    rate = strtoull(getenv("TORTURE_RATE"), NULL, 10);
}

static uint64_t chance(void)
{
    static __thread uint64_t state;
    static __thread pid_t owner;
    pid_t self = (pid_t)syscall(SYS_gettid);
    if (owner != self) { /* a child goes its own way */
        owner = self;
        state = (seed + 1) * 0x9E3779B97F4A7C15ull ^ (uint64_t)self << 20;
    }
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545F4914F6CDD1Dull >> 16;
}

static int within(const char *path)
{
    for (int n = 0; n < n_roots; n++) {
        size_t length = strlen(roots[n]);
        if (!strncmp(path, roots[n], length) && (path[length] == '/' || !path[length]))
            return 1;
    }
    return 0;
}

static void descriptor_path(int fd, char *out)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, out, PATH_MAX - 1);
    out[length > 0 ? length : 0] = 0;
}

/* The fault for this call, 0 for none; `path` is NULL for a call on the descriptor `fd`. */
static int fault(const char *call, int fd, const char *path, const char *possible)
{
    char whole[2 * PATH_MAX] = "";
    int candidates[KINDS], found = 0, before = errno;
    if (!rate || chance() % rate)
        return 0;
    if (!path)
        descriptor_path(fd, whole);
    else if (*path == '/')
        snprintf(whole, sizeof whole, "%s", path);
    else {
        if (fd == AT_FDCWD) {
            if (syscall(SYS_getcwd, whole, PATH_MAX) < 0)
                *whole = 0;
        } else
            descriptor_path(fd, whole);
        size_t length = strlen(whole);
        snprintf(whole + length, sizeof whole - length, "/%s", path);
    }
    errno = before;
    if (!within(whole))
        return 0;
    for (int n = 0; n < KINDS; n++)
        if (enabled[n] && strstr(possible, kinds[n].name))
            candidates[found++] = n;
    if (!found)
        return 0;
    int chosen = candidates[chance() % (uint64_t)found];
    if (log_fd >= 0) {
        char line[2 * PATH_MAX + 64];
        int length = snprintf(line, sizeof line, "%s %s %s\n", call, kinds[chosen].name, whole);
        if (syscall(SYS_write, log_fd, line, length) != length)
            abort(); /* faults that are not counted are worth nothing */
    }
    if (kinds[chosen].fault > 0)
        errno = kinds[chosen].fault;
    return kinds[chosen].fault;
}

static size_t part(size_t size) { return size < 2 ? size : 1 + chance() % (size - 1); }

#define OPEN(name, declared_fd, passed_fd, fd)                                                     \
    int name(declared_fd const char *path, int flags, ...)                                         \
    {                                                                                              \
        static void *real_##name;                                                                  \
        va_list list;                                                                              \
        va_start(list, flags);                                                                     \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(list, mode_t) : 0;                  \
        va_end(list);                                                                              \
        if (fault("open", fd, path, flags & O_CREAT ? "EIO ESTALE ENOSPC EINTR" : "EIO ESTALE EINTR")) \
            return -1;                                                                             \
        return REAL(name)(passed_fd path, flags, mode);                                            \
    }
#define COMMA ,
OPEN(open, , , AT_FDCWD)
OPEN(open64, , , AT_FDCWD)
OPEN(openat, int folder COMMA, folder COMMA, folder)
OPEN(openat64, int folder COMMA, folder COMMA, folder)

#define MOVE(name, type, declared, passed, possible)                                               \
    ssize_t name(int fd, type buffer, size_t size declared)                                        \
    {                                                                                              \
        static void *real_##name;                                                                  \
        int kind = fault(#name, fd, NULL, possible);                                               \
        if (kind > 0)                                                                              \
            return -1;                                                                             \
        return REAL(name)(fd, buffer, kind == SHORT ? part(size) : size passed);                   \
    }
#define READ_FAULTS "EIO ESTALE EINTR EAGAIN short"
#define WRITE_FAULTS "EIO ESTALE ENOSPC EINTR EAGAIN short"
MOVE(read, void *, , , READ_FAULTS)
MOVE(write, const void *, , , WRITE_FAULTS)
MOVE(pread, void *, COMMA off_t at, COMMA at, READ_FAULTS)
MOVE(pread64, void *, COMMA off64_t at, COMMA at, READ_FAULTS)
MOVE(pwrite, const void *, COMMA off_t at, COMMA at, WRITE_FAULTS)
MOVE(pwrite64, const void *, COMMA off64_t at, COMMA at, WRITE_FAULTS)

#define CALL(name, declared, passed, fd, path, possible)                                           \
    int name declared                                                                              \
    {                                                                                              \
        static void *real_##name;                                                                  \
        if (fault(#name, fd, path, possible) > 0)                                                  \
            return -1;                                                                             \
        return REAL(name) passed;                                                                  \
    }
CALL(rename, (const char *old, const char *new), (old, new), AT_FDCWD, new, "EIO ESTALE ENOSPC")
CALL(renameat, (int a, const char *old, int b, const char *new), (a, old, b, new), b, new, "EIO ESTALE ENOSPC")
CALL(mkdir, (const char *path, mode_t mode), (path, mode), AT_FDCWD, path, "EIO ESTALE ENOSPC")
CALL(mkdirat, (int fd, const char *path, mode_t mode), (fd, path, mode), fd, path, "EIO ESTALE ENOSPC")
CALL(flock, (int fd, int how), (fd, how), fd, NULL, "EIO EINTR ENOLCK")
CALL(fsync, (int fd), (fd), fd, NULL, "EIO ESTALE ENOSPC EINTR")
CALL(syncfs, (int fd), (fd), fd, NULL, "EIO ENOSPC EINTR")
CALL(stat, (const char *path, struct stat *out), (path, out), AT_FDCWD, path, "EIO ESTALE")
CALL(lstat, (const char *path, struct stat *out), (path, out), AT_FDCWD, path, "EIO ESTALE")
CALL(fstat, (int fd, struct stat *out), (fd, out), fd, NULL, "EIO ESTALE")
CALL(fstatat, (int fd, const char *path, struct stat *out, int flags), (fd, path, out, flags), fd, path, "EIO ESTALE")
CALL(stat64, (const char *path, struct stat64 *out), (path, out), AT_FDCWD, path, "EIO ESTALE")
CALL(lstat64, (const char *path, struct stat64 *out), (path, out), AT_FDCWD, path, "EIO ESTALE")
CALL(fstat64, (int fd, struct stat64 *out), (fd, out), fd, NULL, "EIO ESTALE")
CALL(fstatat64, (int fd, const char *path, struct stat64 *out, int flags), (fd, path, out, flags), fd, path, "EIO ESTALE")

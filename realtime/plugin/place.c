/* Where an insert's timeline lies: the rules of realtime/timeline.py (runtime_directory, create) once more. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "insert.h"

static const int64_t NORMAL_LATENCY = 8192, NORMAL_RATE = 48000; /* where nobody has planned yet */

static bool directory(char *path, size_t size) {
    const char *base = getenv("XDG_RUNTIME_DIR"), *temporary = getenv("TMPDIR");
    if (base && *base && access(base, W_OK) == 0) snprintf(path, size, "%s/verdigris", base);
    else {
        base = temporary && *temporary ? temporary : "/tmp";
#ifdef __linux__
        if (access("/dev/shm", W_OK) == 0) base = "/dev/shm";
#endif
        snprintf(path, size, "%s/verdigris-%u", base, (unsigned)getuid());
    }
    struct stat found;
    if (mkdir(path, 0700) != 0 && errno != EEXIST) return false;
    return stat(path, &found) == 0 && found.st_uid == getuid();
}

static bool path_of(const char *id, char *path) {
    char where[PATH_CHARS - 64];
    if (!directory(where, sizeof where)) return false;
    snprintf(path, PATH_CHARS, "%s/insert-%s.timeline", where, id);
    return true;
}

bool place_id_is_taken(const char *id) {
    char path[PATH_CHARS];
    int file = path_of(id, path) ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return false;
    bool taken = true; /* refused while its owner lives, be it in this process; others look for a moment only */
    for (int i = 0; taken && i < 5; i++) {
        if (i) usleep(1000);
        taken = flock(file, LOCK_EX | LOCK_NB) != 0;
    }
    close(file);
    return taken;
}

static int make_file(Place *x, const char *id, size_t size) {
    char unnamed[PATH_CHARS + 8];
    if (!path_of(id, x->path)) return -1;
    snprintf(unnamed, sizeof unnamed, "%s.new", x->path);
    unlink(unnamed);
    int file = open(unnamed, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) return -1;
#ifdef __linux__
    bool made = posix_fallocate(file, 0, (off_t)size) == 0; /* a hole without room behind it would kill */
#else
    bool made = ftruncate(file, (off_t)size) == 0;
#endif
    if (made && flock(file, LOCK_EX | LOCK_NB) == 0) return file;
    unlink(unnamed);
    close(file);
    return -1;
}

bool place_make(Place *x, const char *id, size_t size) {
    x->size = size;
    x->descriptor = make_file(x, id, size);
    int sharing = x->descriptor < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED;
    x->memory = mmap(NULL, size, PROT_READ | PROT_WRITE, sharing, x->descriptor, 0);
    if (x->memory == MAP_FAILED) {
        x->memory = NULL;
        place_drop(x);
        return false;
    }
    memset(x->memory, 0, size); /* every page: a fault in the audio thread costs more than a block */
    (void)mlock(x->memory, size); /* as far as the user may */
    return true;
}

void place_publish(Place *x) {
    char unnamed[PATH_CHARS + 8];
    snprintf(unnamed, sizeof unnamed, "%s.new", x->path);
    if (x->descriptor >= 0) (void)rename(unnamed, x->path);
}

void place_drop(Place *x) {
    if (x->memory) munmap(x->memory, x->size);
    if (x->descriptor >= 0) {
        unlink(x->path);
        close(x->descriptor);
    }
    x->memory = NULL, x->descriptor = -1;
}

int64_t place_default_latency(int64_t rate) {
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    char path[PATH_CHARS];
    long long latency = 0, at_rate = 0;
#ifdef __APPLE__
    config = NULL;
#define KEPT "Library/Application Support"
#else
#define KEPT ".config"
#endif
    if (config && *config == '/') snprintf(path, sizeof path, "%s/verdigris/insert-latency", config);
    else snprintf(path, sizeof path, "%s/" KEPT "/verdigris/insert-latency", home ? home : "");
    FILE *file = fopen(path, "re");
    if (file && (fscanf(file, "%lld %lld", &latency, &at_rate) != 2 || latency < 1 || at_rate < 1)) latency = 0;
    if (file) fclose(file);
    if (!latency) latency = NORMAL_LATENCY, at_rate = NORMAL_RATE;
    return (latency * rate + at_rate - 1) / at_rate;
}

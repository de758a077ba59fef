/* The system's part of an insert on Linux and macOS: shared memory, clock, random bytes, stored
   latency. The rules are those of realtime/system/platform. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "insert.h"

static const int64_t DEFAULT_LATENCY = 8192, DEFAULT_RATE = 48000; /* without a stored plan */

#if defined __APPLE__ && !defined NAMED_MEMORY
#define NAMED_MEMORY 1 /* a mapped file lies on a disk there, whose write-back would delay the audio thread */
#endif

int64_t monotonic_ns(void) {
    struct timespec t;
#ifdef __APPLE__
    clock_gettime(CLOCK_UPTIME_RAW, &t); /* as time.perf_counter of Python */
#else
    clock_gettime(CLOCK_MONOTONIC, &t);
#endif
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

void nap_ns(int64_t ns) {
    const struct timespec nap = {0, ns};
    nanosleep(&nap, NULL);
}

void random_bytes(unsigned char *bytes, size_t count) {
    FILE *random = fopen("/dev/urandom", "rbe");
    if (random) (void)!fread(bytes, count, 1, random), fclose(random);
}

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

bool shm_id_in_use(const char *id) {
    char path[PATH_CHARS];
    int file = path_of(id, path) ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return false;
    bool taken = true; /* the lock is held while the owner lives; other readers hold it briefly */
    for (int i = 0; taken && i < 5; i++) {
        if (i) usleep(1000);
        taken = flock(file, LOCK_EX | LOCK_NB) != 0;
    }
    close(file);
    return taken;
}

/* Give the file its content: on Linux `size` bytes of zeros, else name and size of new memory.
   Return the descriptor to map, or -1. */
static int fill_file(ShmFile *x, int file, size_t size) {
#ifdef NAMED_MEMORY
    unsigned char bytes[12] = {0};
    char label[NAME_CHARS + 24];
    random_bytes(bytes, sizeof bytes);
    int at = snprintf(x->name, NAME_CHARS, "/vd-"); /* at most 31 characters on macOS */
    for (size_t i = 0; i < sizeof bytes; i++) at += snprintf(x->name + at, 3, "%02x", bytes[i]);
    int length = snprintf(label, sizeof label, "%s %llu\n", x->name, (unsigned long long)size);
    if (write(file, label, (size_t)length) != length) return -1;
    int memory = shm_open(x->name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (memory < 0) return -1;
    if (ftruncate(memory, (off_t)size) == 0) return memory;
    close(memory);
    shm_unlink(x->name);
    return -1;
#else
    (void)x;
    return posix_fallocate(file, 0, (off_t)size) == 0 ? file : -1; /* a sparse file on a full disk raises SIGBUS */
#endif
}

/* Create and lock the file under a temporary name; return the descriptor to map, or -1. */
static int make_file(ShmFile *x, const char *id, size_t size) {
    char temp_path[PATH_CHARS + 8];
    if (!path_of(id, x->path)) return -1;
    snprintf(temp_path, sizeof temp_path, "%s.new", x->path);
    unlink(temp_path);
    int file = open(temp_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) return -1;
    int memory = flock(file, LOCK_EX | LOCK_NB) == 0 ? fill_file(x, file, size) : -1;
    if (memory < 0) {
        unlink(temp_path);
        close(file);
        return -1;
    }
    x->file = file;
    return memory;
}

void shm_init(ShmFile *x) { x->file = -1; }

bool shm_create(ShmFile *x, const char *id, size_t size) {
    x->size = size, x->file = -1, x->name[0] = '\0';
    int descriptor = make_file(x, id, size);
    int sharing = descriptor < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED;
    x->memory = mmap(NULL, size, PROT_READ | PROT_WRITE, sharing, descriptor, 0);
    if (descriptor >= 0 && descriptor != x->file) close(descriptor);
    if (x->memory == MAP_FAILED) {
        x->memory = NULL;
        shm_close(x);
        return false;
    }
    memset(x->memory, 0, size); /* touch every page: a fault in the audio thread takes longer than a block */
    (void)mlock(x->memory, size); /* may be refused */
    return true;
}

void shm_publish(ShmFile *x) {
    char temp_path[PATH_CHARS + 8];
    snprintf(temp_path, sizeof temp_path, "%s.new", x->path);
    if (x->file >= 0) (void)rename(temp_path, x->path);
}

void shm_close(ShmFile *x) {
    if (x->memory) munmap(x->memory, x->size);
    if (x->file >= 0) {
        unlink(x->path);
        close((int)x->file);
#ifdef NAMED_MEMORY
        shm_unlink(x->name);
#endif
    }
    x->memory = NULL, x->file = -1;
}

int64_t reserved_latency(int64_t rate) {
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    char path[PATH_CHARS];
    long long latency = 0, at_rate = 0;
#ifdef __APPLE__
#define CONFIG_HOME "Library/Application Support"
#else
#define CONFIG_HOME ".config"
#endif
    if (config && *config == '/') snprintf(path, sizeof path, "%s/verdigris/insert-latency", config);
    else snprintf(path, sizeof path, "%s/" CONFIG_HOME "/verdigris/insert-latency", home ? home : "");
    FILE *file = fopen(path, "re");
    if (file && (fscanf(file, "%lld %lld", &latency, &at_rate) != 2 || latency < 1 || at_rate < 1)) latency = 0;
    if (file) fclose(file);
    if (!latency) latency = DEFAULT_LATENCY, at_rate = DEFAULT_RATE;
    return (latency * rate + at_rate - 1) / at_rate;
}

/* Run the insert's LV2 interface under a filter that allows only the system calls write and exit,
   and count allocations. Arguments: library, calls, with an engine (0, 1), freewheel (0, 1), one
   malloc (0, 1), command that prints the timeline's path. Prints "calls allocations wet"; any other
   system call ends it with SIGSYS. The engine is part of this program and needs none either. */
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../../../realtime/plugin/native/playout.h"
#include "../../../realtime/plugin/native/lv2_abi.h"

enum { MAX_BLOCK = 4096, FIRST_CONTROL = 4, FREEWHEEL = FIRST_CONTROL + PORTS, ALL = FREEWHEEL + 4 };

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), __libc_free(void *);
static int armed;
static long allocations;
void *malloc(size_t size) { return allocations += armed, __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return allocations += armed, __libc_calloc(count, size); }
void *realloc(void *at, size_t size) { return allocations += armed, __libc_realloc(at, size); }
void free(void *at) { allocations += armed, __libc_free(at); }

static int forbid(void) {
#define ALLOW(number) \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
    struct sock_filter filter[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                                   ALLOW(SYS_write), ALLOW(SYS_exit), ALLOW(SYS_exit_group),
                                   BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* Map the insert's timeline. */
static Field *find_timeline(const char *path) {
    int file = open(path, O_RDWR);
    off_t size = lseek(file, 0, SEEK_END);
    void *memory = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    return file < 0 || memory == MAP_FAILED ? NULL : memory;
}

/* Write the inverted input as wet A. */
static void engine(Field *h) {
    int64_t end = acquire(h, F_DRY_END), capacity = get(h, F_CAPACITY);
    float *rings = (float *)((char *)h + HEADER_BYTES + TELEMETRY_BYTES);
    for (int64_t k = acquire(h, F_WET_END_A); k < end; k++)
        for (int c = 0; c < CHANNELS; c++) {
            int64_t at = c * capacity + (k & (capacity - 1));
            rings[CHANNELS * capacity + at] = -rings[at];
        }
    set(h, F_SLOTS, 1), set(h, F_ATTACH_COUNT, 1), release(h, F_STREAM_ACK, get(h, F_STREAM_ID));
    release(h, F_HEARTBEAT_NS, monotonic_ns()), release(h, F_WET_END_A, end);
}

int64_t monotonic_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int main(int argc, char **argv) {
    if (argc != 7) return 2;
    long calls = atol(argv[2]), wet = 0;
    int with_engine = atoi(argv[3]), freewheel = atoi(argv[4]), one_malloc = atoi(argv[5]);
    void *library = dlopen(argv[1], RTLD_NOW);
    const Lv2Descriptor *(*get_descriptor)(uint32_t) = NULL;
    if (library) *(void **)&get_descriptor = dlsym(library, "lv2_descriptor");
    if (!get_descriptor) return 3;
    const Lv2Descriptor *d = get_descriptor(0);
    void *plugin = d->instantiate(d, 48000.0, "", NULL);
    static float audio[2][MAX_BLOCK], controls[ALL];
    for (int p = 0; p < ALL; p++) d->connect_port(plugin, (uint32_t)p, p < 4 ? (void *)audio[p % 2] : &controls[p]);
    controls[FIRST_CONTROL + P_MONITOR] = controls[FIRST_CONTROL + P_WET] = controls[FIRST_CONTROL + P_BYPASS] = 1;
    d->activate(plugin);
    d->run(plugin, 64);
    char path[1024] = "";
    FILE *listed = popen(argv[6], "r"); /* prints the path */
    if (!listed || !fgets(path, sizeof path, listed)) return 4;
    pclose(listed);
    path[strcspn(path, "\n")] = 0;
    Field *h = find_timeline(path);
    if (!h) return 5;
    controls[FREEWHEEL] = (float)freewheel;
    if (forbid()) return 77; /* the system refuses the filter */
    armed = 1;
    unsigned random = 1;
    for (long i = 0; i < calls; i++) {
        random = random * 1664525u + 1013904223u;
        uint32_t size = 1 + (random >> 16) % MAX_BLOCK;
        for (uint32_t n = 0; n < size; n += 64) audio[0][n] = audio[1][n] = 0.5f;
        controls[FIRST_CONTROL + P_GAIN] = (float)((random >> 8) % 12);
        controls[FIRST_CONTROL + P_BEND_NOISE] = (float)(random >> 30);
        if (one_malloc && i == 0) free(malloc(10));
        d->run(plugin, size);
        wet += controls[FREEWHEEL + 2] > 0;
        if (with_engine && i % 3) engine(h); /* sometimes late */
    }
    armed = 0;
    char said[96];
    int length = snprintf(said, sizeof said, "%ld %ld %ld\n", calls, allocations, wet);
    return write(1, said, (size_t)length) == length ? (_exit(0), 0) : 1;
}

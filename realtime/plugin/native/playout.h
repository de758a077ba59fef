/* Host side of a timeline for plug-ins; the port of realtime/timeline/playout.py, which is the
   original. Memory layout: realtime/timeline/layout.py. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "table.h"

enum { CHANNELS = 2, WET = 1, MONITOR = 3, SLOTS = 2 };

typedef _Atomic int64_t Field;

typedef struct {
    Field *h;           /* header of the timeline */
    float *rings;       /* [RINGS][CHANNELS][capacity] */
    int64_t s[S_SIZE];  /* private state, as PlayoutState in playout.py */
    int64_t waiting_ns; /* start of the first wait for the engine; 0: none yet */
    bool gave_up;
} Playout;

static inline int64_t get(Field *h, int field) { return atomic_load_explicit(h + field, memory_order_relaxed); }
static inline void set(Field *h, int field, int64_t v) { atomic_store_explicit(h + field, v, memory_order_relaxed); }
static inline int64_t acquire(Field *h, int field) { return atomic_load_explicit(h + field, memory_order_acquire); }
static inline void release(Field *h, int field, int64_t v) {
    atomic_store_explicit(h + field, v, memory_order_release);
}

/* system_posix.c, system_windows.c */
int64_t monotonic_ns(void); /* the clock of the engine's heartbeats */
void nap_ns(int64_t);

/* Start a new stream at sample 0. Must not run beside playout_process. */
void playout_activate(Playout *);

/* Play a block of any size; in and out may be the same. Audio thread: it never allocates or locks,
   and waits only if OFFLINE is set. */
void playout_process(Playout *, const float *const in[CHANNELS], float *const out[CHANNELS], int64_t size,
                     int64_t now_ns);

/* Count the dropout in which a stream ended, if any. */
void playout_finish(Playout *);

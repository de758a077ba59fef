/* The host side of a timeline: what realtime/callback.py is for drivers, for plug-ins. Layout: realtime/timeline.py. */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "table.h"

enum { CHANNELS = 2, WET = 1, HEARD = 3, SLOTS = 2 };

typedef _Atomic int64_t Field;

typedef struct {
    Field *h;           /* the header */
    float *rings;       /* [RINGS][CHANNELS][capacity] */
    int64_t s[S_SIZE];  /* its own memory, as State in callback.py */
    int64_t waiting_ns; /* since when it may wait for the engine; 0: it has not yet */
    bool gave_up;
} Host;

static inline int64_t get(Field *h, int field) { return atomic_load_explicit(h + field, memory_order_relaxed); }
static inline void set(Field *h, int field, int64_t v) { atomic_store_explicit(h + field, v, memory_order_relaxed); }
static inline int64_t acquire(Field *h, int field) { return atomic_load_explicit(h + field, memory_order_acquire); }
static inline void release(Field *h, int field, int64_t v) {
    atomic_store_explicit(h + field, v, memory_order_release);
}

int64_t monotonic_ns(void); /* the clock of the engine's heartbeat */

/* Begin a new stream at sample 0. Not while `host_process` runs. */
void host_activate(Host *);

/* A block of any size; in and out may be the same. Audio thread: nothing is allocated or locked, and nothing waits
   unless OFFLINE is set. */
void host_process(Host *, const float *const in[CHANNELS], float *const out[CHANNELS], int64_t size, int64_t now_ns);

/* Count the hole that is open when a stream ends. */
void host_finish(Host *);

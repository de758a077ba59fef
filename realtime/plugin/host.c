/* The host side in C: every line does what its fellow in realtime/callback.py does, in the same order of floating
   point, so that the two agree to the bit (tests/test_insert_core.py). Compile without contraction of a*b+c. */
#include "host.h"

#include <string.h>
#include <time.h>

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define OF_SLOT(field, slot) ((field) + (slot) * (F_EPOCH_B - F_EPOCH_A))

static const float GAIN_STEP = 1.0f / GAIN_ONE;
static const int64_t PATIENCE_NS = 2000000000, LIMIT_NS = 60000000000, NAP_NS = 200000;

int64_t monotonic_ns(void) {
    struct timespec t;
#ifdef __APPLE__
    clock_gettime(CLOCK_UPTIME_RAW, &t); /* what Python's is there */
#else
    clock_gettime(CLOCK_MONOTONIC, &t);
#endif
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

void host_activate(Host *x) {
    memset(x->s, 0, sizeof x->s);
    for (int g = 0; g < 3; g++) x->s[S_GAIN_DRY + g] = get(x->h, F_GAIN_DRY + g);
    x->waiting_ns = 0, x->gave_up = false;
    release(x->h, F_DRY_END, 0);
    release(x->h, F_PLAYED_END, 0);
    release(x->h, F_STREAM, get(x->h, F_STREAM) + 1); /* last: who sees it sees the counters at 0 */
}

/* Look what the engine has; wet_end before epoch, so that an end is never taken for an older run's. */
static void see_runs(Host *x, int64_t k) {
    bool ready = acquire(x->h, F_ACK) == get(x->h, F_STREAM);
    int64_t *start = x->s + S_RUN_START, *stop = x->s + S_RUN_END;
    for (int s = 0; ready && s < SLOTS; s++) {
        int64_t end = acquire(x->h, OF_SLOT(F_WET_END_A, s)), epoch = acquire(x->h, OF_SLOT(F_EPOCH_A, s));
        if (epoch == start[s]) {
            stop[s] = end;
            continue;
        }
        int64_t before = acquire(x->h, OF_SLOT(F_BEFORE_A, s)), cut = acquire(x->h, OF_SLOT(F_CUT_A, s));
        bool still = acquire(x->h, OF_SLOT(F_EPOCH_A, s)) == epoch;       /* both are of this epoch */
        if (still && before == start[s]) stop[s] = MAX(stop[s], cut);     /* what the old run brought since */
        if (epoch == stop[s] && end > epoch) x->s[S_WAS_FULL + s] = 0;    /* a take-over is no hole */
        if (stop[s] <= k) start[s] = epoch, stop[s] = end;                /* the old run is played out */
    }
}

void host_finish(Host *x) {
    int64_t kind = x->s[S_HOLE_KIND];
    if (kind) set(x->h, F_LATE + kind - 1, get(x->h, F_LATE + kind - 1) + 1);
    x->s[S_HOLE_KIND] = 0;
    set(x->h, F_HOLE, 0);
}

static void count_holes(Host *x, int64_t now_ns) {
    int64_t fade = get(x->h, F_FADE), slots = get(x->h, F_SLOTS), *kind = x->s + S_HOLE_KIND;
    bool missing = false;
    for (int s = 0; s < SLOTS; s++) {
        if (!(slots >> s & 1)) continue;
        if (x->s[S_PRESENCE + s] == fade) x->s[S_WAS_FULL + s] = 1;
        else if (x->s[S_WAS_FULL + s]) missing = true;
    }
    int64_t engine = acquire(x->h, F_ENGINE);
    if (!missing) {
        if (*kind) host_finish(x);
    } else {
        if (*kind == 0) *kind = 1, x->s[S_HOLE_ENGINE] = engine;
        if (now_ns - acquire(x->h, F_BEAT) > get(x->h, F_STALL_NS)) *kind = MAX(*kind, 2);
        if (engine != x->s[S_HOLE_ENGINE] || engine == 0) *kind = 3;
    }
    set(x->h, F_HOLE, *kind);
}

static float *ring(const Host *x, int number, int channel, int64_t capacity) {
    return x->rings + (number * CHANNELS + channel) * capacity;
}

/* Where nothing moves in a block, each gain has one ring to play from: wet, or dry where a slot is absent throughout.
   The number of terms, or -1 if something moves. */
static int steady_terms(const Host *x, int64_t first, int64_t size, int term_ring[3], float term_gain[3]) {
    int64_t fade = get(x->h, F_FADE);
    int terms = 0;
    if (first < 0) return -1;
    for (int g = 0; g < 3; g++) {
        int64_t gain = x->s[S_GAIN_DRY + g];
        if (gain != get(x->h, F_GAIN_DRY + g)) return -1;
        int from = 0;
        if (g > 0) {
            int s = g - 1;
            int64_t start = x->s[S_RUN_START + s], end = x->s[S_RUN_END + s], presence = x->s[S_PRESENCE + s];
            bool used = get(x->h, F_SLOTS) >> s & 1;
            bool full = used && presence == fade && end - (first + size) >= fade;
            bool none = presence == 0 && (!used || end <= first || end <= start || start >= first + size);
            if (!full && (!none || (gain && get(x->h, F_FILL) == 1))) return -1;
            from = full ? WET + s : 0;
        }
        if (gain) term_ring[terms] = from, term_gain[terms++] = (float)gain * GAIN_STEP;
    }
    return terms;
}

/* The loops of `play_steady`, over samples that lie one after the other. */
static void sum(float *restrict out, float *restrict heard, int terms, const float *const p[3], const float g[3],
                int64_t size) {
    if (terms == 0) memset(out, 0, size * sizeof *out);
    if (terms == 1) for (int64_t i = 0; i < size; i++) out[i] = g[0] * p[0][i];
    if (terms == 2) for (int64_t i = 0; i < size; i++) out[i] = g[0] * p[0][i] + g[1] * p[1][i];
    if (terms == 3) for (int64_t i = 0; i < size; i++) out[i] = g[0] * p[0][i] + g[1] * p[1][i] + g[2] * p[2][i];
    memcpy(heard, out, size * sizeof *out);
}

static void play_steady(Host *x, float *const *out, int64_t at, int64_t size, int64_t first, int terms,
                        const int term_ring[3], const float term_gain[3]) {
    int64_t n = x->s[S_POSITION], capacity = get(x->h, F_CAPACITY), mask = capacity - 1;
    for (int64_t i = 0, run; i < size; i += run) {
        int64_t from = (first + i) & mask, to = (n + i) & mask;
        run = MIN(size - i, capacity - MAX(from, to)); /* up to where the first of the two wraps */
        for (int c = 0; c < CHANNELS; c++) {
            const float *p[3] = {0};
            for (int t = 0; t < terms; t++) p[t] = ring(x, term_ring[t], c, capacity) + from;
            sum(out[c] + at + i, ring(x, HEARD, c, capacity) + to, terms, p, term_gain, run);
        }
    }
}

/* Move gains and presence sample by sample; how many samples lay in a hole. */
static int64_t play_ramped(Host *x, float *const *out, int64_t at, int64_t size, int64_t first) {
    int64_t n = x->s[S_POSITION], capacity = get(x->h, F_CAPACITY), mask = capacity - 1, missed = 0;
    int64_t fade = get(x->h, F_FADE), step = GAIN_ONE / fade, slots = get(x->h, F_SLOTS), *gain = x->s + S_GAIN_DRY;
    int64_t *presence = x->s + S_PRESENCE, target[3];
    bool silent = get(x->h, F_FILL) == 1;
    for (int g = 0; g < 3; g++) target[g] = get(x->h, F_GAIN_DRY + g);
    for (int64_t i = 0; i < size; i++) {
        int64_t k = first + i, slot = k & mask;
        bool absent = false;
        for (int g = 0; g < 3; g++) gain[g] += MIN(MAX(target[g] - gain[g], -step), step);
        for (int s = 0; s < SLOTS; s++) {
            int64_t there = 0, start = x->s[S_RUN_START + s], end = x->s[S_RUN_END + s];
            if (slots >> s & 1 && end > start && (k >= start || start == 0)) there = MIN(MAX(end - k, 0), fade);
            presence[s] = MIN(presence[s] + 1, there);
            absent |= x->s[S_WAS_FULL + s] && presence[s] < fade;
        }
        missed += absent;
        for (int c = 0; c < CHANNELS; c++) {
            float dry = k >= 0 ? ring(x, 0, c, capacity)[slot] : 0.0f, total = 0.0f;
            if (gain[0]) total = (float)gain[0] * GAIN_STEP * dry;
            for (int s = 0; s < SLOTS; s++) {
                if (!gain[1 + s]) continue;
                float wet = k >= 0 ? ring(x, WET + s, c, capacity)[slot] : 0.0f, nothing = silent ? 0.0f : dry;
                float part = (float)presence[s] / (float)fade;
                if (presence[s] == 0) wet = nothing;
                else if (presence[s] < fade) wet = silent ? part * wet : dry + part * (wet - dry);
                wet = (float)gain[1 + s] * GAIN_STEP * wet;
                total = gain[0] || (s && gain[1]) ? total + wet : wet; /* adding to 0 loses the sign of a zero */
            }
            out[c][at + i] = total;
            ring(x, HEARD, c, capacity)[(n + i) & mask] = total;
        }
    }
    return missed;
}

static bool engine_has(Field *h, int64_t end) {
    if (end <= 0) return true;
    if (!get(h, F_SLOTS) || acquire(h, F_ACK) != get(h, F_STREAM)) return false;
    for (int s = 0; s < SLOTS; s++)
        if (get(h, F_SLOTS) >> s & 1 && acquire(h, OF_SLOT(F_WET_END_A, s)) < end) return false;
    return true;
}

/* A host that renders can wait: until the engine has what is to be played, and the samples that begin a fade after it.
   Without a sign of life from the engine for PATIENCE_NS, or after LIMIT_NS, it goes on dry until there is more. */
static void wait_for_engine(Host *x, int64_t end) {
    const struct timespec nap = {0, NAP_NS};
    int64_t begun = monotonic_ns();
    if (!x->waiting_ns) x->waiting_ns = begun;
    while (!engine_has(x->h, end)) {
        int64_t now = monotonic_ns(), sign = MAX(acquire(x->h, F_BEAT), acquire(x->h, F_CLAIM));
        x->gave_up |= now - begun > LIMIT_NS;
        if (x->gave_up || now - MAX(sign, x->waiting_ns) > PATIENCE_NS) return;
        nanosleep(&nap, NULL);
    }
    x->gave_up = false;
}

static void process_piece(Host *x, const float *const *in, float *const *out, int64_t at, int64_t size, int64_t now) {
    int64_t n = x->s[S_POSITION], capacity = get(x->h, F_CAPACITY), to = n & (capacity - 1);
    int64_t head = MIN(size, capacity - to), first = n - get(x->h, F_LATENCY);
    for (int c = 0; c < CHANNELS; c++) {
        float *dry = ring(x, 0, c, capacity);
        memcpy(dry + to, in[c] + at, head * sizeof *dry);
        memcpy(dry, in[c] + at + head, (size - head) * sizeof *dry);
    }
    release(x->h, F_DRY_END, n + size);
    if (get(x->h, F_OFFLINE)) wait_for_engine(x, first + size + get(x->h, F_FADE));

    see_runs(x, first);
    int term_ring[3] = {0};
    float term_gain[3] = {0};
    int terms = steady_terms(x, first, size, term_ring, term_gain);
    int64_t missed = 0;
    if (terms < 0) missed = play_ramped(x, out, at, size, first);
    else {
        play_steady(x, out, at, size, first, terms, term_ring, term_gain);
        for (int s = 0; s < SLOTS; s++) /* a slot that is absent in a steady block is so throughout */
            if (x->s[S_WAS_FULL + s] && x->s[S_PRESENCE + s] == 0) missed = size;
    }
    set(x->h, F_MISSED, get(x->h, F_MISSED) + missed);
    x->s[S_POSITION] = n + size;
    count_holes(x, now);
    set(x->h, F_BLOCKS, get(x->h, F_BLOCKS) + 1);
    release(x->h, F_PLAYED_END, n + size);
}

void host_process(Host *x, const float *const in[CHANNELS], float *const out[CHANNELS], int64_t size, int64_t now_ns) {
    int64_t piece = get(x->h, F_MAX_BLOCK);
    for (int64_t at = 0; at < size; at += piece) process_piece(x, in, out, at, MIN(piece, size - at), now_ns);
}

/* Port of realtime/timeline/playout.py. It performs the same floating-point operations in the same
   order, so that both agree to the bit (tests/plugin/test_insert_core.py). Compile without
   contraction of a * b + c. */
#include "playout.h"

#include <string.h>

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define OF_SLOT(field, slot) ((field) + (slot) * (F_RUN_START_B - F_RUN_START_A))
#define OF_LOG(field, slot) ((field) + (slot) * (F_LATE_B - F_LATE_A))

static const float GAIN_STEP = 1.0f / GAIN_ONE;
static const int64_t NOT_BEGUN = 4; /* kind of a stretch before the slot's output begins */
static const int64_t SILENCE_LIMIT_NS = 2000000000, WAIT_LIMIT_NS = 60000000000, NAP_NS = 200000;

void playout_activate(Playout *x) {
    memset(x->s, 0, sizeof x->s);
    for (int g = 0; g < 3; g++) x->s[S_GAIN_DRY + g] = get(x->h, F_GAIN_DRY + g);
    x->waiting_ns = 0, x->gave_up = false;
    release(x->h, F_DRY_END, 0);
    release(x->h, F_PLAYED_END, 0);
    release(x->h, F_STREAM_ID, get(x->h, F_STREAM_ID) + 1); /* last: a reader that sees it sees the counters at 0 */
}

/* Read the runs of the engine. WET_END is read before RUN_START, so that an end is never assigned
   to an older run. */
static void update_runs(Playout *x, int64_t k) {
    bool ready = acquire(x->h, F_STREAM_ACK) == get(x->h, F_STREAM_ID);
    int64_t *start = x->s + S_RUN_START, *stop = x->s + S_RUN_END;
    for (int s = 0; ready && s < SLOTS; s++) {
        int64_t end = acquire(x->h, OF_SLOT(F_WET_END_A, s)), run_start = acquire(x->h, OF_SLOT(F_RUN_START_A, s));
        if (run_start == start[s]) {
            stop[s] = end;
            continue;
        }
        int64_t prev_start = acquire(x->h, OF_SLOT(F_PREV_RUN_START_A, s));
        int64_t prev_end = acquire(x->h, OF_SLOT(F_PREV_RUN_END_A, s));
        bool still = acquire(x->h, OF_SLOT(F_RUN_START_A, s)) == run_start; /* both belong to this run */
        if (still && prev_start == start[s]) stop[s] = MAX(stop[s], prev_end); /* written since the last look */
        if (run_start == stop[s] && end > run_start) x->s[S_WAS_PRESENT + s] = 0; /* a takeover is no dropout */
        if (stop[s] <= k) start[s] = run_start, stop[s] = end; /* the old run has been played */
    }
}

static void add(Field *h, int field, int64_t value) { set(h, field, get(h, field) + value); }

/* Count and log the current stretch of a slot, which ends before input sample k. */
static void end_stretch(Playout *x, int s, int64_t k) {
    int64_t kind = x->s[S_STRETCH_KIND + s], number = get(x->h, OF_LOG(F_STRETCH_END_A, s));
    int at = OF_LOG(F_STRETCH_A, s) + 2 * (int)(number % STRETCHES);
    if (kind != NOT_BEGUN) add(x->h, OF_LOG(F_LATE_A, s) + (int)kind - 1, 1);
    set(x->h, at, x->s[S_STRETCH_START + s]), set(x->h, at + 1, k * 8 + kind);
    release(x->h, OF_LOG(F_STRETCH_END_A, s), number + 1);
    x->s[S_STRETCH_KIND + s] = 0;
    set(x->h, OF_LOG(F_OPEN_STRETCH_A, s), 0);
}

/* Begin or count the stretch of a slot that is not fully wet in `size` samples from input sample k. */
static void note_fill(Playout *x, int s, int64_t k, int64_t size) {
    bool dropout = x->s[S_WAS_PRESENT + s];
    if (!x->s[S_STRETCH_KIND + s]) {
        x->s[S_STRETCH_KIND + s] = dropout ? 1 : NOT_BEGUN;
        x->s[S_STRETCH_START + s] = k, x->s[S_STRETCH_ATTACH + s] = -1;
    }
    add(x->h, OF_LOG(F_FILL_SAMPLES_A, s), size);
    if (dropout) add(x->h, OF_LOG(F_DROPPED_SAMPLES_A, s), size);
}

/* Raise the kind of a slot's dropout at the end of a block, and publish its stretch. */
static void judge_stretch(Playout *x, int s, int64_t engine, int64_t now_ns) {
    int64_t *kind = x->s + S_STRETCH_KIND + s, *attach = x->s + S_STRETCH_ATTACH + s;
    if (*kind && *kind != NOT_BEGUN) {
        if (*attach < 0) *attach = engine;
        if (now_ns - acquire(x->h, OF_SLOT(F_HEARTBEAT_A, s)) > get(x->h, F_STALL_NS)) *kind = MAX(*kind, 2);
        if (engine != *attach || engine == 0) *kind = 3;
    }
    set(x->h, OF_LOG(F_OPEN_START_A, s), x->s[S_STRETCH_START + s]);
    set(x->h, OF_LOG(F_OPEN_STRETCH_A, s), *kind);
}

static void close_dropout(Playout *x) {
    int64_t kind = x->s[S_DROPOUT_KIND];
    if (kind) add(x->h, F_LATE + (int)kind - 1, 1);
    x->s[S_DROPOUT_KIND] = 0;
    set(x->h, F_OPEN_DROPOUT, 0);
}

void playout_finish(Playout *x) {
    close_dropout(x);
    for (int s = 0; s < SLOTS; s++)
        if (x->s[S_STRETCH_KIND + s]) end_stretch(x, s, x->s[S_POSITION] - get(x->h, F_LATENCY));
}

static void count_dropouts(Playout *x, int64_t now_ns) {
    int64_t fade = get(x->h, F_FADE), slots = get(x->h, F_SLOTS), *kind = x->s + S_DROPOUT_KIND;
    bool missing = false;
    for (int s = 0; s < SLOTS; s++) {
        if (!(slots >> s & 1)) continue;
        if (x->s[S_WET_CROSSFADE + s] == fade) x->s[S_WAS_PRESENT + s] = 1;
        else if (x->s[S_WAS_PRESENT + s]) missing = true;
    }
    int64_t engine = acquire(x->h, F_ATTACH_COUNT);
    for (int s = 0; s < SLOTS; s++) judge_stretch(x, s, engine, now_ns);
    if (!missing) {
        if (*kind) close_dropout(x);
    } else {
        if (*kind == 0) *kind = 1, x->s[S_DROPOUT_ATTACH] = engine;
        if (now_ns - acquire(x->h, F_HEARTBEAT_NS) > get(x->h, F_STALL_NS)) *kind = MAX(*kind, 2);
        if (engine != x->s[S_DROPOUT_ATTACH] || engine == 0) *kind = 3;
    }
    set(x->h, F_OPEN_DROPOUT, *kind);
}

static float *ring(const Playout *x, int number, int channel, int64_t capacity) {
    return x->rings + (number * CHANNELS + channel) * capacity;
}

/* If no gain or crossfade moves in a block, each gain plays from one ring: wet, or dry if the slot
   is absent throughout. Return the number of terms, or -1 if something moves. */
static int steady_terms(const Playout *x, int64_t first, int64_t size, int term_ring[3], float term_gain[3]) {
    int64_t fade = get(x->h, F_FADE);
    int terms = 0;
    if (first < 0) return -1;
    for (int g = 0; g < 3; g++) {
        int64_t gain = x->s[S_GAIN_DRY + g];
        if (gain != get(x->h, F_GAIN_DRY + g)) return -1;
        int from = 0;
        if (g > 0) {
            int s = g - 1;
            int64_t start = x->s[S_RUN_START + s], end = x->s[S_RUN_END + s], crossfade = x->s[S_WET_CROSSFADE + s];
            bool used = get(x->h, F_SLOTS) >> s & 1;
            bool full = used && crossfade == fade && end - (first + size) >= fade;
            bool none = crossfade == 0 && (!used || end <= first || end <= start || start >= first + size);
            if (!full && (!none || (gain && get(x->h, F_DROPOUT_FILL) == 1))) return -1;
            from = full ? WET + s : 0;
        }
        if (gain) term_ring[terms] = from, term_gain[terms++] = (float)gain * GAIN_STEP;
    }
    return terms;
}

/* Sum the terms over contiguous samples; the loops of play_steady. */
static void sum(float *restrict out, float *restrict monitor, int terms, const float *const p[3], const float g[3],
                int64_t size) {
    if (terms == 0) memset(out, 0, size * sizeof *out);
    if (terms == 1) for (int64_t i = 0; i < size; i++) out[i] = g[0] * p[0][i];
    if (terms == 2) for (int64_t i = 0; i < size; i++) out[i] = g[0] * p[0][i] + g[1] * p[1][i];
    if (terms == 3) for (int64_t i = 0; i < size; i++) out[i] = g[0] * p[0][i] + g[1] * p[1][i] + g[2] * p[2][i];
    memcpy(monitor, out, size * sizeof *out);
}

static void play_steady(Playout *x, float *const *out, int64_t at, int64_t size, int64_t first, int terms,
                        const int term_ring[3], const float term_gain[3]) {
    int64_t n = x->s[S_POSITION], capacity = get(x->h, F_CAPACITY), mask = capacity - 1;
    for (int64_t i = 0, run; i < size; i += run) {
        int64_t from = (first + i) & mask, to = (n + i) & mask;
        run = MIN(size - i, capacity - MAX(from, to)); /* up to the first wrap of either ring */
        for (int c = 0; c < CHANNELS; c++) {
            const float *p[3] = {0};
            for (int t = 0; t < terms; t++) p[t] = ring(x, term_ring[t], c, capacity) + from;
            sum(out[c] + at + i, ring(x, MONITOR, c, capacity) + to, terms, p, term_gain, run);
        }
    }
}

/* Move gains and crossfades sample by sample; return the number of samples in dropouts. */
static int64_t play_ramped(Playout *x, float *const *out, int64_t at, int64_t size, int64_t first) {
    int64_t n = x->s[S_POSITION], capacity = get(x->h, F_CAPACITY), mask = capacity - 1, dropped = 0;
    int64_t fade = get(x->h, F_FADE), step = GAIN_ONE / fade, slots = get(x->h, F_SLOTS), *gain = x->s + S_GAIN_DRY;
    int64_t *crossfade = x->s + S_WET_CROSSFADE, target[3];
    bool silent = get(x->h, F_DROPOUT_FILL) == 1;
    for (int g = 0; g < 3; g++) target[g] = get(x->h, F_GAIN_DRY + g);
    for (int64_t i = 0; i < size; i++) {
        int64_t k = first + i, slot = k & mask;
        bool absent = false;
        for (int g = 0; g < 3; g++) gain[g] += MIN(MAX(target[g] - gain[g], -step), step);
        for (int s = 0; s < SLOTS; s++) {
            int64_t there = 0, start = x->s[S_RUN_START + s], end = x->s[S_RUN_END + s];
            if (slots >> s & 1 && end > start && (k >= start || start == 0)) there = MIN(MAX(end - k, 0), fade);
            crossfade[s] = MIN(crossfade[s] + 1, there);
            absent |= x->s[S_WAS_PRESENT + s] && crossfade[s] < fade;
            if (k < 0 || !(slots >> s & 1)) continue;
            if (crossfade[s] < fade) note_fill(x, s, k, 1);
            else if (x->s[S_STRETCH_KIND + s]) end_stretch(x, s, k);
        }
        dropped += absent;
        for (int c = 0; c < CHANNELS; c++) {
            float dry = k >= 0 ? ring(x, 0, c, capacity)[slot] : 0.0f, total = 0.0f;
            if (gain[0]) total = (float)gain[0] * GAIN_STEP * dry;
            for (int s = 0; s < SLOTS; s++) {
                if (!gain[1 + s]) continue;
                float wet = k >= 0 ? ring(x, WET + s, c, capacity)[slot] : 0.0f, nothing = silent ? 0.0f : dry;
                float part = (float)crossfade[s] / (float)fade;
                if (crossfade[s] == 0) wet = nothing;
                else if (crossfade[s] < fade) wet = silent ? part * wet : dry + part * (wet - dry);
                wet = (float)gain[1 + s] * GAIN_STEP * wet;
                total = gain[0] || (s && gain[1]) ? total + wet : wet; /* adding to 0 would lose the sign of a zero */
            }
            out[c][at + i] = total;
            ring(x, MONITOR, c, capacity)[(n + i) & mask] = total;
        }
    }
    return dropped;
}

static bool engine_has_written(Field *h, int64_t end) {
    if (end <= 0) return true;
    if (!get(h, F_SLOTS) || acquire(h, F_STREAM_ACK) != get(h, F_STREAM_ID)) return false;
    for (int s = 0; s < SLOTS; s++)
        if (get(h, F_SLOTS) >> s & 1 && acquire(h, OF_SLOT(F_WET_END_A, s)) < end) return false;
    return true;
}

/* Wait, in a host that renders, until the engine has written the samples to play and the fade after
   them. Give up without a heartbeat for SILENCE_LIMIT_NS, or after WAIT_LIMIT_NS, and play dry
   until more is written. */
static void wait_for_engine(Playout *x, int64_t end) {
    int64_t started = monotonic_ns();
    if (!x->waiting_ns) x->waiting_ns = started;
    while (!engine_has_written(x->h, end)) {
        int64_t now = monotonic_ns();
        int64_t heartbeat = MAX(acquire(x->h, F_HEARTBEAT_NS), acquire(x->h, F_SERVER_HEARTBEAT_NS));
        x->gave_up |= now - started > WAIT_LIMIT_NS;
        if (x->gave_up || now - MAX(heartbeat, x->waiting_ns) > SILENCE_LIMIT_NS) return;
        nap_ns(NAP_NS);
    }
    x->gave_up = false;
}

static void process_piece(Playout *x, const float *const *in, float *const *out, int64_t at, int64_t size,
                          int64_t now) {
    int64_t n = x->s[S_POSITION], capacity = get(x->h, F_CAPACITY), to = n & (capacity - 1);
    int64_t head = MIN(size, capacity - to), first = n - get(x->h, F_LATENCY);
    for (int c = 0; c < CHANNELS; c++) {
        float *dry = ring(x, 0, c, capacity);
        memcpy(dry + to, in[c] + at, head * sizeof *dry);
        memcpy(dry, in[c] + at + head, (size - head) * sizeof *dry);
    }
    release(x->h, F_DRY_END, n + size);
    if (get(x->h, F_OFFLINE)) wait_for_engine(x, first + size + get(x->h, F_FADE));

    update_runs(x, first);
    int term_ring[3] = {0};
    float term_gain[3] = {0};
    int terms = steady_terms(x, first, size, term_ring, term_gain);
    int64_t dropped = 0;
    if (terms < 0) dropped = play_ramped(x, out, at, size, first);
    else {
        play_steady(x, out, at, size, first, terms, term_ring, term_gain);
        for (int s = 0; s < SLOTS; s++) { /* a slot absent in a steady block is absent throughout */
            if (x->s[S_WET_CROSSFADE + s] != 0) continue;
            if (x->s[S_WAS_PRESENT + s]) dropped = size;
            if (get(x->h, F_SLOTS) >> s & 1) note_fill(x, s, first, size);
        }
    }
    add(x->h, F_DROPPED_SAMPLES, dropped);
    x->s[S_POSITION] = n + size;
    count_dropouts(x, now);
    set(x->h, F_BLOCKS, get(x->h, F_BLOCKS) + 1);
    release(x->h, F_PLAYED_END, n + size);
}

void playout_process(Playout *x, const float *const in[CHANNELS], float *const out[CHANNELS], int64_t size,
                     int64_t now_ns) {
    int64_t piece = get(x->h, F_MAX_BLOCK);
    for (int64_t at = 0; at < size; at += piece) process_piece(x, in, out, at, MIN(piece, size - at), now_ns);
}

/* Implementation of insert.h: activation, mix, automation and saved state of one insert. */
#include "insert.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const Port insert_ports[PORTS] = {PORT_ROWS};
static const int MIX[][3] = {MIX_ROWS};

enum { MAX_LATENCY = 1 << 20, MAX_RATE = 1 << 20, DEFAULT_BLOCK = 4096, MAX_BLOCK = 1 << 16 };
static const int64_t STALL_NS = 500000000; /* the engine overwrites it */

static void new_identity(Insert *x) {
    unsigned char bytes[ID_CHARS / 2] = {0};
    random_bytes(bytes, sizeof bytes);
    for (int i = 0; i < ID_CHARS / 2; i++) snprintf(x->id + 2 * i, 3, "%02x", bytes[i]);
}

Insert *insert_new(void) {
    Insert *x = calloc(1, sizeof *x);
    if (!x) return NULL;
    shm_init(&x->file);
    for (int p = 0; p < PORTS; p++) x->values[p] = insert_ports[p].default_value;
    new_identity(x);
    return x;
}

void insert_free(Insert *x) {
    shm_close(&x->file);
    free(x);
}

/* Return the ring capacity in samples, as capacity_for of realtime/timeline/layout.py. */
static int64_t capacity_for(int64_t latency, int64_t rate, int64_t max_block) {
    int64_t capacity = 1, least = 2 * latency;
    if (least < latency + 2 * max_block) least = latency + 2 * max_block;
    if (least < rate) least = rate;
    while (capacity < least) capacity *= 2;
    return capacity;
}

/* Create an empty timeline under a unique identity: a copied track brings the identity of the
   original. */
static bool make_timeline(Insert *x, int64_t max_block, int64_t block) {
    shm_close(&x->file);
    if (shm_id_in_use(x->id)) new_identity(x);
    int64_t capacity = capacity_for(x->latency, x->rate, max_block);
    size_t size = HEADER_BYTES + TELEMETRY_BYTES + RINGS * CHANNELS * (size_t)capacity * sizeof(float);
    if (!shm_create(&x->file, x->id, size)) return false;
    Field *h = x->file.memory;
    x->playout.h = h, x->playout.rings = (float *)((char *)x->file.memory + HEADER_BYTES + TELEMETRY_BYTES);
    set(h, F_VERSION, VERSION), set(h, F_SIZE, (int64_t)size), set(h, F_CHANNELS, CHANNELS);
    set(h, F_CAPACITY, capacity), set(h, F_RATE, x->rate), set(h, F_LATENCY, x->latency);
    set(h, F_MAX_BLOCK, max_block), set(h, F_FADE, FADE), set(h, F_STALL_NS, STALL_NS);
    set(h, F_BLOCK, block), release(h, F_MAGIC, MAGIC);
    return true;
}

/* Set latency and rate: the saved latency, else the reserved one, or more if the engine has
   requested more. */
static void choose_latency(Insert *x, int64_t rate) {
    Field *h = x->file.memory;
    int64_t needed = h ? get(h, F_REQUIRED_LATENCY) : 0;
    if (!x->latency) x->latency = reserved_latency(rate);
    else if (needed > x->latency && needed <= MAX_LATENCY) x->latency = needed;
    if (x->rate && x->rate != rate) x->latency = (x->latency * rate + x->rate - 1) / x->rate;
    x->rate = rate;
}

static void apply_mix(Insert *x) {
    const float *v = x->values;
    const int *path = MIX[(int)v[P_MONITOR]];
    int64_t one = (int64_t)floor(GAIN_ONE * pow(10.0, v[P_GAIN] / 20.0) + 0.5);
    int64_t part = (int64_t)floor((double)one * v[P_WET] + 0.5);
    bool bypass = v[P_BYPASS] > 0;
    set(x->playout.h, F_GAIN_DRY, bypass ? GAIN_ONE : path[0] * part + one - part);
    set(x->playout.h, F_GAIN_A, bypass ? 0 : path[1] * part);
    set(x->playout.h, F_GAIN_B, bypass ? 0 : path[2] * part);
}

/* Send a value and its sample to the engine, and publish it. */
static void publish_value(Insert *x, int port) {
    Field *h = x->playout.h;
    uint32_t bits;
    memcpy(&bits, &x->values[port], sizeof bits);
    int64_t number = get(h, F_EVENT_END);
    int event = F_EVENT + 2 * (int)(number % EVENTS);
    set(h, event, x->playout.s[S_POSITION]), set(h, event + 1, (int64_t)port << 32 | bits);
    set(h, F_PARAM + port, bits);
    release(h, F_EVENT_END, number + 1);
}

bool insert_activate(Insert *x, double rate, int64_t max_block, int64_t block) {
    Field *h = x->file.memory;
    max_block = max_block < 1 ? DEFAULT_BLOCK : max_block < MAX_BLOCK ? max_block : MAX_BLOCK;
    choose_latency(x, llround(rate));
    bool same = h && strstr(x->file.path, x->id) && get(h, F_LATENCY) == x->latency && get(h, F_RATE) == x->rate &&
                get(h, F_MAX_BLOCK) == max_block;
    x->active = same || make_timeline(x, max_block, block);
    if (!x->active) return false;
    release(x->playout.h, F_EVENT_END, 0);
    apply_mix(x);
    x->playout.s[S_POSITION] = 0;
    for (int p = 0; p < PORTS; p++) publish_value(x, p);
    playout_activate(&x->playout); /* last, since it raises STREAM_ID */
    if (!same) shm_publish(&x->file);
    return true;
}

void insert_set(Insert *x, int port, float value) {
    const Port *row = &insert_ports[port];
    value = value > row->low ? value < row->high ? value : row->high : row->low; /* NaN becomes the minimum */
    if (row->integer) value = floorf(value + 0.5f);
    if (value == x->values[port]) return;
    x->values[port] = value;
    if (!x->active) return;
    publish_value(x, port);
    if (port <= P_BYPASS) apply_mix(x);
}

void insert_offline(Insert *x, bool offline) {
    if (x->active && get(x->playout.h, F_OFFLINE) != offline) {
        x->playout.waiting_ns = 0;
        set(x->playout.h, F_OFFLINE, offline);
    }
}

void insert_run(Insert *x, const float *const in[CHANNELS], float *const out[CHANNELS], int64_t size) {
    if (!x->active) { /* without memory the input passes through */
        for (int c = 0; c < CHANNELS; c++) memmove(out[c], in[c], (size_t)size * sizeof(float));
        return;
    }
    Field *h = x->playout.h;
    int64_t started = monotonic_ns();
    if (size > get(h, F_BLOCK)) set(h, F_BLOCK, size);
    playout_process(&x->playout, in, out, size, started);
    int64_t taken = monotonic_ns() - started;
    if (taken > get(h, F_MAX_NS)) set(h, F_MAX_NS, taken);
}

bool insert_engine(const Insert *x) {
    if (!x->active || !acquire(x->playout.h, F_ATTACH_COUNT)) return false;
    return acquire(x->playout.h, F_STREAM_ACK) == get(x->playout.h, F_STREAM_ID) &&
           monotonic_ns() - acquire(x->playout.h, F_HEARTBEAT_NS) < get(x->playout.h, F_STALL_NS);
}

int64_t insert_dropouts(const Insert *x) {
    return x->active ? get(x->playout.h, F_LATE) + get(x->playout.h, F_STALLED) + get(x->playout.h, F_DIED) : 0;
}

void insert_save(const Insert *x, char text[STATE_CHARS]) {
    int at = snprintf(text, STATE_CHARS, "1 %s %lld %lld", x->id, (long long)x->latency, (long long)x->rate);
    for (int p = 0; p < PORTS; p++) {
        uint32_t bits; /* in hex: decimals depend on the host's locale */
        memcpy(&bits, &x->values[p], sizeof bits);
        at += snprintf(text + at, (size_t)(STATE_CHARS - at), " %08x", bits);
    }
}

bool insert_restore(Insert *x, const char *text, bool with_values) {
    char id[ID_CHARS + 1];
    long long latency, rate;
    int at = 0, used;
    if (sscanf(text, "1 %32[0-9a-f] %lld %lld%n", id, &latency, &rate, &at) != 3 || strlen(id) != ID_CHARS)
        return false;
    if (latency < 0 || latency > MAX_LATENCY || rate < 0 || rate > MAX_RATE) return false;
    memcpy(x->id, id, sizeof id);
    x->latency = latency, x->rate = rate; /* used from the next activation on */
    for (int p = 0; with_values && p < PORTS; p++, at += used) {
        unsigned bits;
        float value;
        if (sscanf(text + at, " %8x%n", &bits, &used) != 1) break;
        memcpy(&value, &bits, sizeof value);
        insert_set(x, p, value);
    }
    return true;
}

/* LV2 interface of the insert; ports as in bundle/insert.ttl. */
#include "lv2_abi.h"

#include <stdlib.h>
#include <string.h>

#include "insert.h"

enum { FREEWHEEL = 4 + PORTS, LATENCY, ENGINE, DROPOUTS, ALL };

typedef struct {
    Insert *insert;
    float *ports[ALL]; /* in, in, out, out, automated ports, freewheel, reports */
    double rate;
    int64_t max_block, block;
    uint32_t text, state;
} Plugin;

static const Lv2Feature *feature(const Lv2Feature *const *all, const char *uri) {
    for (; all && *all; all++)
        if (strcmp((*all)->uri, uri) == 0) return *all;
    return NULL;
}

static int64_t option(const Lv2Option *all, uint32_t key) {
    for (; all && (all->key || all->value); all++)
        if (all->key == key && all->size == sizeof(int32_t) && all->value) return *(const int32_t *)all->value;
    return 0;
}

static void *instantiate(const Lv2Descriptor *d, double rate, const char *bundle, const Lv2Feature *const *features) {
    (void)d, (void)bundle;
    Plugin *x = calloc(1, sizeof *x);
    if (!x) return NULL;
    const Lv2Feature *urid = feature(features, "http://lv2plug.in/ns/ext/urid#map");
    const Lv2Feature *options = feature(features, "http://lv2plug.in/ns/ext/options#options");
    x->rate = rate;
    if (urid) {
        Lv2Map *map = urid->data;
        x->text = map->map(map->handle, "http://lv2plug.in/ns/ext/atom#String");
        x->state = map->map(map->handle, URI "#state");
        uint32_t max_key = map->map(map->handle, "http://lv2plug.in/ns/ext/buf-size#maxBlockLength");
        uint32_t usual_key = map->map(map->handle, "http://lv2plug.in/ns/ext/buf-size#nominalBlockLength");
        if (options) x->max_block = option(options->data, max_key), x->block = option(options->data, usual_key);
    }
    x->insert = insert_new();
    if (x->insert) return x;
    free(x);
    return NULL;
}

static void connect_port(void *handle, uint32_t port, void *data) {
    if (port < ALL) ((Plugin *)handle)->ports[port] = data;
}

static void read_ports(Plugin *x) {
    for (int p = 0; p < PORTS; p++) {
        const float *value = x->ports[4 + p];
        if (value) insert_set(x->insert, p, p == P_BYPASS ? *value <= 0.0f : *value); /* lv2:enabled is its inverse */
    }
}

static void activate(void *handle) {
    Plugin *x = handle;
    read_ports(x); /* values from sample 0 on */
    insert_activate(x->insert, x->rate, x->max_block, x->block);
}

static void run(void *handle, uint32_t samples) {
    Plugin *x = handle;
    read_ports(x);
    insert_offline(x->insert, x->ports[FREEWHEEL] && *x->ports[FREEWHEEL] > 0.0f);
    const float *const in[CHANNELS] = {x->ports[0], x->ports[1]};
    float *const out[CHANNELS] = {x->ports[2], x->ports[3]};
    if (samples) insert_run(x->insert, in, out, samples);
    if (x->ports[LATENCY]) *x->ports[LATENCY] = x->insert->active ? (float)x->insert->latency : 0.0f;
    if (x->ports[ENGINE]) *x->ports[ENGINE] = insert_engine(x->insert);
    if (x->ports[DROPOUTS]) *x->ports[DROPOUTS] = (float)insert_dropouts(x->insert);
}

static void cleanup(void *handle) {
    insert_free(((Plugin *)handle)->insert);
    free(handle);
}

static int save(void *handle, Lv2Store store, void *to, uint32_t flags, const Lv2Feature *const *features) {
    Plugin *x = handle;
    char text[STATE_CHARS];
    (void)flags, (void)features;
    if (!x->state) return LV2_NO_FEATURE;
    insert_save(x->insert, text);
    return store(to, x->state, text, strlen(text) + 1, x->text, LV2_PORTABLE_POD);
}

static int restore(void *handle, Lv2Retrieve retrieve, void *from, uint32_t flags, const Lv2Feature *const *features) {
    Plugin *x = handle;
    size_t size = 0;
    uint32_t type = 0, found_flags = 0;
    (void)flags, (void)features;
    if (!x->state) return LV2_NO_FEATURE;
    const char *text = retrieve(from, x->state, &size, &type, &found_flags);
    bool complete = text && size && type == x->text && text[size - 1] == '\0';
    return complete && insert_restore(x->insert, text, false) ? 0 : LV2_NO_PROPERTY; /* the host restores the ports */
}

static const void *extension_data(const char *uri) {
    static const Lv2State state = {save, restore};
    return strcmp(uri, "http://lv2plug.in/ns/ext/state#interface") == 0 ? &state : NULL;
}

EXPORT const Lv2Descriptor *lv2_descriptor(uint32_t index) {
    static const Lv2Descriptor descriptor = {URI,  instantiate, connect_port, activate,
                                             run,  NULL,        cleanup,      extension_data};
    return index == 0 ? &descriptor : NULL;
}

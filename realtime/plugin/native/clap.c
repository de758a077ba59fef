/* CLAP interface of the insert. A parameter event splits the block at its sample. */
#include "clap_abi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "insert.h"

typedef struct {
    ClapPlugin plugin;
    Insert *insert;
    bool offline;
} Clap;

static Clap *of(const ClapPlugin *plugin) { return plugin->data; }

static bool init(const ClapPlugin *plugin) { return (of(plugin)->insert = insert_new()) != NULL; }

static void destroy(const ClapPlugin *plugin) {
    if (of(plugin)->insert) insert_free(of(plugin)->insert);
    free(of(plugin));
}

static bool activate(const ClapPlugin *plugin, double rate, uint32_t min_block, uint32_t max_block) {
    (void)min_block;
    return insert_activate(of(plugin)->insert, rate, max_block, max_block);
}

static void nothing(const ClapPlugin *plugin) { (void)plugin; }
static bool yes(const ClapPlugin *plugin) { return plugin != NULL; }
static bool no(const ClapPlugin *plugin) { return plugin == NULL; }

static void apply_event(Insert *insert, const ClapEvent *event) {
    const ClapParamValue *value = (const ClapParamValue *)event;
    if (event->space == 0 && event->type == CLAP_PARAM_VALUE && value->param < PORTS)
        insert_set(insert, (int)value->param, (float)value->value);
}

static int32_t process(const ClapPlugin *plugin, const ClapProcess *p) {
    Clap *x = of(plugin);
    uint32_t count = p->in_events ? p->in_events->size(p->in_events) : 0, at = 0;
    insert_offline(x->insert, x->offline);
    for (uint32_t i = 0; i <= count; i++) {
        const ClapEvent *event = i < count ? p->in_events->get(p->in_events, i) : NULL;
        uint32_t until = event && event->time < p->frames ? event->time : p->frames;
        if (until > at) {
            const float *const in[CHANNELS] = {p->inputs[0].data32[0] + at, p->inputs[0].data32[1] + at};
            float *const out[CHANNELS] = {p->outputs[0].data32[0] + at, p->outputs[0].data32[1] + at};
            insert_run(x->insert, in, out, until - at);
            at = until;
        }
        if (event) apply_event(x->insert, event);
    }
    return CLAP_CONTINUE;
}

static uint32_t port_count(const ClapPlugin *plugin, bool is_input) { return (void)is_input, plugin != NULL; }

static bool port_get(const ClapPlugin *plugin, uint32_t index, bool is_input, ClapPortInfo *info) {
    (void)plugin;
    if (index) return false;
    *info = (ClapPortInfo){.flags = CLAP_IS_MAIN, .channels = CHANNELS, .type = "stereo"};
    snprintf(info->name, sizeof info->name, is_input ? "In" : "Out");
    return true;
}

static uint32_t param_count(const ClapPlugin *plugin) { return plugin ? PORTS : 0; }

static bool param_info(const ClapPlugin *plugin, uint32_t index, ClapParamInfo *info) {
    (void)plugin;
    if (index >= PORTS) return false;
    const Port *row = &insert_ports[index];
    *info = (ClapParamInfo){.id = index, .low = row->low, .high = row->high, .default_value = row->default_value};
    info->flags = CLAP_AUTOMATABLE | (row->integer ? CLAP_STEPPED : 0) | (*row->choices ? CLAP_ENUM : 0) |
                  (index == P_BYPASS ? CLAP_BYPASS : 0);
    snprintf(info->name, sizeof info->name, "%s", row->name);
    return true;
}

static bool param_value(const ClapPlugin *plugin, uint32_t id, double *value) {
    if (id < PORTS) *value = of(plugin)->insert->values[id];
    return id < PORTS;
}

/* Find a choice in a |-separated list by `name`, or by number `wanted` if name is NULL. Return its
   number, or -1. */
static int choice(const char *all, int wanted, const char *name, const char **found, int *length) {
    for (int i = 0; *all; i++) {
        *found = all, *length = (int)strcspn(all, "|");
        if (name ? (int)strlen(name) == *length && strncmp(name, all, (size_t)*length) == 0 : i == wanted) return i;
        all += *length + (all[*length] == '|');
    }
    return -1;
}

static bool to_text(const ClapPlugin *plugin, uint32_t id, double value, char *text, uint32_t room) {
    const char *name;
    int length;
    (void)plugin;
    if (id >= PORTS) return false;
    const Port *row = &insert_ports[id];
    if (choice(row->choices, (int)value, NULL, &name, &length) >= 0) snprintf(text, room, "%.*s", length, name);
    else snprintf(text, room, row->integer ? "%.0f" : "%.3f", value);
    return true;
}

static bool from_text(const ClapPlugin *plugin, uint32_t id, const char *text, double *value) {
    const char *name;
    char *end;
    int length, number;
    (void)plugin;
    if (id >= PORTS) return false;
    number = choice(insert_ports[id].choices, 0, text, &name, &length);
    *value = number >= 0 ? number : strtod(text, &end);
    return number >= 0 || (!*insert_ports[id].choices && end != text);
}

static void flush(const ClapPlugin *plugin, const ClapEvents *in, const void *out) {
    (void)out;
    for (uint32_t i = 0; in && i < in->size(in); i++) apply_event(of(plugin)->insert, in->get(in, i));
}

static bool state_save(const ClapPlugin *plugin, const ClapOut *out) {
    char text[STATE_CHARS];
    insert_save(of(plugin)->insert, text);
    for (size_t at = 0, size = strlen(text); at < size;) {
        int64_t done = out->write(out, text + at, size - at);
        if (done <= 0) return false;
        at += (size_t)done;
    }
    return true;
}

static bool state_load(const ClapPlugin *plugin, const ClapIn *in) {
    char text[STATE_CHARS] = "";
    size_t at = 0;
    int64_t done;
    while (at < sizeof text - 1 && (done = in->read(in, text + at, sizeof text - 1 - at)) > 0) at += (size_t)done;
    return insert_restore(of(plugin)->insert, text, true);
}

static uint32_t latency_get(const ClapPlugin *plugin) { return (uint32_t)of(plugin)->insert->latency; }

static bool render_set(const ClapPlugin *plugin, int32_t mode) {
    of(plugin)->offline = mode == CLAP_OFFLINE;
    return true;
}

static const void *extension(const ClapPlugin *plugin, const char *id) {
    static const ClapPorts ports = {port_count, port_get};
    static const ClapParams params = {param_count, param_info, param_value, to_text, from_text, flush};
    static const ClapState state = {state_save, state_load};
    static const ClapLatency latency = {latency_get};
    static const ClapRender render = {no, render_set};
    static const struct { const char *id; const void *it; } all[] = {{"clap.audio-ports", &ports},
        {"clap.params", &params}, {"clap.state", &state}, {"clap.latency", &latency}, {"clap.render", &render}};
    (void)plugin;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(id, all[i].id) == 0) return all[i].it;
    return NULL;
}

static const char *const features[] = {"audio-effect", "distortion", "stereo", NULL};
static const ClapDescriptor descriptor = {
    {1, 2, 0}, URI, "Verdigris", "Verdigris", "", "", "", "0.1.0", "Your sound through a neural audio codec", features};

static const ClapPlugin *create(const ClapFactory *factory, const void *host, const char *id) {
    (void)factory, (void)host;
    Clap *x = strcmp(id, descriptor.id) == 0 ? calloc(1, sizeof *x) : NULL;
    if (!x) return NULL;
    x->plugin = (ClapPlugin){&descriptor, x, init, destroy, activate, nothing, yes, nothing, nothing, process,
                             extension, nothing};
    return &x->plugin;
}

static uint32_t count(const ClapFactory *factory) { return factory != NULL; }
static const ClapDescriptor *describe(const ClapFactory *factory, uint32_t index) {
    return factory && index == 0 ? &descriptor : NULL;
}

static bool entry_init(const char *path) { return path != NULL; }
static void entry_deinit(void) {}
static const void *entry_factory(const char *id) {
    static const ClapFactory factory = {count, describe, create};
    return strcmp(id, "clap.plugin-factory") == 0 ? &factory : NULL;
}

EXPORT const ClapEntry clap_entry = {
    {1, 2, 0}, entry_init, entry_deinit, entry_factory};

/* The part of CLAP's binary interface (1.2) that the insert uses, declared from its public
   description. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

typedef struct ClapPlugin ClapPlugin;

typedef struct { uint32_t major, minor, revision; } ClapVersion;

typedef struct {
    ClapVersion version;
    const char *id, *name, *vendor, *url, *manual_url, *support_url, *own_version, *description;
    const char *const *features; /* NULL-terminated */
} ClapDescriptor;

typedef struct { /* `size` includes the data after the header */
    uint32_t size, time;
    uint16_t space, type;
    uint32_t flags;
} ClapEvent;

typedef struct {
    ClapEvent header;
    uint32_t param;
    void *cookie;
    int32_t note;
    int16_t port, channel, key;
    double value;
} ClapParamValue;

typedef struct ClapEvents { /* sorted by time */
    void *context;
    uint32_t (*size)(const struct ClapEvents *);
    const ClapEvent *(*get)(const struct ClapEvents *, uint32_t index);
} ClapEvents;

typedef struct {
    float **data32;
    double **data64;
    uint32_t channels, latency;
    uint64_t constant_mask;
} ClapBuffer;

typedef struct {
    int64_t steady_time;
    uint32_t frames;
    const void *transport;
    const ClapBuffer *inputs;
    ClapBuffer *outputs;
    uint32_t input_count, output_count;
    const ClapEvents *in_events;
    const void *out_events;
} ClapProcess;

struct ClapPlugin {
    const ClapDescriptor *descriptor;
    void *data;
    bool (*init)(const ClapPlugin *);
    void (*destroy)(const ClapPlugin *);
    bool (*activate)(const ClapPlugin *, double rate, uint32_t min_frames, uint32_t max_frames);
    void (*deactivate)(const ClapPlugin *);
    bool (*start_processing)(const ClapPlugin *);
    void (*stop_processing)(const ClapPlugin *);
    void (*reset)(const ClapPlugin *);
    int32_t (*process)(const ClapPlugin *, const ClapProcess *);
    const void *(*extension)(const ClapPlugin *, const char *id);
    void (*on_main_thread)(const ClapPlugin *);
};

typedef struct ClapFactory {
    uint32_t (*count)(const struct ClapFactory *);
    const ClapDescriptor *(*descriptor)(const struct ClapFactory *, uint32_t index);
    const ClapPlugin *(*create)(const struct ClapFactory *, const void *host, const char *id);
} ClapFactory;

typedef struct {
    ClapVersion version;
    bool (*init)(const char *path);
    void (*deinit)(void);
    const void *(*factory)(const char *id);
} ClapEntry;

enum { CLAP_NAME = 256, CLAP_PATH = 1024, CLAP_PARAM_VALUE = 5, CLAP_CONTINUE = 1, CLAP_OFFLINE = 1 };
enum { CLAP_IS_MAIN = 1, CLAP_STEPPED = 1 << 0, CLAP_BYPASS = 1 << 4, CLAP_AUTOMATABLE = 1 << 5, CLAP_ENUM = 1 << 16 };

typedef struct {
    uint32_t id;
    char name[CLAP_NAME];
    uint32_t flags, channels;
    const char *type;
    uint32_t in_place_pair;
} ClapPortInfo;

typedef struct {
    uint32_t (*count)(const ClapPlugin *, bool is_input);
    bool (*get)(const ClapPlugin *, uint32_t index, bool is_input, ClapPortInfo *);
} ClapPorts;

typedef struct {
    uint32_t id, flags;
    void *cookie;
    char name[CLAP_NAME], module[CLAP_PATH];
    double low, high, default_value;
} ClapParamInfo;

typedef struct {
    uint32_t (*count)(const ClapPlugin *);
    bool (*info)(const ClapPlugin *, uint32_t index, ClapParamInfo *);
    bool (*value)(const ClapPlugin *, uint32_t id, double *);
    bool (*to_text)(const ClapPlugin *, uint32_t id, double, char *text, uint32_t room);
    bool (*from_text)(const ClapPlugin *, uint32_t id, const char *text, double *);
    void (*flush)(const ClapPlugin *, const ClapEvents *in, const void *out);
} ClapParams;

typedef struct ClapOut { void *context; int64_t (*write)(const struct ClapOut *, const void *, uint64_t); } ClapOut;
typedef struct ClapIn { void *context; int64_t (*read)(const struct ClapIn *, void *, uint64_t); } ClapIn;

typedef struct {
    bool (*save)(const ClapPlugin *, const ClapOut *);
    bool (*load)(const ClapPlugin *, const ClapIn *);
} ClapState;

typedef struct { uint32_t (*get)(const ClapPlugin *); } ClapLatency;
typedef struct {
    bool (*needs_real_time)(const ClapPlugin *);
    bool (*set)(const ClapPlugin *, int32_t mode);
} ClapRender;

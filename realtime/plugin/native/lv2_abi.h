/* The part of LV2's binary interface that the insert uses, declared here so that it builds without
   LV2 headers. */
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *uri;
    void *data;
} Lv2Feature;

typedef struct Lv2Descriptor {
    const char *uri;
    void *(*instantiate)(const struct Lv2Descriptor *, double rate, const char *bundle, const Lv2Feature *const *);
    void (*connect_port)(void *, uint32_t port, void *data);
    void (*activate)(void *);
    void (*run)(void *, uint32_t samples);
    void (*deactivate)(void *);
    void (*cleanup)(void *);
    const void *(*extension_data)(const char *uri);
} Lv2Descriptor;

typedef struct {
    void *handle;
    uint32_t (*map)(void *handle, const char *uri);
} Lv2Map;

typedef struct {
    int context; /* an enum; 0: the instance */
    uint32_t subject, key, size, type;
    const void *value; /* NULL terminates the list */
} Lv2Option;

typedef int (*Lv2Store)(void *, uint32_t key, const void *value, size_t size, uint32_t type, uint32_t flags);
typedef const void *(*Lv2Retrieve)(void *, uint32_t key, size_t *size, uint32_t *type, uint32_t *flags);

typedef struct {
    int (*save)(void *, Lv2Store, void *, uint32_t flags, const Lv2Feature *const *);
    int (*restore)(void *, Lv2Retrieve, void *, uint32_t flags, const Lv2Feature *const *);
} Lv2State;

enum { LV2_PORTABLE_POD = 3, LV2_NO_PROPERTY = 5, LV2_NO_FEATURE = 4 };

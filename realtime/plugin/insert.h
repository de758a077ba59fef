/* One insert: a host side, the file it owns, its identity and what the host automates. Knows nothing of LV2 or CLAP. */
#pragma once
#include <stddef.h>

#include "host.h"

typedef struct {
    const char *symbol, *name;
    float low, high, normal;
    int whole;
    const char *choices; /* by |, or empty */
} Port;
extern const Port insert_ports[PORTS];

enum { ID_CHARS = 32, PATH_CHARS = 1024, STATE_CHARS = 96 + 9 * PORTS };

/* place.c: the file. */
typedef struct {
    void *memory; /* what is mapped; NULL: nothing */
    size_t size;
    int descriptor; /* -1: memory that nobody else can see */
    char path[PATH_CHARS];
} Place;

/* A timeline file insert-ID.timeline in the user's runtime directory, owned and zeroed, named when `place_publish` is
   called. Where no file can be made: memory of its own. False if there is none either, or ID is another insert's. */
bool place_make(Place *, const char *id, size_t size);
void place_publish(Place *);
void place_drop(Place *);
bool place_id_is_taken(const char *id);
int64_t place_default_latency(int64_t rate); /* what the last `verdigris plan` came to */

typedef struct {
    Host host;
    Place place;
    char id[ID_CHARS + 1];
    int64_t latency, rate; /* samples, and the rate in Hz that they are of; 0: not chosen yet */
    float values[PORTS];
    bool active;
} Insert;

/* NULL if there is no memory. Not for the audio thread, like all but set, offline and run. */
Insert *insert_new(void);
void insert_free(Insert *);

/* Begin a new stream at `rate` Hz. What latency was asked for since the last time holds from here. `block`: what the
   host says that it hands over, `max_block`: at most; 0: it does not say. False: no memory. */
bool insert_activate(Insert *, double rate, int64_t max_block, int64_t block);

/* A port's value, for what is run from here on. */
void insert_set(Insert *, int port, float value);
void insert_offline(Insert *, bool);
void insert_run(Insert *, const float *const in[CHANNELS], float *const out[CHANNELS], int64_t size);
bool insert_engine(const Insert *); /* whether it is there and alive */
int64_t insert_holes(const Insert *);

/* Identity, latency and values as text; a text that is none of ours changes nothing and is false. */
void insert_save(const Insert *, char text[STATE_CHARS]);
bool insert_restore(Insert *, const char *text, bool with_values);

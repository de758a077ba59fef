/* One insert: a playout, the file it owns, its identity and the automated values. Must not know LV2
   or CLAP. */
#pragma once
#include <stddef.h>

#include "playout.h"

typedef struct {
    const char *symbol, *name;
    float low, high, default_value;
    int integer;
    const char *choices; /* separated by |, or empty */
} Port;
extern const Port insert_ports[PORTS];

enum { ID_CHARS = 32, PATH_CHARS = 1024, NAME_CHARS = 64, STATE_CHARS = 96 + 9 * PORTS };

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

/* system_posix.c, system_windows.c: shared memory under the path of a file. On Linux the file is
   the memory; on Windows and macOS it contains the name and the size of the memory. */
typedef struct {
    void *memory; /* mapping; NULL: none */
    size_t size;
    intptr_t file;    /* descriptor or handle; -1: private memory without a file */
    intptr_t mapping; /* handle on Windows */
    char path[PATH_CHARS];
    char name[NAME_CHARS]; /* of the memory; empty on Linux */
} ShmFile;

/* Create the timeline file insert-ID.timeline in the user's runtime directory, locked and zeroed.
   It has a temporary name until shm_publish. Where no file can be created it is private memory.
   Return false without memory. */
void shm_init(ShmFile *);
bool shm_create(ShmFile *, const char *id, size_t size);
void shm_publish(ShmFile *);
void shm_close(ShmFile *);
bool shm_id_in_use(const char *id);
int64_t reserved_latency(int64_t rate); /* samples, from the last plan or server start */
void random_bytes(unsigned char *bytes, size_t count);

typedef struct {
    Playout playout;
    ShmFile file;
    char id[ID_CHARS + 1];
    int64_t latency, rate; /* samples at `rate` Hz; 0: not chosen yet */
    float values[PORTS];
    bool active;
} Insert;

/* Return a new insert, or NULL without memory. The audio thread may call only set, offline, run,
   engine, dropouts. */
Insert *insert_new(void);
void insert_free(Insert *);

/* Start a new stream at `rate` Hz, with the latency that the engine has requested since the last
   activation. `block` is the host's usual block in samples, `max_block` its largest; 0: unknown.
   Return false without memory. */
bool insert_activate(Insert *, double rate, int64_t max_block, int64_t block);

/* Set the value of a port for the following samples. */
void insert_set(Insert *, int port, float value);
void insert_offline(Insert *, bool);
void insert_run(Insert *, const float *const in[CHANNELS], float *const out[CHANNELS], int64_t size);
bool insert_engine(const Insert *); /* true while an engine plays this stream */
int64_t insert_dropouts(const Insert *);

/* Save and restore identity, latency and values as text. An invalid text changes nothing and
   returns false. */
void insert_save(const Insert *, char text[STATE_CHARS]);
bool insert_restore(Insert *, const char *text, bool with_values);

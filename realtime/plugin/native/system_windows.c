/* The system's part of an insert on Windows: shared memory, clock, random bytes, stored latency. The
   rules are those of realtime/system/platform (named_memory.py, owned_file.py, folders.py). */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "insert.h"

BOOLEAN NTAPI SystemFunction036(PVOID, ULONG); /* RtlGenRandom of advapi32 */

static const int64_t DEFAULT_LATENCY = 8192, DEFAULT_RATE = 48000; /* without a stored plan */
enum { WIDE = PATH_CHARS };

int64_t monotonic_ns(void) {
    LARGE_INTEGER ticks, frequency;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&frequency);
    int64_t f = frequency.QuadPart, t = ticks.QuadPart;
    return t / f * INT64_C(1000000000) + t % f * INT64_C(1000000000) / f; /* as time.perf_counter_ns of Python */
}

void nap_ns(int64_t ns) { Sleep(ns < 1000000 ? 1 : (DWORD)(ns / 1000000)); }

void random_bytes(unsigned char *bytes, size_t count) { (void)SystemFunction036(bytes, (ULONG)count); }

/* Put the value of a variable into `value`; return false if it is not set, empty or too long. */
static bool variable(const wchar_t *name, wchar_t value[WIDE]) {
    DWORD length = GetEnvironmentVariableW(name, value, WIDE);
    return length > 0 && length < WIDE - 128;
}

static bool is_directory(const wchar_t *path) {
    DWORD found = GetFileAttributesW(path);
    return found != INVALID_FILE_ATTRIBUTES && (found & FILE_ATTRIBUTE_DIRECTORY);
}

/* Put the runtime directory into `path` and create it, as runtime_path of folders.py. */
static bool directory(wchar_t path[WIDE]) {
    if (variable(L"XDG_RUNTIME_DIR", path) && is_directory(path)) wcscat(path, L"\\verdigris");
    else if (variable(L"LOCALAPPDATA", path)) {
        wcscat(path, L"\\verdigris");
        CreateDirectoryW(path, NULL);
        wcscat(path, L"\\run");
    } else {
        DWORD length = GetTempPathW(WIDE, path);
        if (!length || length > WIDE - 128) return false;
        wcscat(path, L"verdigris");
    }
    CreateDirectoryW(path, NULL);
    return is_directory(path);
}

static bool path_of(const char *id, wchar_t path[WIDE]) {
    wchar_t name[96];
    if (!directory(path)) return false;
    swprintf(name, 96, L"\\insert-%hs.timeline", id);
    wcscat(path, name);
    return true;
}

/* The owner holds its file open without FILE_SHARE_DELETE, so that nobody else can remove it. */
bool shm_id_in_use(const char *id) {
    wchar_t path[WIDE];
    if (!path_of(id, path) || GetFileAttributesW(path) == INVALID_FILE_ATTRIBUTES) return false;
    return !DeleteFileW(path);
}

void shm_init(ShmFile *x) { x->file = -1; }

bool shm_create(ShmFile *x, const char *id, size_t size) {
    wchar_t path[WIDE];
    unsigned char bytes[16] = {0};
    random_bytes(bytes, sizeof bytes);
    int at = snprintf(x->name, NAME_CHARS, "Local\\verdigris-");
    for (size_t i = 0; i < sizeof bytes; i++) at += snprintf(x->name + at, 3, "%02x", bytes[i]);
    x->size = size, x->file = -1, x->path[0] = '\0';
    if (path_of(id, path)) WideCharToMultiByte(CP_UTF8, 0, path, -1, x->path, PATH_CHARS, NULL, NULL);
    HANDLE mapping = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, (DWORD)((uint64_t)size >> 32),
                                        (DWORD)size, x->name);
    x->mapping = (intptr_t)mapping;
    x->memory = mapping ? MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0, size) : NULL;
    if (!x->memory) {
        shm_close(x);
        return false;
    }
    memset(x->memory, 0, size); /* touch every page: a fault in the audio thread takes longer than a block */
    (void)VirtualLock(x->memory, size); /* may be refused */
    return true;
}

/* Create the file that names the memory; without it the memory is private. */
void shm_publish(ShmFile *x) {
    wchar_t path[WIDE];
    char label[NAME_CHARS + 24];
    DWORD written;
    if (!x->path[0] || !MultiByteToWideChar(CP_UTF8, 0, x->path, -1, path, WIDE)) return;
    int length = snprintf(label, sizeof label, "%s %llu\n", x->name, (unsigned long long)x->size);
    DeleteFileW(path); /* a stale one */
    HANDLE file = CreateFileW(path, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, CREATE_NEW,
                              FILE_ATTRIBUTE_NORMAL, NULL);
    if (file == INVALID_HANDLE_VALUE) return;
    if (WriteFile(file, label, (DWORD)length, &written, NULL)) x->file = (intptr_t)file;
    else CloseHandle(file);
}

void shm_close(ShmFile *x) {
    wchar_t path[WIDE];
    if (x->memory) UnmapViewOfFile(x->memory);
    if (x->mapping) CloseHandle((HANDLE)x->mapping);
    if (x->file != -1) {
        CloseHandle((HANDLE)x->file);
        if (MultiByteToWideChar(CP_UTF8, 0, x->path, -1, path, WIDE))
            for (int i = 0; i < 100 && !DeleteFileW(path) && GetLastError() != ERROR_FILE_NOT_FOUND; i++)
                Sleep(2); /* a reader; if it stays, the next one removes the file */
    }
    x->memory = NULL, x->mapping = 0, x->file = -1;
}

int64_t reserved_latency(int64_t rate) {
    wchar_t path[WIDE];
    long long latency = 0, at_rate = 0;
    bool xdg = variable(L"XDG_CONFIG_HOME", path) && (path[0] == L'\\' || path[1] == L':');
    FILE *file = NULL;
    if (xdg || variable(L"APPDATA", path)) {
        wcscat(path, L"\\verdigris\\insert-latency");
        file = _wfopen(path, L"r");
    }
    if (file && (fscanf(file, "%lld %lld", &latency, &at_rate) != 2 || latency < 1 || at_rate < 1)) latency = 0;
    if (file) fclose(file);
    if (!latency) latency = DEFAULT_LATENCY, at_rate = DEFAULT_RATE;
    return (latency * rate + at_rate - 1) / at_rate;
}

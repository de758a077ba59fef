/* Made by realtime/plugin/generate.py from the tables in Python. */
#pragma once

enum {
    F_MAGIC = 0,
    F_VERSION = 1,
    F_SIZE = 2,
    F_CHANNELS = 3,
    F_CAPACITY = 4,
    F_RATE = 5,
    F_LATENCY = 6,
    F_MAX_BLOCK = 7,
    F_FADE = 8,
    F_SLOTS = 9,
    F_STALL_NS = 10,
    F_DRY_END = 16,
    F_STREAM_ID = 32,
    F_OFFLINE = 33,
    F_PLAYED_END = 48,
    F_BLOCKS = 49,
    F_LATE = 50,
    F_STALLED = 51,
    F_DIED = 52,
    F_DROPPED_SAMPLES = 53,
    F_OPEN_DROPOUT = 54,
    F_XRUNS = 55,
    F_MAX_NS = 56,
    F_BLOCK = 57,
    F_STREAM_ACK = 64,
    F_ATTACH_COUNT = 80,
    F_HEARTBEAT_NS = 81,
    F_RUN_START_A = 96,
    F_WET_END_A = 97,
    F_PREV_RUN_START_A = 98,
    F_PREV_RUN_END_A = 99,
    F_HEARTBEAT_A = 100,
    F_RUN_START_B = 112,
    F_WET_END_B = 113,
    F_PREV_RUN_START_B = 114,
    F_PREV_RUN_END_B = 115,
    F_HEARTBEAT_B = 116,
    F_GAIN_DRY = 128,
    F_GAIN_A = 129,
    F_GAIN_B = 130,
    F_DROPOUT_FILL = 131,
    F_EVENT_END = 144,
    F_PARAM = 160,
    F_SERVER_HEARTBEAT_NS = 176,
    F_REQUIRED_LATENCY = 177,
    F_LATE_A = 192,
    F_STALLED_A = 193,
    F_DIED_A = 194,
    F_DROPPED_SAMPLES_A = 195,
    F_FILL_SAMPLES_A = 196,
    F_OPEN_STRETCH_A = 197,
    F_OPEN_START_A = 198,
    F_STRETCH_END_A = 199,
    F_STRETCH_A = 200,
    F_LATE_B = 224,
    F_STALLED_B = 225,
    F_DIED_B = 226,
    F_DROPPED_SAMPLES_B = 227,
    F_FILL_SAMPLES_B = 228,
    F_OPEN_STRETCH_B = 229,
    F_OPEN_START_B = 230,
    F_STRETCH_END_B = 231,
    F_STRETCH_B = 232,
    F_EVENT = 256,
};

enum {
    S_POSITION = 0,
    S_GAIN_DRY = 1,
    S_GAIN_A = 2,
    S_GAIN_B = 3,
    S_WET_CROSSFADE = 4,
    S_RUN_START = 6,
    S_RUN_END = 8,
    S_WAS_PRESENT = 10,
    S_DROPOUT_KIND = 12,
    S_DROPOUT_ATTACH = 13,
    S_STRETCH_KIND = 14,
    S_STRETCH_START = 16,
    S_STRETCH_ATTACH = 18,
    S_SIZE = 24,
};

enum {
    VERSION = 2,
    HEADER_BYTES = 4096,
    TELEMETRY_BYTES = 4096,
    RINGS = 4,
    FADE = 256,
    GAIN_ONE = 1048576,
    EVENTS = 128,
    STRETCHES = 12,
};
#define MAGIC INT64_C(0x5645524449475249)
#define URI "urn:verdigris:insert"

enum {
    P_MONITOR,
    P_GAIN,
    P_WET,
    P_BYPASS,
    P_BEND_FREEZE_ON,
    P_BEND_HOLD_FRAMES,
    P_BEND_MOSH_PROBABILITY,
    P_BEND_SWAP_AMOUNT,
    P_BEND_MASK_PROBABILITY,
    P_BEND_NOISE,
    P_BEND_LEVELS,
    P_BEND_LOSS_TOKEN,
    PORTS = 12
};

/* symbol, name, minimum, maximum, default, integer, choices separated by | */
#define PORT_ROWS \
    {"monitor", "Monitor", 0.0f, 4.0f, 1.0f, 1, "dry|a|b|delta|ghost"}, \
    {"gain", "Gain", -60.0f, 12.0f, 0.0f, 0, ""}, \
    {"wet", "Wet", 0.0f, 1.0f, 1.0f, 0, ""}, \
    {"bypass", "Bypass", 0.0f, 1.0f, 0.0f, 1, ""}, \
    {"bend_freeze_on", "Freeze", 0.0f, 1.0f, 0.0f, 1, ""}, \
    {"bend_hold_frames", "Hold frames", 1.0f, 64.0f, 1.0f, 1, ""}, \
    {"bend_mosh_probability", "Mosh probability", 0.0f, 1.0f, 0.0f, 0, ""}, \
    {"bend_swap_amount", "Swap amount", 0.0f, 1.0f, 0.0f, 0, ""}, \
    {"bend_mask_probability", "Mask probability", 0.0f, 1.0f, 0.0f, 0, ""}, \
    {"bend_noise", "Noise", 0.0f, 4.0f, 0.0f, 0, ""}, \
    {"bend_levels", "Levels", 0.0f, 5.0f, 0.0f, 1, "off|9|7|5|3|2"}, \
    {"bend_loss_token", "Loss token", 0.0f, 1.0f, 0.0f, 0, ""}

/* gains of dry, A and B for each monitor path */
#define MIX_ROWS \
{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {1, -1, 0}, {0, 1, -1}

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
    F_STREAM = 32,
    F_OFFLINE = 33,
    F_PLAYED_END = 48,
    F_BLOCKS = 49,
    F_LATE = 50,
    F_STALLED = 51,
    F_DIED = 52,
    F_MISSED = 53,
    F_HOLE = 54,
    F_XRUNS = 55,
    F_MAX_NS = 56,
    F_BLOCK = 57,
    F_ACK = 64,
    F_ENGINE = 80,
    F_BEAT = 81,
    F_EPOCH_A = 96,
    F_WET_END_A = 97,
    F_BEFORE_A = 98,
    F_CUT_A = 99,
    F_EPOCH_B = 112,
    F_WET_END_B = 113,
    F_BEFORE_B = 114,
    F_CUT_B = 115,
    F_GAIN_DRY = 128,
    F_GAIN_A = 129,
    F_GAIN_B = 130,
    F_FILL = 131,
    F_EVENT_END = 144,
    F_PARAM = 160,
    F_CLAIM = 176,
    F_NEEDED = 177,
    F_EVENT = 256,
};

enum {
    S_POSITION = 0,
    S_GAIN_DRY = 1,
    S_GAIN_A = 2,
    S_GAIN_B = 3,
    S_PRESENCE = 4,
    S_RUN_START = 6,
    S_RUN_END = 8,
    S_WAS_FULL = 10,
    S_HOLE_KIND = 12,
    S_HOLE_ENGINE = 13,
    S_SIZE = 16,
};

enum {
    VERSION = 2,
    HEADER_BYTES = 4096,
    TELEMETRY_BYTES = 4096,
    RINGS = 4,
    FADE = 256,
    GAIN_ONE = 1048576,
    EVENTS = 128,
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

/* symbol, name, lowest, highest, default, whole numbers, choices by name */
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

/* of dry, A and B, by monitor */
#define MIX_ROWS \
{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {1, -1, 0}, {0, 1, -1}

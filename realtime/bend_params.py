"""The rows of the parameter table that belong to bends. Every default is neutral: it changes nothing."""

from __future__ import annotations

from realtime.parameter import Parameter

CHANNELS = 64  # of the vectors: element i is for every value of a latent whose place, counted through, is i modulo 64
MACROS = 8
LEVELS = ("off", "9", "7", "5", "3", "2")
DEEP = 64  # frames that are remembered


def rows(slot: str) -> tuple[Parameter, ...]:
    """Those of one slot."""

    def row(name: str, kind: type, default: object, text: str, low: float, high: float, size: int = 0) -> Parameter:
        value = (default,) * size if size else default
        return Parameter(
            f"{slot}.bend.{name}", kind, value, "frame", text, low, high, size=size, clamp=kind is not bool
        )

    def choice(name: str, text: str, *choices: str) -> Parameter:
        return Parameter(f"{slot}.bend.{name}", str, choices[0], "frame", text, choices=choices)

    def switch(name: str, text: str) -> Parameter:
        return Parameter(f"{slot}.bend.{name}", bool, False, "frame", text)

    return (
        Parameter(f"{slot}.bend.on", bool, True, "frame", "whether bends do anything"),
        row("seed", int, 0, "seed of all that is random in bends", 0, 2**31 - 1),
        switch("freeze.on", "go on with the frame that is playing"),
        choice("freeze.mode", "decoder's noise while frozen: living (new) or dead (the same)", "living", "dead"),
        row("hold.frames", int, 1, "play each frame so many times, and leave out as many", 1, 64),
        row("stutter.frames", int, 0, "loop the latest so many frames; 0 is off", 0, 32),
        row("mosh.probability", float, 0.0, "how often a frame of the past is played on the decoder's present", 0, 1),
        row("mosh.back", int, 8, "how many frames ago that was", 1, DEEP),
        row("swap.amount", float, 0.0, "part of the tokens that come from elsewhere, always the same ones", 0, 1),
        choice("swap.source", "where they come from: the past, or the other slot", "past", "other"),
        row("swap.back", int, 1, "how many frames ago", 1, DEEP),
        row("mask.probability", float, 0.0, "how often a token is replaced", 0, 1),
        row("mask.first", int, 0, "first token that may be", 0, 4095),
        row("mask.last", int, 4095, "last token that may be", 0, 4095),
        choice("mask.fill", "what replaces it", "zero", "previous", "random"),
        row("bias", float, 0.0, "added to the latent, by channel, before its bound", -4, 4, CHANNELS),
        row("scale", float, 1.0, "factor of the latent, by channel, before its bound", 0, 4, CHANNELS),
        row("invert", bool, False, "turn over the latent, by channel", 0, 1, CHANNELS),
        switch("macro.learn", "learn directions from what comes in; they are there once it is off again"),
        row("macro.move", float, 0.0, "along the directions learned, in standard deviations", -4, 4, MACROS),
        row("noise", float, 0.0, "noise on the latent, before its bound", 0, 4),
        row("snapshot.store", int, 0, "a new number here stores the frame that is playing", 0, 2**31 - 1),
        row("snapshot.mix", float, 0.0, "way from the latent that comes in to the stored one", 0, 1),
        choice("levels", "round each latent value to so few levels", *LEVELS),
        row("blend", float, 0.0, "way from the continuous latent to the rounded one; continuous paths only", 0, 1),
        row("loss.token", float, 0.0, "how often a token is lost", 0, 1),
        row("loss.enter", float, 0.0, "how often, of good frames, a burst of lost ones begins", 0, 1),
        row("loss.leave", float, 0.5, "how often, of lost frames, the burst ends", 0.01, 1),
        choice("loss.conceal", "what is played for what is lost", "hold", "zero", "interpolate"),
        row("generations", int, 0, "encode and decode so many times more; each is later by the look-ahead", 0, 4),
        Parameter(f"{slot}.bend.file", str, "", "frame", "a Python file with a bend of your own", local=True),
        row("user.x", float, 0.0, "first number for your own bend", 0, 1),
        row("user.y", float, 0.0, "second number for your own bend", 0, 1),
        row("user.z", float, 0.0, "third number for your own bend", 0, 1),
    )

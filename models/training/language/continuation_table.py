"""`verdigris evaluate --continue`: how like its prompt a continuation is, and what tokens cost.

A row for each clip: a continuation of 5 s after up to 3 s of the clip, and two controls, a repeat
of the prompt and the prompt's tokens in a shuffled order of frames, each position by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.codec import Audio, Codec, CodecError, DecoderControls, Frame, Tokens
from models.language.frame_state import SwiftState
from models.language.language_weights import LanguageWeights, load_language
from models.language.surprise import PlayerFrame, Surprise
from models.load import load, open_continuation
from models.registry import LANGUAGE
from models.swift.codec import Swift
from models.swift.frame_layout import BITS, COARSE, RATE
from models.training.language.copied_frames import longest_in_training, longest_match

PROMPT_S, CONTINUED_S = 3.0, 5.0
WINDOW, PITCHES = 8192, (55.0, 2000.0)  # samples; Hz, of the key profile
FAINT = 1e-12


def loudness(audio: Audio) -> float:
    """Return the mean power in dB."""
    return float(10 * np.log10(np.mean(np.square(audio, dtype=np.float64)) + FAINT))


def key_profile(audio: Audio) -> np.ndarray:
    """Return the mean magnitude of each pitch class from PITCHES, [12], of a sound at 48 kHz."""
    mono = audio.sum(0)
    mono = np.pad(mono, (0, max(0, WINDOW - len(mono))))
    frames = np.lib.stride_tricks.sliding_window_view(mono, WINDOW)[:: WINDOW // 2]
    magnitudes = np.abs(np.fft.rfft(frames * np.hanning(WINDOW))).mean(0)
    hertz = np.fft.rfftfreq(WINDOW, 1 / RATE)
    inside = (hertz >= PITCHES[0]) & (hertz <= PITCHES[1])
    classes = np.round(12 * np.log2(hertz[inside] / 440)).astype(int) % 12
    return np.bincount(classes, magnitudes[inside], minlength=12)


def likeness(prompt: Audio, other: Audio) -> tuple[float, float]:
    """Return the difference of loudness in dB, and the correlation of key profiles."""
    profiles = key_profile(prompt), key_profile(other)
    return loudness(other) - loudness(prompt), float(np.corrcoef(*profiles)[0, 1])


@dataclass(frozen=True)
class ContinuedClip:
    """A prompt, what follows it, and the controls: [2, n], decoded; and tokens [frames, tokens] of the first two."""

    prompt: Audio
    continuation: Audio
    repeated: Audio
    shuffled: Audio
    prompt_tokens: Tokens
    continuation_tokens: Tokens


def continued(codec: Swift, clip: Audio, seed: int = 0) -> ContinuedClip:
    """Return a continuation of a clip."""
    hop, rate = codec.spec.hop, codec.spec.frame_rate
    encoder, count = codec.open_encoder(), min(round(PROMPT_S * rate), clip.shape[1] // codec.spec.hop)
    chunks = np.split(np.ascontiguousarray(clip[:, : count * hop]), count, axis=1)
    frames = [encoder.encode(np.ascontiguousarray(chunk)) for chunk in chunks]
    more = round(CONTINUED_S * rate)
    continuation = open_continuation(codec)
    if continuation is None:
        raise CodecError(f"{codec.spec.name} has no language model. Pass --codec swift.")
    continuation.set("seed", seed)
    played: list[Tokens] = []
    for number in range(count + more):
        continuation.set("on", float(number >= count))
        played.append(continuation.frame(frames[min(number, count - 1)]).tokens)
        continuation.played(played[-1])
    rows = np.array(played[:count])
    mixed = np.random.default_rng(seed).permuted(rows, axis=0)
    sound = _decoded(codec, played)
    prompt = sound[:, : count * hop]
    repeated, shuffled = _decoded(codec, [*rows, *rows])[:, count * hop :], _decoded(codec, mixed)
    return ContinuedClip(prompt, sound[:, count * hop :], repeated, shuffled, rows, np.array(played[count:]))


def _decoded(codec: Codec, rows: Iterable[Tokens]) -> Audio:
    decoder = codec.open_decoder("discrete")
    frames = [Frame(number, row, None, 0.0) for number, row in enumerate(rows)]
    return np.concatenate([decoder.decode(frame, DecoderControls()) for frame in frames], axis=1)


def token_bits(codec: Swift, language: LanguageWeights, clip: Audio) -> dict[str, float]:
    """Return bits a token of a clip, without repeated frames: under the model and under the unigram."""
    books, encoder, hop = codec.weights, codec.open_encoder(), codec.spec.hop
    surprise, state = Surprise(codec, language), SwiftState(books, codec.spec.tokens)
    counts = books.frequencies[: 1 + COARSE] + 0.5
    unigram = -np.log2(counts / counts.sum(1, keepdims=True))
    found = []
    for chunk in np.split(clip[:, : clip.shape[1] // hop * hop], clip.shape[1] // hop, axis=1):
        tokens = encoder.encode(np.ascontiguousarray(chunk)).tokens
        frame = PlayerFrame.after(state, tokens)
        bits = surprise.take(frame)
        if not frame.repeated:  # those cost next to nothing under any model
            plain = sum(float(unigram[place, tokens[place]]) for place in range(1, 1 + COARSE))
            shapes = bits.shapes / bits.count, bits.shapes_unigram / bits.count
            found.append([bits.attack, bits.energies / COARSE, plain / COARSE, *shapes])
    means = np.mean(found, axis=0)
    return dict(
        zip(("attack", "energies", "energies_unigram", "shapes", "shapes_unigram"), map(float, means), strict=True)
    )


def print_table(
    clips: Mapping[str, Audio], name: str, path: Path = LANGUAGE, trained_on: list[Path] | None = None
) -> None:
    """Print the tables for clips at 48 kHz, with a codec of the family swift.

    `trained_on` are folders of the training tokens, in which copies are looked for.
    """
    codec = load(name)
    if not isinstance(codec, Swift):
        raise CodecError(f"{name} has no language model. Pass --codec swift.")
    language = load_language(path)
    print(
        "| clip | dB | key | dB, repeat | key, repeat | dB, shuffled | key, shuffled |\n|---|--:|--:|--:|--:|--:|--:|"
    )
    rows, copies = [], []
    for clip, audio in clips.items():
        made = continued(codec, audio)
        others = made.continuation, made.repeated, made.shuffled
        rows.append([value for other in others for value in likeness(made.prompt, other)])
        generated = made.continuation_tokens
        of_training = str(longest_in_training(generated, trained_on)) if trained_on else "-"
        copies.append(f"| {clip} | {longest_match(generated, made.prompt_tokens)} | {of_training} |")
        print(f"| {clip} | " + " | ".join(f"{value:.2f}" for value in rows[-1]) + " |", flush=True)
    means = np.abs(np.array(rows)).mean(0)
    print("| mean of absolutes | " + " | ".join(f"{value:.2f}" for value in means) + " |\n")
    print("| clip | frames copied from the prompt | from training |\n|---|--:|--:|")
    print("\n".join(copies) + "\n")
    bits = [token_bits(codec, language, audio) for audio in clips.values()]
    mean = {key: float(np.mean([row[key] for row in bits])) for key in bits[0]}
    print(
        f"bits a token, uniform {BITS}: attack {mean['attack']:.2f}, energies {mean['energies']:.2f} (unigram "
        f"{mean['energies_unigram']:.2f}), shapes {mean['shapes']:.2f} (unigram {mean['shapes_unigram']:.2f})"
    )

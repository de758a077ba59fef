"""swift, the bundled codec: 48 kHz stereo, frames of 1280 samples (26.7 ms), 3 to 24 kbit/s, made
without training.

    chunk -> gain control -> MDCT of mid and side -> band energies -> shapes of blocks, in an order by energy -> tokens

Every token is a residual codebook for those who control it: any number of first tokens can be
decoded, and each can be muted or soloed. The state of a decoder follows from the tokens that are
sent; muting changes only what is heard. No torch here. Each object belongs to one thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from models.codec import Audio, CodecError, Decoder, DecoderControls, Encoder, Frame, Tokens, audible_books
from models.swift import energies, mdct, slot_change, treble_levels
from models.swift.allocation import order
from models.swift.analysis import FLAT, LOUDEST, Analyser, mid_side
from models.swift.frame_layout import (
    BINS,
    BITS,
    CHANGE,
    COARSE,
    DEFAULT_TOKENS,
    ENTRIES,
    HOP,
    MIN_TOKENS,
    SPLIT,
    TOKENS,
    TREBLE,
    Array,
    fine_positions,
    shape_positions,
)
from models.swift.gain_control import SLOTS, curve_of, gains_of, linear
from models.swift.noise_fill import filled, limited
from models.swift.slot_change import SlotChange
from models.swift.token_model import SwiftTokenModel
from models.swift.weights import CONTEXTS, SwiftWeights, config_hash, kbps_of, load, spec_of

BITRATES = {kbps_of(tokens): tokens for tokens in range(MIN_TOKENS, TOKENS + 1)}  # kbit/s as typed -> tokens


class Swift:
    """Books, shared by all the encoders and decoders it opens; `tokens` of the 64 of a frame are
    sent.
    """

    def __init__(self, weights: SwiftWeights, name: str = "swift", tokens: int = DEFAULT_TOKENS) -> None:
        self.weights = weights
        self.spec = spec_of(name, tokens)
        self.config_hash = config_hash(weights.digest, name, tokens)

    def open_encoder(self) -> Encoder:
        return SwiftEncoder(self)

    def open_decoder(self, path: str) -> Decoder:
        self.spec.check_path(path)
        return SwiftDecoder(self)

    def decode_batch(self, work: Sequence[tuple[Decoder, Frame, DecoderControls]]) -> list[Audio]:
        return [decoder.decode(frame, controls) for decoder, frame, controls in work]

    def tokens_by_book(self, streams: Sequence[np.ndarray], least: int = 16 * ENTRIES) -> list[np.ndarray]:
        """Return the tokens of every book that has at least so many in streams [frames, tokens].

        Attack, change and treble are left out: most of their values are never needed.
        """
        books = []
        for frames in streams:
            model = self.new_token_model()
            books += [model.books_of(frame) for frame in frames.tolist()]
        found, tokens = np.array(books), np.concatenate(streams)
        every = (tokens[found == book] for book in range(1, CONTEXTS))
        return [of_book for of_book in every if len(of_book) >= least]

    def new_token_model(self) -> SwiftTokenModel:
        """Return the model of an entropy coder for a new stream of tokens."""
        return SwiftTokenModel(self.weights, self.spec.tokens)


class SwiftEncoder:
    """All the state of one running encode."""

    def __init__(self, codec: Swift) -> None:
        self._codec = codec
        self._tokens = codec.spec.tokens
        self._shapes = shape_positions(self._tokens)
        self._fine = fine_positions(self._tokens)
        self.reset()

    def reset(self) -> None:
        self.analyser = Analyser()
        self.energies = self._codec.weights.energies.mean
        self._before: Tokens | None = None
        self._index = 0
        self._mirror = SwiftDecoder(self._codec) if self._tokens > CHANGE else None

    def encode(self, chunk: Audio) -> Frame:
        """Encode one hop, float32 [2, 1280]. NaN counts as 0, and louder samples than ±4 as ±4."""
        self._codec.spec.check_chunk(chunk)
        weights = self._codec.weights
        analysed = self.analyser.step(chunk)
        measured = energies.measure(analysed.coefficients)
        tokens = np.empty(self._tokens, np.int32)
        tokens[0] = analysed.attack
        found = weights.energies.encode(self.energies, measured, len(self._fine))
        tokens[1 : 1 + COARSE] = found[:COARSE]
        tokens[self._fine] = found[COARSE:]
        decoded = weights.energies.decode(self.energies, found[:COARSE])
        scale = energies.amplitudes(decoded)
        shapes = np.divide(analysed.coefficients, scale, out=np.zeros_like(scale), where=scale > 0)
        pairs = order(weights.priorities, decoded)[: len(self._shapes)]
        tokens[self._shapes] = weights.shapes.quantise(shapes, pairs)
        if self._tokens > TREBLE:
            finer = weights.energies.refine(decoded, found[COARSE:])
            tokens[TREBLE] = treble_levels.choose(finer, analysed.above)
        if self._mirror is not None:
            tokens[CHANGE] = self._mirror.missing_change(tokens, analysed.high)
        if repeats(tokens, self._before):
            self.analyser.hold()
        else:
            self.energies = decoded
        self._before = tokens
        self._index += 1
        return Frame(self._index - 1, tokens.copy(), None, BITS * self._tokens)


class SwiftDecoder:
    """All the state of one running decode."""

    def __init__(self, codec: Swift) -> None:
        self._codec = codec
        self._shapes = shape_positions(codec.spec.tokens)
        self._fine = fine_positions(codec.spec.tokens)
        self.reset()

    def reset(self) -> None:
        self.energies = self._predicted = self._codec.weights.energies.mean
        self.curve, self._audible_gain = FLAT, 0.0  # dB: of the slots of the last frame, and what was heard at its end
        self._gains: Array | None = None  # of the hop that the next frame completes
        self._low, self._high = np.zeros((2, HOP), np.float32), np.zeros((2, HOP), np.float32)  # its first halves
        self._before: Tokens | None = None
        self._changed = 0.0  # dB: change of level at the end of the last hop
        self._count = 0

    def decode(self, frame: Frame, controls: DecoderControls) -> Audio:
        """Decode one frame to float32 [2, 1280]. CodecError if the tokens are not of this codec."""
        spec = self._codec.spec
        spec.check_tokens(frame)
        audible = audible_books(controls, spec.books)
        sent = min(controls.books or spec.books, spec.books)
        low, high = self._parts(frame.tokens, sent, audible)
        change = int(frame.tokens[CHANGE]) if sent > CHANGE and audible[CHANGE] else slot_change.NONE
        return mid_side(low + self._change(high, change)).clip(-LOUDEST, LOUDEST)

    def missing_change(self, tokens: Tokens, high: Array) -> int:
        """Decode a frame and return the change token that brings it nearest to the part `high` above 600 Hz."""
        decoded = self._parts(tokens, len(tokens), [True] * len(tokens))[1]
        return slot_change.choose(slot_change.slot_levels(high), slot_change.slot_levels(decoded))

    def _parts(self, tokens: Tokens, sent: int, audible: list[bool]) -> tuple[Array, Array]:
        """Return the low and the high part, mid and side, of the hop that a frame completes."""
        held = repeats(tokens, self._before)
        self._before = tokens.copy()
        coefficients = limited(self._coefficients(tokens[:sent], audible, held))
        gains = self._next_gains(int(tokens[0]), audible[0], held)
        self._count += 1
        return self._synthesise(coefficients, gains)

    def _change(self, high: Array, token: int) -> Array:
        """Return the high part with the change of a token."""
        curve, before = SlotChange.of(token).curve, self._changed
        self._changed = curve[-1]
        return limited(high * linear(curve, before)) if before or any(curve) else high

    def _coefficients(self, tokens: Tokens, audible: list[bool], held: bool) -> Array:
        """Return the coefficients [2, HOP] of the tokens that are sent."""
        books, sent = self._codec.weights.energies, len(tokens)
        coarse = tokens[1 : 1 + COARSE]
        if not held:
            self._predicted = self.energies
            self.energies = books.decode(self._predicted, coarse)
        audible_energies = books.decode(self._predicted, coarse, audible[1 : 1 + COARSE])
        if held and all(audible[1 : 1 + COARSE]):
            audible_energies = self.energies
        pairs = order(self._codec.weights.priorities, self.energies).tolist()
        chosen = [
            (pair, int(tokens[place]))
            for pair, place in zip(pairs, self._shapes, strict=False)
            if place < sent and audible[place]
        ]
        shapes, coded = self._codec.weights.shapes.decode(chosen, BINS)
        fine = [place for place in self._fine if place < sent]
        finer = books.refine(audible_energies, tokens[fine], [audible[place] for place in fine])
        has_treble = sent > TREBLE and audible[TREBLE]
        treble = treble_levels.amplitudes(int(tokens[TREBLE]), finer) if has_treble else None
        return filled(shapes * energies.amplitudes(audible_energies), coded, finer, treble, self._count)

    def _next_gains(self, attack: int, audible: bool, held: bool) -> Array | None:
        """Return the gain of the hop that the frame completes, and keep that of its own hop."""
        now = self._gains
        if not held:
            self.curve = curve_of(attack, self.curve[-1])
        curve = self.curve if audible else [0.0] * SLOTS
        self._gains, self._audible_gain = gains_of(curve, self._audible_gain), curve[-1]
        return now

    def _synthesise(self, coefficients: Array, gains: Array | None) -> tuple[Array, Array]:
        """Return the low and the high part of the hop that a frame completes."""
        split = np.zeros((2, 2, HOP), np.float32)  # low and high part
        split[0, :, :SPLIT], split[1, :, SPLIT:] = coefficients[:, :SPLIT], coefficients[:, SPLIT:]
        first, second = mdct.inverse(split)
        high = self._high + first[1]
        low, high = self._low + first[0], high if gains is None else limited(high * gains)
        self._low, self._high = second[0], second[1]
        return low, high


def repeats(tokens: Tokens, before: Tokens | None) -> bool:
    """Return whether a frame repeats the one before; its energies and its gain are then those of
    that one.

    Predicted energies would otherwise grow to four times the jump when a frame is frozen, and
    gains with every attack. The first MIN_TOKENS tokens decide: they are the same in all the
    variants.
    """
    return before is not None and np.array_equal(tokens[:MIN_TOKENS], before[:MIN_TOKENS])


def load_swift(rest: str, path: Path) -> Swift:
    """Return the codec of a file of weights; `rest` is its bitrate in kbit/s as typed, 3 to 24
    (empty: 12).
    """
    tokens = tokens_at(rest)
    return Swift(load(path), f"swift:{rest}" if rest else "swift", tokens)


def tokens_at(kbps: str) -> int:
    """Return the number of tokens of a bitrate as typed; CodecError says what is offered."""
    if kbps and kbps not in BITRATES:
        raise CodecError(
            f"{kbps} kbit/s not offered by swift (3 to 24 in steps of 0.375, {MIN_TOKENS} to {TOKENS} tokens a "
            "frame). Pass such as swift:3, swift:6, swift:12 or swift:24."
        )
    return BITRATES[kbps] if kbps else DEFAULT_TOKENS


def names(digest: str) -> Iterator[tuple[str, bytes]]:
    """Yield each name of this family and the hash on its tapes, for books of this digest."""
    for name, tokens in [("swift", DEFAULT_TOKENS), *((f"swift:{kbps}", count) for kbps, count in BITRATES.items())]:
        yield name, config_hash(digest, name, tokens)

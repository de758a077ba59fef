"""Continuation: frames of swift that go on from what was heard, in place of those of the encoder.

The next frame is one of those heard, drawn with the probability that the model gives to each of
them after the frames played last:

    log p = what the network expects of energies and attack + what steady tones would do to the shapes
            - distance of its context from the context played + a bonus for the frame that came next

Copying keeps the texture, the pitch and the phases that tokens drawn one by one would not have. A
frame is coded again for a decoder in another state (`frame_state.py`), so that its sound is continuous
at each jump, and when the encoder's own frames return.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.codec import Frame, Tokens
from models.language.frame_model import FrameModel
from models.language.frame_state import FrameContent, SwiftState
from models.language.heard_frames import QUIETEST, HeardFrames
from models.language.language_weights import LanguageWeights
from models.language.surprise import PlayerFrame
from models.language.tonal_prediction import TonalPrediction, normalised_shapes
from models.swift.codec import Swift
from models.swift.frame_layout import BANDS, Array

LEAST_LEFT = 12  # frames after the target of a jump, so that the next jump is not at once
STAY = 5.0  # bonus in nats of the frame that came next
NETWORK, TONAL, CONTEXT, LEVEL = 0.2, 4.0, 6.0, 0.02  # weights of the parts of a score
FOLLOWED = 0.9  # of a loudness that is followed, a frame later
SPECTRUM = 4.0  # weight of the distance from the player's spectrum, at full guide
REMEMBERED = 0.98  # of the loudness that is held to the prompt's
MOST_GUIDED = 24.0  # dB
COLDEST = 1e-3
PRIMED = 8  # frames that the model is given before it begins: more would take longer than a frame may
MOST_SECONDS = 12.0  # that are remembered
MOST_LOOPED_S = 30.0


@dataclass(frozen=True)
class ContinueSettings:
    """Settings of a continuation, as its parameters."""

    on: float = 0.0  # 0: listen, 1: continue, between: the probability of each frame
    temperature: float = 1.0
    top_p: float = 0.95
    prompt: float = 3.0  # seconds that it goes on from
    guide: float = 0.0  # 0: its own loudness and frames, 1: the player's loudness, and frames like those heard now
    loop_after: float = 0.0  # seconds that it generates; it repeats them from then on; 0: never
    seed: int = 0


class Continuation:
    """State of one slot's continuation. One thread.

    Each frame: `frame` returns the frame to decode, and `played` takes the tokens that were decoded.
    """

    def __init__(self, codec: Swift, language: LanguageWeights) -> None:
        weights, tokens = codec.weights, codec.spec.tokens
        self.settings = ContinueSettings()
        self.replaced = False  # whether the last frame was generated
        self.heard: PlayerFrame | None = None  # the encoder's last frame
        self._rate = codec.spec.frame_rate
        self._heard, self._played = SwiftState(weights, tokens), SwiftState(weights, tokens)
        self._memory = HeardFrames(round(MOST_SECONDS * self._rate))
        self._model = FrameModel(language, weights.energies)
        self._prediction = TonalPrediction(weights)
        self._tonal = language.tensors["tonal"][:, 0]
        self._weights = weights
        self.reset()

    def reset(self) -> None:
        """Forget all frames; keep the settings."""
        for part in (self._heard, self._played, self._memory, self._model, self._prediction):
            part.reset()
        self.heard = None
        self._awake = False  # whether the model follows what is played
        self._last = -1  # number of the heard frame that was played last
        self._count = 0  # frames since the continuation began; the seed's counter
        self._player = self._voice = self._level = 0.0  # followed loudness in dB: heard, copied, copied for longer
        self._spectrum = np.zeros(2 * BANDS, np.float32)  # followed energies of the player, units
        self._generated: list[tuple[int, FrameContent, float]] = []  # number in memory, frame, loudness in dB
        self._looped = 0  # frames since the loop began
        self._passed: tuple[Tokens, FrameContent, Array] | None = None  # a frame of the encoder that is passed on

    def set(self, name: str, value: object) -> None:
        """Change one setting; the value has been checked."""
        self.settings = replace(self.settings, **{name: value})  # type: ignore[arg-type]

    def frame(self, given: Frame) -> Frame:
        """Return the encoder's frame, or one that goes on in its place.

        A frame of the encoder that a decoder in another state would misread is coded again for
        that state. Frames that mean the same to both are returned as they are.
        """
        same = self._heard.agrees(self._played, given.tokens)
        heard = PlayerFrame.after(self._heard, given.tokens)
        content = heard.content
        shape, loudness = normalised_shapes(self._weights, content), content.loudness
        self.heard = replace(heard, shape=shape)
        on = self.settings.on
        self._wake(on > 0)
        if on < 1 or len(self._memory) <= LEAST_LEFT:  # one that is on from the start listens first
            self._memory.append(content, shape, loudness)
        self._player = FOLLOWED * self._player + (1 - FOLLOWED) * loudness
        self._spectrum += np.float32(1 - FOLLOWED) * (content.energies - self._spectrum)
        if not on:
            self._generated.clear()
            self._looped = 0
        self._count = self._count + 1 if on > 0 else 0
        self.replaced = on > 0 and len(self._memory) > LEAST_LEFT and self._uniform(0) < on
        if self.replaced:
            chosen = self._chosen()
            return replace(given, tokens=self._played.tokens_for(chosen, self._louder()))
        self._last, self._voice, self._level = self._memory.total - 1, self._player, loudness
        if same:
            self._passed = given.tokens, content, shape
            return given
        return replace(given, tokens=self._played.tokens_for(content))

    def played(self, tokens: Tokens) -> None:
        """Take the frame that was decoded, after its bends."""
        passed, self._passed = self._passed, None
        if passed is not None and np.array_equal(passed[0], tokens):
            _, content, shape = passed
            self._played.become(self._heard)
        else:
            content = self._played.take(tokens)
            shape = normalised_shapes(self._weights, content)
        self._memory.follow(content)
        if self._awake:
            self._model.take(content)
            self._prediction.take(content, shape)

    def _wake(self, awake: bool) -> None:
        """Start the model before a continuation, with the frames heard last; it rests otherwise."""
        if awake and not self._awake:
            self._model.reset()
            self._prediction.reset()
            for age in range(min(PRIMED, len(self._memory)), 0, -1):
                content = self._memory.content(self._memory.total - age)
                self._model.take(content)
                if age <= 3:
                    self._prediction.take(content)
        self._awake = awake

    def _uniform(self, stream: int) -> float:
        """Return a random number of this frame: the same for the same seed and count."""
        return float(np.random.default_rng((self.settings.seed, self._count, stream)).random())

    def _chosen(self) -> FrameContent:
        """Return the next frame: one of the loop, or a new one."""
        count = round(self.settings.loop_after * self._rate)
        if 0 < count <= len(self._generated):
            found = self._generated[self._looped % count]
            self._looped += 1
        else:
            found = self._next()
            self._looped = 0
            if len(self._generated) < MOST_LOOPED_S * self._rate:
                self._generated.append(found)
        self._last, content, loudness = found
        self._voice = FOLLOWED * self._voice + (1 - FOLLOWED) * loudness
        self._level = REMEMBERED * self._level + (1 - REMEMBERED) * loudness
        return content

    def _next(self) -> tuple[int, FrameContent, float]:
        """Choose one of the heard frames: return its number, itself and its loudness in dB."""
        settings, memory = self.settings, self._memory
        count = min(len(memory), max(round(settings.prompt * self._rate), LEAST_LEFT + 1))
        loudness, mean = memory.levels(count)
        scores = NETWORK * self._model.score(memory.energies(count), memory.attacks(count))
        scores += TONAL * memory.coherences(count, self._prediction, self._tonal)
        scores -= CONTEXT * memory.context_distances(count)
        scores -= LEVEL * (self._level - mean) * (loudness - mean)
        if settings.guide:
            audible = np.clip(1 - (mean - self._player) / QUIETEST, 0, 1)  # silence has no spectrum to follow
            scores -= settings.guide * SPECTRUM * audible * memory.spectral_distances(count, self._spectrum)
        first = memory.total - count
        following = self._last + 1 - first
        left = np.arange(count) < count - LEAST_LEFT
        if 0 <= following < count:
            scores[following] += STAY
            left[following] = True
        place = drawn(np.where(left, scores, -np.inf), settings.temperature, settings.top_p, self._uniform(1))
        return first + place, memory.content(first + place), float(loudness[place])

    def _louder(self) -> float:
        """Return the dB by which a frame is made louder, towards the player."""
        return float(np.clip(self.settings.guide * (self._player - self._voice), -MOST_GUIDED, MOST_GUIDED))


def drawn(scores: Array, temperature: float, top_p: float, uniform: float) -> int:
    """Return a place drawn from log scores: of the most probable ones that together have `top_p`."""
    logits = (scores - scores.max()) / max(temperature, COLDEST)
    weights = np.exp(logits)
    order = np.argsort(-weights, kind="stable")
    summed = np.cumsum(weights[order] / weights.sum())
    kept = min(int(np.searchsorted(summed, top_p)) + 1, len(order))
    return int(order[min(int(np.searchsorted(summed[:kept], uniform * summed[kept - 1], side="right")), kept - 1)])

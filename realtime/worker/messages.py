"""Messages between engine and worker: commands, replies and the events of a running stream.

    worker → engine   CodecsReady once the codecs are warm, or LoadFailed · Stopped when detached
    engine → worker   LoadCodecs · AttachTimeline once · ApplyChanges · SelectFrameEvents · Stop

Events travel in a second pipe while the worker runs (event_sender.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.codec import CodecSpec
from realtime.effects.effect import EMPTY, EffectInfo, Racks
from realtime.worker.latency_budget import LatencyRequirement


class Slot(IntEnum):
    """Target of a parameter: slot A or B, the effects before all codecs, or all slots."""

    A = 0
    B = 1
    PRE = 2
    GLOBAL = 3


# commands


@dataclass(frozen=True)
class LoadCodecs:
    """Codecs and effects to load, and their parameters.

    Each slot is (number, codec, path); a path of None selects the codec's first path for slot A and
    its last for slot B. `rate` in Hz. `controls` holds the values that were set, by target and
    name.
    """

    slots: tuple[tuple[int, str, str | None], ...]
    rate: int
    channels: int = 2
    controls: dict[Slot, dict[str, Any]] = field(default_factory=dict)
    precision: str = "float32"
    racks: Racks = EMPTY


@dataclass(frozen=True)
class AttachTimeline:
    """Timeline to run; `attach_count` numbers its workers, this one included."""

    path: Path
    attach_count: int


@dataclass(frozen=True)
class ParameterChange:
    """Parameter value on its way to a slot.

    It takes effect at the frame that contains input sample `at`, or at the next frame if that is
    None. A ChangeApplied event with the same ticket confirms it, unless the ticket is 0.
    """

    slot: int
    name: str  # without the slot: steps, bend.mask.probability
    value: object
    at: int | None = None
    ticket: int = 0


@dataclass(frozen=True)
class ApplyChanges:
    """Parameter changes, in order."""

    changes: tuple[ParameterChange, ...]


@dataclass(frozen=True)
class SelectFrameEvents:
    """Contents of the FrameEncoded events: some of clock, tokens, latents. Empty: no events.

    With surprise, there are SurpriseMeasured events, too.
    """

    groups: frozenset[str]


@dataclass(frozen=True)
class Stop:
    """Detach from the timeline and end."""


# replies


@dataclass(frozen=True)
class SlotInfo:
    """Codec and path that a slot plays."""

    slot: int
    codec: str
    path: str
    spec: CodecSpec
    config_hash: bytes  # as stored in tapes


@dataclass(frozen=True)
class CodecsReady:
    """Result of loading: the latency requirements and what each slot plays."""

    needs: tuple[LatencyRequirement, ...]
    playing: tuple[SlotInfo, ...]
    load: float  # × real time of a typical frame of the warm-up, of the busiest lane
    remarks: tuple[str, ...] = ()  # for the user, such as where networks compute
    effects: tuple[EffectInfo, ...] = ()


@dataclass(frozen=True)
class LoadFailed:
    """Codecs or effects could not be loaded; `message` is for the user.

    `offer` is a command that would help, such as `verdigris trust FILE`; empty if there is none.
    """

    message: str
    offer: str = ""


@dataclass(frozen=True)
class Stopped:
    """The worker has detached from the timeline."""


# events


@dataclass(frozen=True)
class MessagesConsumed:
    """Number of messages that the worker has read since it attached."""

    total: int


@dataclass(frozen=True)
class ChangeApplied:
    """A parameter change took effect at a frame of its slot.

    The frame becomes audible when the host takes input sample `audible`. The worker's `name` is
    that of the change; the engine replaces it by the parameter's full name for its listeners.
    """

    ticket: int
    name: str
    slot: int
    frame: int
    audible: int


@dataclass(frozen=True)
class SlotStarted:
    """A slot's codec joined a running stream; `frame` is its first audible frame."""

    slot: int
    frame: int
    audible: int


@dataclass(frozen=True)
class FrameEncoded:
    """Frame of a slot after its bends.

    Tokens and latent only where SelectFrameEvents names them.
    """

    slot: int
    frame: int
    audible: int
    seconds: float  # duration
    bits: float
    tokens: npt.NDArray[np.int32] | None = None
    latent: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True)
class SurpriseMeasured:
    """Bits of a token of the player's own frame, before its bends, under the language model."""

    slot: int
    frame: int
    audible: int
    bits: float


@dataclass(frozen=True)
class SlotWarning:
    """Error in a slot that did not stop the stream, reported once.

    `failed` is the number (from 1) of the effect that was bypassed because of it, or 0.
    """

    slot: int
    message: str
    failed: int = 0


@dataclass(frozen=True)
class LaneFailed:
    """A lane ended with an error; its slots have no more output from this worker."""

    slots: tuple[int, ...]
    reason: str


@dataclass(frozen=True)
class CodecLoaded:
    """Answer to a codec swap: the codec plays now, or `reason` gives the cause of the failure.

    If the cause is the latency, `needed` is the one to restart with. `offer` is that of LoadFailed.
    """

    slot: int
    codec: str
    ticket: int
    reason: str = ""
    needed: int = 0  # samples
    offer: str = ""


@dataclass(frozen=True)
class EffectsChanged:
    """Answer to a change of the racks: the new effects play, or `reason` gives the cause of the failure.

    If the cause is the latency, `needed` is the one to restart with, and `racks` what was asked for.
    `offer` is that of LoadFailed.
    """

    racks: Racks
    reason: str = ""
    needed: int = 0  # samples
    offer: str = ""

"""`check_codec` passes correct codecs and names each planted fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.codec import Audio, Codec, CodecSpec, Decoder, DecoderControls, Encoder, Frame, Tokens
from models.pcm import Pcm, PcmDecoder, PcmEncoder
from tests.support.contract import check_codec

HOP, LOOKAHEAD = 64, 100


def same(audio: Audio, path: str) -> Audio:
    return audio


@settings(max_examples=25)
@given(hop=st.integers(1, 300), lookahead=st.integers(0, 700), channels=st.integers(1, 3))
def test_pcm_keeps_the_contract_at_any_hop_and_lookahead(hop: int, lookahead: int, channels: int) -> None:
    check_codec(Pcm(hop=hop, lookahead=lookahead, channels=channels), hops=-(-512 // hop), offline=same)


def test_a_codec_with_tokens_and_two_paths_keeps_the_contract() -> None:
    def rounded(audio: Audio, path: str) -> Audio:
        return audio if path == "continuous" else Steps.sample(Steps.token(audio))

    check_codec(Steps(), offline=rounded)


class Steps:
    """Mono codec: a sample is a latent column, and a token of 16 equal steps from -1 to 1."""

    spec = CodecSpec("steps", 48_000, 1, HOP, 0, HOP, 16, (1, HOP), ("continuous", "discrete"), True)

    def __init__(self, encoder: type[StepsEncoder] | None = None) -> None:
        self.encoder = encoder or StepsEncoder

    @staticmethod
    def token(audio: Audio) -> Tokens:
        tokens: Tokens = np.rint((audio + 1) * 7.5).astype(np.int32)
        return tokens

    @staticmethod
    def sample(tokens: Tokens) -> Audio:
        return (tokens / 7.5 - 1).astype(np.float32)

    def open_encoder(self) -> Encoder:
        return self.encoder()

    def open_decoder(self, path: str) -> Decoder:
        self.spec.check_path(path)
        return StepsDecoder(path)

    def decode_batch(self, work: Sequence[tuple[Decoder, Frame, DecoderControls]]) -> list[Audio]:
        return [decoder.decode(frame, controls) for decoder, frame, controls in work]


class StepsEncoder:
    def __init__(self) -> None:
        self.reset()

    def encode(self, chunk: Audio) -> Frame:
        self.index += 1
        return Frame(self.index - 1, Steps.token(chunk[0]), chunk.copy(), bits=4 * HOP)

    def reset(self) -> None:
        self.index = 0


class StepsDecoder:
    def __init__(self, path: str) -> None:
        self.path = path

    def decode(self, frame: Frame, controls: DecoderControls) -> Audio:
        assert frame.latent is not None
        return frame.latent if self.path == "continuous" else Steps.sample(frame.tokens)[np.newaxis]

    def reset(self) -> None:
        pass


# Faults, each in an otherwise correct encoder, decoder or codec.


class KeepsIndex(PcmEncoder):
    def reset(self) -> None:
        pass


class KeepsSound(PcmEncoder):
    """Encoder that is one hop late; reset() does not clear that hop."""

    last = np.zeros((2, HOP), np.float32)

    def encode(self, chunk: Audio) -> Frame:
        late, self.last = self.last, chunk.copy()
        return super().encode(late)


class SkipsIndex(PcmEncoder):
    def encode(self, chunk: Audio) -> Frame:
        frame = super().encode(chunk)
        self.index += 1
        return frame


class SharesIndex(PcmEncoder):
    count: ClassVar = [0]

    def encode(self, chunk: Audio) -> Frame:
        self.count[0] += 1
        return replace(super().encode(chunk), index=self.count[0] - 1)

    def reset(self) -> None:
        self.count[0] = 0


class SharesSound(PcmEncoder):
    """Smoother with memory shared by all encoders; reset() and opening clear it."""

    memory = np.zeros((2, 1), np.float32)

    def __init__(self, spec: CodecSpec) -> None:
        super().__init__(spec)
        self.reset()

    def encode(self, chunk: Audio) -> Frame:
        smooth = chunk + self.memory
        self.memory[:] = chunk[:, -1:]
        return super().encode(smooth)

    def reset(self) -> None:
        super().reset()
        self.memory[:] = 0


class ChangesInput(PcmEncoder):
    def encode(self, chunk: Audio) -> Frame:
        chunk *= 0.5
        return super().encode(chunk)


class LiesAboutBits(PcmEncoder):
    def encode(self, chunk: Audio) -> Frame:
        return replace(super().encode(chunk), bits=1.0)


class KeepsCarry(PcmDecoder):
    def __init__(self, spec: CodecSpec, compute: float) -> None:
        super().__init__(spec, compute)
        super().reset()

    def reset(self) -> None:
        if not hasattr(self, "carry"):
            super().reset()


class SharesCarry(PcmDecoder):
    """Decoder with a delay line shared by all decoders; reset() and opening clear it."""

    line: ClassVar[list[Audio]] = [np.zeros((2, LOOKAHEAD), np.float32)]

    def decode(self, frame: Frame, controls: DecoderControls) -> Audio:
        self.carry = self.line[0]
        output = super().decode(frame, controls)
        self.line[0] = self.carry
        return output

    def reset(self) -> None:
        super().reset()
        self.line[0] = self.carry


class GivesDoubles(PcmDecoder):
    def decode(self, frame: Frame, controls: DecoderControls) -> Audio:
        return super().decode(frame, controls).astype(np.float64)


class GivesShort(PcmDecoder):
    def decode(self, frame: Frame, controls: DecoderControls) -> Audio:
        return super().decode(frame, controls)[:, 1:]


class GivesNan(PcmDecoder):
    def decode(self, frame: Frame, controls: DecoderControls) -> Audio:
        return super().decode(frame, controls) / np.float32(frame.index != 3)


class ReusesOutput(PcmDecoder):
    buffer = np.zeros((2, HOP), np.float32)

    def decode(self, frame: Frame, controls: DecoderControls) -> Audio:
        self.buffer[:] = super().decode(frame, controls)
        return self.buffer


class AddsDither(PcmDecoder):
    """Decoder that differs from the offline codec in the last bits."""

    def decode(self, frame: Frame, controls: DecoderControls) -> Audio:
        return super().decode(frame, controls) + np.float32(1e-6)


class StepsAbove(StepsEncoder):
    def encode(self, chunk: Audio) -> Frame:
        frame = super().encode(chunk)
        return replace(frame, tokens=np.where(frame.tokens == frame.tokens.max(), np.int32(16), frame.tokens))


class StepsBelow(StepsEncoder):
    def encode(self, chunk: Audio) -> Frame:
        frame = super().encode(chunk)
        return replace(frame, tokens=frame.tokens - frame.tokens.min() - np.int32(1))


class StepsWide(StepsEncoder):
    def encode(self, chunk: Audio) -> Frame:
        frame = super().encode(chunk)
        return replace(frame, tokens=frame.tokens.astype(np.int64))


class StepsFew(StepsEncoder):
    def encode(self, chunk: Audio) -> Frame:
        frame = super().encode(chunk)
        return replace(frame, tokens=frame.tokens[1:])


class StepsWithoutLatent(StepsEncoder):
    def encode(self, chunk: Audio) -> Frame:
        return replace(super().encode(chunk), latent=None)


class StepsAliased(StepsEncoder):
    """Encoder whose latent is the caller's chunk, not a copy."""

    def encode(self, chunk: Audio) -> Frame:
        return replace(super().encode(chunk), latent=chunk)


class Faulty(Pcm):
    """Pcm with another encoder, decoder or declared lookahead."""

    def __init__(
        self,
        encoder: Callable[[CodecSpec], Encoder] = PcmEncoder,
        decoder: Callable[[CodecSpec, float], Decoder] = PcmDecoder,
        declared: int = LOOKAHEAD,
    ) -> None:
        super().__init__(hop=HOP, lookahead=LOOKAHEAD)
        self.true_spec = self.spec
        self.spec = replace(self.spec, lookahead=declared)
        self.encoder, self.decoder = encoder, decoder

    def open_encoder(self) -> Encoder:
        return self.encoder(self.true_spec)

    def open_decoder(self, path: str) -> Decoder:
        self.spec.check_path(path)
        return self.decoder(self.true_spec, 0.0)


class TakesAnyPath(Faulty):
    def open_decoder(self, path: str) -> Decoder:
        return super().open_decoder("discrete")


class SwapsStreams(Faulty):
    def decode_batch(self, work: Sequence[tuple[Decoder, Frame, DecoderControls]]) -> list[Audio]:
        return super().decode_batch(work)[::-1]


FAULTS: dict[str, tuple[Codec, str]] = {
    "index not reset": (Faulty(KeepsIndex), r"frame 0: index is 16, frames since reset\(\) are 0"),
    "index skips": (Faulty(SkipsIndex), r"frame 1: index is 2"),
    "stale encoder": (Faulty(KeepsSound), r"reset\(\) of the encoder does not restore its state: frame 0"),
    "stale decoder": (
        Faulty(decoder=KeepsCarry),
        r"reset\(\) of the decoder does not restore its state: by .* at sample",
    ),
    "index shared": (Faulty(SharesIndex), r"frame 0: index is 18"),
    "sound shared by encoders": (Faulty(SharesSound), "two encoders share state"),
    "carry shared by decoders": (Faulty(decoder=SharesCarry), "two decoders share state"),
    "one sample earlier than declared": (Faulty(declared=101), "lags by 100 samples, spec.lookahead is 101"),
    "one sample later than declared": (Faulty(declared=99), "lags by 100 samples, spec.lookahead is 99"),
    "token above": (Steps(StepsAbove), r"token 16 is not in \[0, 16\)"),
    "token below": (Steps(StepsBelow), r"token -1 is not in \[0, 16\)"),
    "token dtype": (Steps(StepsWide), "tokens are int64, not int32"),
    "token count": (Steps(StepsFew), r"tokens \(63,\), spec says 64"),
    "no latent": (Steps(StepsWithoutLatent), "no latent"),
    "latent not owned": (Steps(StepsAliased), "changed a frame it had given out"),
    "output dtype": (Faulty(decoder=GivesDoubles), "float64, not float32"),
    "output length": (Faulty(decoder=GivesShort), r"output of frame 0 is \(2, 63\), not \(2, 64\)"),
    "output not finite": (Faulty(decoder=GivesNan), "output of frame 3 is not finite"),
    "output not owned": (Faulty(decoder=ReusesOutput), "changed output it had given out"),
    "input changed": (Faulty(ChangesInput), "encode changed its input"),
    "bits made up": (Faulty(LiesAboutBits), "1.0 bits, 512 bytes"),
    "not the offline codec": (Faulty(decoder=AddsDither), "stream differs from offline: by"),
    "streams swapped": (SwapsStreams(), "decode_batch differs from decode"),
    "any path taken": (TakesAnyPath(), "takes a path that is not in spec.paths"),
}


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")  # GivesNan
@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_caught(fault: str) -> None:
    codec, message = FAULTS[fault]
    with pytest.raises(AssertionError, match=message):
        check_codec(codec, offline=same)


def test_without_a_fault_the_same_codecs_pass() -> None:
    check_codec(Faulty(), offline=same)
    check_codec(Steps())

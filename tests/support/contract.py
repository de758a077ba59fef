"""Check of any codec against the contract of `models/codec.py`; the first broken law is named.

A test passes the codec and, if there is one, a reference that runs over a whole file (`offline`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from models.codec import Audio, Codec, CodecError, CodecSpec, Decoder, DecoderControls, Encoder, Frame

CONTROLS = DecoderControls()
Offline = Callable[[Audio, str], Audio]  # whole input and path -> output of the same length, latency removed


def check_codec(
    codec: Codec,
    *,
    hops: int = 16,
    offline: Offline | None = None,
    tolerance: float = 0.0,
    slack: int = 0,
    resembles: bool = True,
) -> None:
    """Raise AssertionError, naming the law, unless the codec keeps them all.

    About six runs of `hops` hops of sound are made. `tolerance` is the largest difference of a
    sample between stream and offline, or batch and single decode; all else is compared exactly.
    `slack` is the tolerance of the lag in samples, for lossy codecs. `resembles` is False for
    codecs whose output does not correlate with the input, such as untrained networks.
    """
    spec = codec.spec
    check_spec(spec)
    first, second = sound(spec, hops, seed=1), sound(spec, hops, seed=2)

    frames = encode(codec.open_encoder(), first, spec)
    other_frames = encode(codec.open_encoder(), second, spec)
    used_encoder = codec.open_encoder()
    encode(used_encoder, second[:, : hops * spec.hop], spec)  # no silence at its end, which could hide remaining state
    used_encoder.reset()
    check_same_frames(
        frames, encode(used_encoder, first, spec), f"{spec.name}: reset() of the encoder does not restore its state"
    )
    check_encoders_apart(codec, (first, second), (frames, other_frames))

    alone: dict[str, tuple[Audio, Audio]] = {}
    for path in spec.paths:
        where = f"{spec.name}, {path} path"
        heard = decode(codec.open_decoder(path), frames, spec)
        used_decoder = codec.open_decoder(path)
        decode(used_decoder, other_frames[:hops], spec)
        used_decoder.reset()
        check_same(
            heard, decode(used_decoder, frames, spec), f"{where}: reset() of the decoder does not restore its state"
        )
        alone[path] = heard, decode(codec.open_decoder(path), other_frames, spec)
        check_decoders_apart(codec, path, (frames, other_frames), alone[path])
        if resembles:
            check_lag(first, heard, spec.lookahead, slack, where)
        if offline is not None:
            dry, late = first[:, : hops * spec.hop], heard[:, spec.lookahead :]
            whole = offline(dry, path)
            assert whole.shape == dry.shape, f"{where}: offline gave {whole.shape} for {dry.shape}"
            what = f"{where}: stream differs from offline"
            check_same(whole, late[:, : dry.shape[1]], what, tolerance)
    check_together(codec, (frames, other_frames), alone, tolerance)
    check_paths(codec)


def check_spec(spec: CodecSpec) -> None:
    where = f"{spec.name}: spec"
    assert spec.sample_rate > 0, f"{where}.sample_rate is {spec.sample_rate}"
    assert spec.channels > 0, f"{where}.channels is {spec.channels}"
    assert spec.hop > 0, f"{where}.hop is {spec.hop}"
    assert spec.lookahead >= 0, f"{where}.lookahead is {spec.lookahead}"
    assert (spec.tokens > 0) == (spec.cardinality > 0), f"{where}: {spec.tokens} tokens of {spec.cardinality} values"
    allowed = (("continuous", "discrete"), ("continuous",), ("discrete",))
    assert spec.paths in allowed, f"{where}.paths is {spec.paths}"
    assert ("continuous" in spec.paths) == (0 not in spec.latent), f"{where}: latent {spec.latent}, paths {spec.paths}"


def check_paths(codec: Codec) -> None:
    refusal = ""
    try:
        codec.open_decoder("no such path")
    except CodecError as error:
        refusal = str(error)
    assert refusal, f"{codec.spec.name}: open_decoder takes a path that is not in spec.paths"
    for path in codec.spec.paths:
        assert path in refusal, f'{codec.spec.name}: "{refusal}" does not name the path {path}'


def check_frame(frame: Frame, index: int, spec: CodecSpec) -> None:
    where = f"{spec.name}, frame {index}"
    assert frame.index == index, f"{where}: index is {frame.index}, frames since reset() are {index}"
    assert frame.tokens.dtype == np.int32, f"{where}: tokens are {frame.tokens.dtype}, not int32"
    assert frame.tokens.shape == (spec.tokens,), f"{where}: tokens {frame.tokens.shape}, spec says {spec.tokens}"
    strays = frame.tokens[(frame.tokens < 0) | (frame.tokens >= spec.cardinality)]
    assert not strays.size, f"{where}: token {strays[0]} is not in [0, {spec.cardinality})"
    if 0 in spec.latent:
        assert frame.latent is None, f"{where}: a latent, spec has none"
    else:
        assert frame.latent is not None, f"{where}: no latent, spec says {spec.latent}"
        assert frame.latent.shape == spec.latent, f"{where}: latent {frame.latent.shape}, spec says {spec.latent}"
        assert frame.latent.dtype == np.float32, f"{where}: latent is {frame.latent.dtype}, not float32"
        assert np.isfinite(frame.latent).all(), f"{where}: latent is not finite"
    if spec.tokens:
        assert 0 < frame.bits < np.inf, f"{where}: {frame.bits} bits"
    elif frame.latent is not None:
        assert frame.bits == 16 * frame.latent.size, f"{where}: {frame.bits} bits, a latent {frame.latent.shape}"
    else:  # only a payload, which is empty in the first frames of an encoder with lookahead
        assert frame.bits == 8 * len(frame.payload), f"{where}: {frame.bits} bits, {len(frame.payload)} bytes"


def check_output(chunk: Audio, index: int, spec: CodecSpec) -> None:
    where = f"{spec.name}, output of frame {index}"
    assert chunk.shape == (spec.channels, spec.hop), f"{where} is {chunk.shape}, not {(spec.channels, spec.hop)}"
    assert chunk.dtype == np.float32, f"{where} is {chunk.dtype}, not float32"
    assert np.isfinite(chunk).all(), f"{where} is not finite"


def encode(encoder: Encoder, audio: Audio, spec: CodecSpec) -> list[Frame]:
    """Return all frames of a stream; check each at once, and at the end that none has changed."""
    buffer = np.empty((spec.channels, spec.hop), np.float32)
    frames, copies = [], []
    for index, chunk in enumerate(chunks(audio, spec.hop)):
        buffer[:] = chunk
        frame = encoder.encode(buffer)
        assert np.array_equal(buffer, chunk), f"{spec.name}, frame {index}: encode changed its input"
        check_frame(frame, index, spec)
        frames.append(frame)
        copies.append(copied(frame))
        buffer.fill(np.nan)  # the caller may overwrite it
    check_same_frames(copies, frames, f"{spec.name}: the encoder changed a frame it had given out")
    assert sum(frame.bits for frame in frames) > 0, f"{spec.name}: no bits in {len(frames)} frames"
    return frames


def decode(decoder: Decoder, frames: Sequence[Frame], spec: CodecSpec) -> Audio:
    """Return all output of a stream.

    Check each chunk at once, and at the end that none has changed.
    """
    given = [copied(frame) for frame in frames]
    outputs, copies = [], []
    for frame in frames:
        output = decoder.decode(frame, CONTROLS)
        check_output(output, frame.index, spec)
        outputs.append(output)
        copies.append(output.copy())
    check_same_frames(given, frames, f"{spec.name}: the decoder changed a frame it was given")
    heard = np.concatenate(copies, axis=1)
    check_same(heard, np.concatenate(outputs, axis=1), f"{spec.name}: the decoder changed output it had given out")
    return heard


def check_encoders_apart(codec: Codec, audio: tuple[Audio, Audio], alone: tuple[list[Frame], list[Frame]]) -> None:
    encoders = codec.open_encoder(), codec.open_encoder()
    both: tuple[list[Frame], list[Frame]] = [], []
    for pair in zip(*(chunks(a, codec.spec.hop) for a in audio), strict=True):
        for stream in (0, 1):
            both[stream].append(encoders[stream].encode(pair[stream]))
    for stream in (0, 1):
        check_same_frames(alone[stream], both[stream], f"{codec.spec.name}: two encoders share state")


def check_decoders_apart(
    codec: Codec, path: str, frames: tuple[list[Frame], list[Frame]], alone: tuple[Audio, Audio]
) -> None:
    decoders = codec.open_decoder(path), codec.open_decoder(path)
    both: tuple[list[Audio], list[Audio]] = [], []
    for pair in zip(*frames, strict=True):
        for stream in (0, 1):
            both[stream].append(decoders[stream].decode(pair[stream], CONTROLS))
    for stream in (0, 1):
        what = f"{codec.spec.name}, {path} path: two decoders share state"
        check_same(alone[stream], np.concatenate(both[stream], axis=1), what)


def check_together(
    codec: Codec, frames: tuple[list[Frame], list[Frame]], alone: dict[str, tuple[Audio, Audio]], tolerance: float
) -> None:
    """Check that `decode_batch` of both streams on all paths equals their own `decode`."""
    kinds = [(path, stream) for path in codec.spec.paths for stream in (0, 1)]
    decoders = [codec.open_decoder(path) for path, _ in kinds]
    outputs: list[list[Audio]] = []
    for pair in zip(*frames, strict=True):
        work = [(decoder, pair[stream], CONTROLS) for decoder, (_, stream) in zip(decoders, kinds, strict=True)]
        outputs.append(codec.decode_batch(work))
    for number, (path, stream) in enumerate(kinds):
        together = np.concatenate([output[number] for output in outputs], axis=1)
        what = f"{codec.spec.name}, {path} path: decode_batch differs from decode"
        check_same(alone[path][stream], together, what, tolerance)


def check_lag(dry: Audio, wet: Audio, lookahead: int, slack: int, where: str) -> None:
    lag = measured_lag(dry, wet)
    assert abs(lag - lookahead) <= slack, f"{where}: output lags by {lag} samples, spec.lookahead is {lookahead}"


def measured_lag(dry: Audio, wet: Audio) -> int:
    """Return the delay of `wet` after `dry` in samples, by cross-correlation.

    Negative if it is earlier.
    """
    length = dry.shape[1]
    spectra = np.fft.rfft(wet, 2 * length) * np.conj(np.fft.rfft(dry, 2 * length))
    peak = int(np.argmax(np.fft.irfft(spectra.sum(axis=0))))
    return peak if peak < length else peak - 2 * length


def check_same(expected: Audio, got: Audio, what: str, tolerance: float = 0.0) -> None:
    assert expected.shape == got.shape, f"{what}: {got.shape}, expected {expected.shape}"
    difference = np.abs(expected - got).max(axis=0)
    worst = int(np.argmax(difference))
    assert difference[worst] <= tolerance, f"{what}: by {difference[worst]:.3g} at sample {worst}"


def check_same_frames(expected: Sequence[Frame], got: Sequence[Frame], what: str) -> None:
    for one, two in zip(expected, got, strict=True):
        same_latent = one.latent is two.latent or (
            one.latent is not None and two.latent is not None and np.array_equal(one.latent, two.latent)
        )
        same = (one.index, one.bits, one.payload) == (two.index, two.bits, two.payload)
        same = same and same_latent and np.array_equal(one.tokens, two.tokens)
        assert same, f"{what}: frame {one.index}"


def sound(spec: CodecSpec, hops: int, seed: int) -> Audio:
    """Return low-passed noise [channels, T], peak 0.5, of `hops` hops, then silence for the
    lookahead.
    """
    length = hops * spec.hop
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal((spec.channels, length)))
    noise = np.fft.irfft(spectrum / (1 + np.fft.rfftfreq(length, 1 / spec.sample_rate) / 1000), length)
    flush = -(-spec.lookahead // spec.hop) * spec.hop
    return np.pad(0.5 * noise / np.abs(noise).max(), [(0, 0), (0, flush)]).astype(np.float32)


def chunks(audio: Audio, hop: int) -> list[Audio]:
    return [audio[:, start : start + hop] for start in range(0, audio.shape[1], hop)]


def copied(frame: Frame) -> Frame:
    return replace(frame, tokens=frame.tokens.copy(), latent=None if frame.latent is None else frame.latent.copy())

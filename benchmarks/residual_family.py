"""Speed of EnCodec, DAC and Mimi, ours and the packages' own, with the same random weights and one
thread, in one run.

`live` is the encoding and decoding of a hop, `file` that of a whole file in one call. Both are ×
RT: the median of processor time over the sound's duration, which other programs hardly change. All
contenders of a codec are timed in turns, so that a slow moment of the machine affects all. The
packages keep no state between calls: their `live` is a call with the samples of one hop, and its
sound is not that of a stream.
"""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.references import INSTALL, PACKAGES, Reference, reference
from benchmarks.report import machine
from models.codec import Audio, CodecError, DecoderControls
from models.residual.codec import ResidualCodec
from models.residual.network import ResidualNetwork, whole_file
from models.residual.released_checkpoint import read_official
from models.residual.released_sizes import FAMILIES, sizes_of
from models.residual.segmented import SegmentCodec

FRAMES = (1, 4, 8)  # steps of a frame
ROUNDS, HOPS = 3, 6  # rounds, and hops in a round
SECONDS = 2.0  # of the file

Found = dict[str, Any]
Run = Callable[[], object]


def measure(against: Sequence[str] = (), families: Sequence[str] = tuple(FAMILIES)) -> Found:
    """Return the times of each contender.

    CodecError names a package that is not known or not installed.
    """
    for name in against:
        if name not in PACKAGES:
            raise CodecError(f'cannot compare with "{name}". Give one of {", ".join(PACKAGES)}; install: {INSTALL}')
    torch.set_num_threads(1)
    rows: list[Found] = []
    for family in families:
        print(f"family: {family}", file=sys.stderr)
        package = next((name for name in against if family in PACKAGES[name]), "")
        rows += _family(family, package)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else math.nan
    return {"machine": machine(), "load_average": load, "threads": 1, "rows": rows}


@torch.inference_mode()
def _family(family: str, package: str) -> list[Found]:
    torch.manual_seed(0)
    theirs = reference(family) if package else None
    network = _network(family, theirs)
    config = network.config
    segmented = getattr(config, "norm", False)
    codecs = [SegmentCodec(network)] if segmented else [ResidualCodec(network, frames=frames) for frames in FRAMES]
    samples = round(SECONDS * config.sample_rate) // config.stride * config.stride
    samples = 2 * codecs[0].spec.hop if segmented else samples
    file = (0.1 * np.random.default_rng(0).standard_normal((config.channels, samples))).astype(np.float32)
    runs: dict[tuple[str, str], tuple[Run, int]] = {}  # by contender and kind: the call, and the samples it is given
    for codec in codecs:
        name = f"ours, {codec.frames} step(s) a frame" if isinstance(codec, ResidualCodec) else "ours"
        runs[name, "live"] = (_live(codec, file[:, : codec.spec.hop]), codec.spec.hop)
    ours = codecs[0]
    runs["ours, whole", "file"] = (lambda: _whole(ours, file), samples)
    equal = None
    if theirs:
        x = torch.from_numpy(file)[None]
        hop = x[..., : ours.spec.hop]
        runs[package, "live"] = (lambda: theirs.through(hop), ours.spec.hop)
        runs[package, "file"] = (lambda: theirs.through(x), samples)
        tokens = theirs.through(x)[0].numpy()
        found = _whole(ours, file)[:, : tokens.shape[1]]
        equal = float((found == tokens).mean())
    taken = interleave(runs)
    rows: dict[str, Found] = {}
    for (name, kind), (_, given) in runs.items():
        row = rows.setdefault(name, {"codec": family, "contender": name})
        row[kind] = taken[name, kind] * config.sample_rate / given
        if name == package:
            row["tokens_equal"] = equal
    return list(rows.values())


def _network(family: str, theirs: Reference | None) -> ResidualNetwork:
    """Return our network with the package's weights, or without a package with random ones."""
    if theirs is None:
        return ResidualNetwork(sizes_of(family)).randomise(0).eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"weights{'.pth' if family.startswith('dac') else '.th'}"
        theirs.save(path)
        return read_official(path, family).eval()


def _live(codec: ResidualCodec | SegmentCodec, chunk: Audio) -> Run:
    """Return a call that codes a stream's next frame. The stream has passed its start."""
    encoder, decoder = codec.open_encoder(), codec.open_decoder("discrete")

    def run() -> None:
        decoder.decode(encoder.encode(chunk), DecoderControls())

    late = codec.network.encoder_delay_frames if isinstance(codec, ResidualCodec) else 0
    for _ in range(late + 2):
        run()
    return run


def _whole(codec: ResidualCodec | SegmentCodec, audio: Audio) -> np.ndarray:
    """Encode and decode a file, and return its tokens [K, S].

    For a codec of segments, those of the first one.
    """
    if isinstance(codec, ResidualCodec):
        return whole_file(codec.network, audio)[0]
    first = None
    x = torch.from_numpy(np.pad(audio, ((0, 0), (0, codec.overlap))))
    for start in range(0, audio.shape[1], codec.spec.hop):
        tokens, loudness = codec.encode_segment(x[:, start : start + codec.length])
        codec.decode_segment(tokens, loudness, [True] * codec.spec.books)
        first = tokens.T.numpy() if first is None else first
    return np.zeros((0, 0), np.int32) if first is None else first


def interleave(runs: dict[tuple[str, str], tuple[Run, int]]) -> dict[tuple[str, str], float]:
    """Return the median of processor time, in seconds, of a call of each."""
    taken: dict[tuple[str, str], list[float]] = {key: [] for key in runs}
    for _ in range(ROUNDS):
        for key, (run, _) in runs.items():
            for _ in range(HOPS if key[1] == "live" else 1):
                started = time.process_time()
                run()
                taken[key].append(time.process_time() - started)
    return {key: float(np.median(seconds)) for key, seconds in taken.items()}


def markdown(found: Found) -> str:
    """Return a table for the documentation."""
    lines = ["| codec | contender | live, × RT | file, × RT | tokens equal |", "|---|---|--:|--:|--:|"]
    for row in found["rows"]:
        live, file = (f"{row[kind]:.2f}" if kind in row else "" for kind in ("live", "file"))
        equal = f"{100 * row['tokens_equal']:.2f} %" if "tokens_equal" in row else ""
        lines.append(f"| {row['codec']} | {row['contender']} | {live} | {file} | {equal} |")
    return "\n".join(lines)


def show(found: Found, *, as_json: bool) -> None:
    """Print the results, as JSON or as a table."""
    if as_json:
        print(json.dumps(found, indent=2))
        return
    print(
        f"{found['machine']}; 1 thread; load average {found['load_average']:.1f}; above 1 the times are not reliable\n"
    )
    print(markdown(found))

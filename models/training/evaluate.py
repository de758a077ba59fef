"""`verdigris evaluate`: a network beside classic codecs on the same clips; a Markdown table, JSON, pictures.

    verdigris evaluate --codec nano CLIP ... [--json FILE] [--pictures DIR] [--seconds N] [--only "opus:12;nano"]

Every codec runs hop by hop through `models.load`, as it would live, its declared lag removed; the parallel mode
decodes whole files. Numbers are means over clips; the JSON has each clip's.
"""

from __future__ import annotations

import json
import math
import platform
import time
from argparse import ArgumentParser, ArgumentTypeError, RawTextHelpFormatter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from models.codec import Audio, Codec, CodecError, CodecSpec, Controls
from models.codicodec import CoDiCodec
from models.entropy import TokenModel, spent
from models.load import forecast_of, is_residual, load
from models.rvq_health import health
from models.training import metrics
from models.training.data import RATE, SHORTEST, decode
from models.training.listeners import Pitch, Visqol, listener
from models.training.pictures import write_pictures

CLASSIC = ("opus:6", "opus:12", "opus:16", "opus:24", "aac:24", "mp3:32")
NETWORK = tuple(
    (path, mode, steps)
    for path in ("discrete", "continuous")
    for mode, steps in (*(("autoregressive", s) for s in (1, 2, 4)), *(("parallel", s) for s in (1, 2, 4)))
)
PITCHED = ("guitar", "voice", "strings", "violin", "cello", "flute", "singing")  # words in the names of single voices
LAGS = 16  # samples searched on either side
PLAIN = ("opus", "aac", "mp3", "pcm", "vorbis", "swift", "encodec24", "encodec48", "dac")  # no modes of decoding
COLUMNS = ("kbit/s", "mel", "stft", "visqol", "si_sdr", "level", "pitch", "joins", "x_rt")
HEADINGS = ("kbit/s", "mel ↓", "STFT ↓", "ViSQOL ↑", "SI-SDR dB ↑", "level dB", "pitch ↑", "joins", "× RT ↓")


@dataclass(frozen=True)
class Run:
    """One way to put a clip through a codec."""

    codec: str
    path: str
    mode: str = "stream"
    steps: int = 0

    @property
    def name(self) -> str:
        kind = {"autoregressive": "AR", "parallel": "parallel"}.get(self.mode)
        return self.codec if kind is None else f"{self.codec} {self.path}, {kind} {self.steps}"


@dataclass(frozen=True)
class Heard:
    """What came out: audio aligned with the clip, the bits it took, seconds of computing, tokens if there are any."""

    audio: Audio
    bits: float
    seconds: float
    tokens: npt.NDArray | None


def hear(codec: Codec, run: Run, clip: Audio) -> Heard:
    """Put float32 [2, n] through a codec."""
    if run.mode == "parallel":
        return _hear_parallel(codec, run, clip)
    spec = codec.spec
    controls = Controls(steps=max(run.steps, 1))
    hops = math.ceil((clip.shape[1] + spec.lookahead) / spec.hop)
    padded = np.pad(clip, ((0, 0), (0, hops * spec.hop - clip.shape[1])))
    encoder, decoder = codec.open_encoder(), codec.open_decoder(run.path)
    out, frames, bits = [], [], 0.0
    begun = time.perf_counter()
    for hop in range(hops):
        frame = encoder.encode(padded[:, hop * spec.hop : (hop + 1) * spec.hop])
        out.append(decoder.decode(frame, controls))
        bits += frame_bits(spec, run.path, frame.bits)
        frames.append(frame.tokens)
    seconds = time.perf_counter() - begun
    late = np.concatenate(out, axis=1)[:, spec.lookahead :]
    tokens = np.stack(frames) if spec.tokens else None
    return Heard(late[:, : clip.shape[1]], bits * clip.shape[1] / (hops * spec.hop), seconds, tokens)


def frame_bits(spec: CodecSpec, path: str, tokens: float) -> float:
    """What a frame takes on the wire: its tokens, or its latent in float16, as a tape stores it."""
    return 16.0 * math.prod(spec.latent) if path == "continuous" else tokens


def _hear_parallel(codec: Codec, run: Run, clip: Audio) -> Heard:
    if not isinstance(codec, CoDiCodec):
        raise CodecError(f"{run.codec} has no parallel mode.")
    ahead = codec.spec.lookahead
    begun = time.perf_counter()
    codes = codec.encode(np.pad(clip, ((0, 0), (ahead, ahead))), run.path)
    audio = codec.decode(codes, "parallel", run.steps)
    seconds = time.perf_counter() - begun
    fixed = codec.spec.tokens * math.log2(codec.spec.cardinality)
    bits = len(codes) * frame_bits(codec.spec, run.path, fixed)
    return Heard(audio[:, ahead : ahead + clip.shape[1]], bits, seconds, codes if run.path == "discrete" else None)


def judge(reference: Audio, heard: Heard, spec: CodecSpec, visqol: Any, pitch: Any, known: Any) -> dict[str, float]:
    """Every number of one clip; nan where a judge is missing or has nothing to say."""
    duration = reference.shape[1] / RATE
    ratio, lag = metrics.si_sdr(reference, heard.audio, LAGS)
    return {
        "kbit/s": heard.bits / duration / 1000,
        "mel": metrics.mel_distance(reference, heard.audio),
        "stft": metrics.stft_distance(reference, heard.audio),
        "visqol": visqol(reference, heard.audio) if visqol else math.nan,
        "si_sdr": ratio,
        "lag": lag,
        "level": metrics.level_difference(reference, heard.audio),
        "pitch": pitch.kept(known, heard.audio) if pitch and known is not None else math.nan,
        "joins": metrics.joint_roughness(heard.audio, spec.hop, spec.hop - spec.lookahead % spec.hop),
        "x_rt": heard.seconds / duration,
    }


def runs_of(names: Sequence[str], only: str | None) -> list[Run]:
    """CoDiCodec networks in every mode, others as they are; `only` keeps those whose names begin with a part of it."""
    runs: list[Run] = []
    for name in names:
        plain = name.partition(":")[0] in PLAIN or is_residual(Path(name))
        modes = [
            mode for mode in NETWORK if mode[1] == "autoregressive" or ":slide=" not in name
        ]  # sliding is streaming
        runs += [Run(name, "discrete")] if plain else [Run(name, *mode) for mode in modes]
    kept = only.split(";") if only else [""]
    chosen = [run for run in runs if any(run.name.startswith(part.strip()) for part in kept)]
    if not chosen:
        known = "; ".join(run.name for run in runs)
        raise CodecError(f'no row begins with "{only}" (rows: {known}). Pass the beginning of one.')
    return chosen


def evaluate(runs: Sequence[Run], clips: dict[str, Audio], pictures: Path | None = None) -> dict[str, Any]:
    """{"rows": means of each run, "clips": each clip's numbers, "tokens": use of levels and bits by entropy}."""
    codecs = {name: _open(name) for name in dict.fromkeys(run.codec for run in runs)}  # all, before hours of judging
    visqol, pitch = listener(Visqol), listener(Pitch)
    pitches = {n: pitch.track(a) for n, a in clips.items() if pitch and any(word in n for word in PITCHED)}
    rows: dict[str, dict[str, float]] = {}
    details: dict[str, dict[str, dict[str, float]]] = {}
    tokens: dict[str, dict[str, float]] = {}
    for run in runs:
        codec = codecs[run.codec]
        held = {name: hear(codec, run, clip) for name, clip in clips.items()}
        details[run.name] = {
            name: judge(clip, held[name], codec.spec, visqol, pitch, pitches.get(name)) for name, clip in clips.items()
        }
        rows[run.name] = {column: _mean([d[column] for d in details[run.name].values()]) for column in COLUMNS}
        if isinstance(codec, CoDiCodec) and run.codec not in tokens and run.path == "discrete":
            frames = np.concatenate([h.tokens for h in held.values() if h.tokens is not None])
            used, bits = metrics.use_of_tokens(frames, codec.network.config.levels)
            tokens[run.codec] = {
                "frames": len(frames), "levels used": used, "entropy kbit/s": bits * codec.spec.frame_rate / 1000,
                "nominal kbit/s": codec.spec.tokens * math.log2(codec.spec.cardinality) * codec.spec.frame_rate / 1000,
            }  # fmt: skip
        if codec.spec.books:
            tokens[run.codec] = _use_of_books(codec.spec, [h.tokens for h in held.values() if h.tokens is not None])
        if pictures is not None:
            write_pictures(pictures, run.name, {name: (clips[name], held[name].audio) for name in clips})
        print(markdown({run.name: rows[run.name]}).splitlines()[-1], flush=True)
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    return {"rows": rows, "clips": details, "tokens": tokens, "machine": machine}


def _open(name: str) -> Codec:
    codec = load(name, rate=RATE)
    if (codec.spec.sample_rate, codec.spec.channels) != (RATE, 2):
        raise CodecError(f"{name} is of {codec.spec.sample_rate} Hz; codecs of {RATE} Hz in stereo are judged.")
    return codec


def _use_of_books(spec: CodecSpec, held: Sequence[npt.NDArray]) -> dict[str, float]:
    """Health of the worst book, and what an entropy coder makes of each clip's tokens, by counting and by forecast."""
    whole = spec.tokens // spec.books * spec.books  # what is beyond whole steps is no code (a loudness)
    books = health(np.concatenate(held)[:, :whole].reshape(-1, spec.books), spec.cardinality)
    coded, frames = 0.0, sum(len(tokens) for tokens in held)
    for tokens in held:
        model = TokenModel(spec.books, spec.cardinality)
        coded += sum(model.frame_bits(frame, spec.books) for frame in tokens)
    nominal = spec.tokens * math.log2(spec.cardinality)
    forecast = forecast_of(spec.sample_rate, spec.hop, spec.books, spec.cardinality)
    foreseen = sum(spent(tokens, spec.cardinality, forecast) for tokens in held) if forecast else math.nan
    return {
        "frames": frames, "used (worst book)": min(book.use for book in books),
        "perplexity (worst book)": min(book.perplexity for book in books),
        "nominal kbit/s": nominal * spec.frame_rate / 1000, "coded kbit/s": coded / frames * spec.frame_rate / 1000,
        "with a forecast": foreseen / frames * spec.frame_rate / 1000,
    }  # fmt: skip


def markdown(rows: dict[str, dict[str, float]]) -> str:
    """The table."""
    lines = ["| codec | " + " | ".join(HEADINGS) + " |", "|---|" + "--:|" * len(HEADINGS)]
    for name, row in rows.items():
        cells = ["" if math.isnan(row[c]) else f"{row[c]:.2f}" for c in COLUMNS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _mean(values: Sequence[float]) -> float:
    held = [value for value in values if not math.isnan(value)]
    return float(np.mean(held)) if held else math.nan


def read_clips(paths: Sequence[Path], seconds: float) -> dict[str, Audio]:
    """Clips by name, float32 [2, n] at 48 kHz, at most so many seconds of each; folders are searched."""
    files = [f for p in paths for f in (sorted(p.iterdir()) if p.is_dir() else [p])]
    clips: dict[str, Audio] = {}
    for file in files:
        if file.suffix.lower() in (".ogg", ".flac", ".wav"):
            audio = decode(file)[: round(seconds * RATE)]
            clips[file.stem] = np.ascontiguousarray(audio.T, np.float32) / np.float32(32768)
    if not clips:
        raise CodecError("no clips to evaluate on; give audio files or a folder of them.")
    return clips


def _length(text: str) -> float:
    seconds = float(text)
    if not SHORTEST / RATE <= seconds < math.inf:
        raise ArgumentTypeError(f"{text}: give {SHORTEST / RATE} or more")
    return seconds


def _check_writable(path: Path) -> None:
    """CodecError if no file can be written there, before hours of judging; nothing is left there."""
    is_new = not path.exists()
    try:
        path.open("a").close()
    except OSError as error:
        raise CodecError(f"{path}: cannot be written ({error.strerror}). Pass another place.") from error
    if is_new:
        path.unlink()


def main(
    arguments: Sequence[str] | None = None,
    default: Path | None = None,
    parser_class: type[ArgumentParser] = ArgumentParser,
) -> None:
    parser = parser_class(prog="verdigris evaluate", description=__doc__, formatter_class=RawTextHelpFormatter)
    parser.add_argument("clips", nargs="*", type=Path, help="audio files, or folders of them (default: the demo clips)")
    parser.add_argument("--codec", default="nano", help="a codec's name or the path of a checkpoint")
    parser.add_argument("--beside", default=",".join(CLASSIC), help="others on the same clips, comma between")
    parser.add_argument("--only", help="rows whose names begin so; semicolon between")
    parser.add_argument("--seconds", type=_length, default=10.0, help="of each clip at most (default %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="spectrograms of originals and results")
    given = parser.parse_args(arguments)
    if given.json:
        _check_writable(given.json)
    if given.pictures:
        given.pictures.mkdir(parents=True, exist_ok=True)
    clips = read_clips(given.clips or [d for d in [default] if d], given.seconds)
    names = [*(n for n in given.beside.split(",") if n), given.codec]
    found = evaluate(runs_of(names, given.only), clips, given.pictures)
    print("\n" + markdown(found["rows"]))
    for name, use in found["tokens"].items():
        shown = ", ".join(f"{key} {value:.4g}" for key, value in use.items())
        print(f"\n{name}: {shown}")
    print(f"\n{len(clips)} clips, {sum(c.shape[1] for c in clips.values()) / RATE:.1f} s; {found['machine']}")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

"""`verdigris evaluate`: compare a codec with classic codecs on the same clips; Markdown tables,
JSON, pictures.

    verdigris evaluate --codec nano CLIP ... [--seconds N] [--only "opus:12;nano"]
                       [--json FILE] [--report FILE] [--pictures DIR]
    verdigris evaluate --codec CHECKPOINT --data DIR [--split valid] [--excerpts N] ...

Every codec runs hop by hop, as in live use, and its declared latency is removed. The parallel mode
decodes whole files. Numbers are means over clips; the JSON also has those of each clip.
docs/train.md explains the columns.
"""

from __future__ import annotations

import math
import platform
from argparse import ArgumentParser, ArgumentTypeError, RawTextHelpFormatter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from models.codec import Audio, Codec, CodecError, CodecSpec
from models.codicodec.codec import CoDiCodec
from models.load import load, open_entropy_estimator
from models.residual.codebook_usage import codebook_usage
from models.swift.codec import Swift
from models.training import metrics
from models.training.clips import excerpts, read_clips
from models.training.data import RATE, SHORTEST
from models.training.html_page import Report
from models.training.judge import judge
from models.training.perceptual_metrics import Pitch, Visqol, if_installed
from models.training.pictures import write_picture
from models.training.pretrained.musicnn import Musicnn
from models.training.result_tables import Row, markdown, means, tables, to_json
from models.training.runs import CLASSIC, Decoded, Run, code_clip, runs_of

PITCHED = ("guitar", "voice", "strings", "violin", "cello", "flute", "singing")  # words in the names of single voices
LAGS = 16  # samples searched on both sides
FRAMES = 10  # frames that a covariance needs, in multiples of the number of features

Visit = Callable[[str, str, Audio, Audio], None]


def measure(reference: Audio, decoded: Decoded, spec: CodecSpec, visqol: Any, pitch: Any, known: Any) -> Row:
    """Return every number of one clip.

    nan if a metric's package is missing or the clip holds too little to measure.
    """
    duration = reference.shape[1] / RATE
    ratio, lag = metrics.si_sdr(reference, decoded.audio, LAGS)
    scores = judge(reference, decoded.audio, search=0).as_dict()  # the declared lag is removed
    return {
        **{name: math.nan if value is None else float(value) for name, value in scores.items() if name != "delay"},
        "kbit/s": decoded.bits / duration / 1000,
        "mel": metrics.mel_distance(reference, decoded.audio),
        "stft": metrics.stft_distance(reference, decoded.audio),
        "visqol": visqol(reference, decoded.audio) if visqol else math.nan,
        "si_sdr": ratio,
        "lag": lag,
        "level": metrics.level_difference(reference, decoded.audio),
        "pitch": pitch.kept(known, decoded.audio) if pitch and known is not None else math.nan,
        "joins": metrics.joint_roughness(decoded.audio, spec.hop, spec.hop - spec.lookahead % spec.hop),
        "x_rt": decoded.seconds / duration,
    }


def evaluate(runs: Sequence[Run], clips: dict[str, Audio], visits: Sequence[Visit] = ()) -> dict[str, Any]:
    """Measure every run on every clip, and print each run's means as soon as they are known.

    Return {"rows": means of each run, "clips": each clip's numbers, "tokens": use of levels and
    bits by entropy, "machine": what it ran on}. Each of `visits` is called with the run's name, the
    clip's, and both sounds.
    """
    codecs = {name: _open(name) for name in dict.fromkeys(run.codec for run in runs)}  # first, so errors show at once
    visqol, pitch, musicnn = if_installed(Visqol), if_installed(Pitch), if_installed(Musicnn)
    originals = [musicnn(clip) for clip in clips.values()] if musicnn else []
    pitches = {n: pitch.track(a) for n, a in clips.items() if pitch and any(word in n for word in PITCHED)}
    rows: dict[str, Row] = {}
    details: dict[str, dict[str, Row]] = {}
    tokens: dict[str, dict[str, float]] = {}
    for run in runs:
        codec = codecs[run.codec]
        held = {name: code_clip(codec, run, clip) for name, clip in clips.items()}
        details[run.name] = {
            name: measure(clip, held[name], codec.spec, visqol, pitch, pitches.get(name))
            for name, clip in clips.items()
        }
        rows[run.name] = means(list(details[run.name].values()))
        if musicnn:
            rows[run.name]["frechet"] = _frechet(originals, [musicnn(decoded.audio) for decoded in held.values()])
        frames = [decoded.tokens for decoded in held.values() if decoded.tokens is not None]
        if isinstance(codec, CoDiCodec) and run.codec not in tokens and run.path == "discrete":
            tokens[run.codec] = _use_of_levels(codec, np.concatenate(frames))
        if codec.spec.books:
            tokens[run.codec] = _use_of_books(codec, frames)
        for visit in visits:
            for name, decoded in held.items():
                visit(run.name, name, clips[name], decoded.audio)
        print(markdown({run.name: rows[run.name]}).splitlines()[-1], flush=True)
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    return {"rows": rows, "clips": details, "tokens": tokens, "machine": machine}


def _frechet(originals: Sequence[npt.NDArray[Any]], degraded: Sequence[npt.NDArray[Any]]) -> float:
    """Return the Fréchet distance of features [frames, d] over all clips.

    nan where they are too few.
    """
    before, after = np.concatenate(originals), np.concatenate(degraded)
    return metrics.frechet_distance(before, after) if len(before) >= FRAMES * before.shape[1] else math.nan


def _open(name: str) -> Codec:
    codec = load(name, rate=RATE)
    if (codec.spec.sample_rate, codec.spec.channels) != (RATE, 2):
        raise CodecError(
            f"{name} has {codec.spec.channels} channel(s) at {codec.spec.sample_rate} Hz. "
            f"Pass a stereo codec at {RATE} Hz."
        )
    return codec


def _use_of_levels(codec: CoDiCodec, frames: npt.NDArray[Any]) -> dict[str, float]:
    """Return the part of the levels used in tokens [frames, K], and their entropy."""
    spec = codec.spec
    used, bits = metrics.use_of_tokens(frames, codec.network.config.levels)
    return {
        "frames": len(frames), "levels used": used, "entropy kbit/s": bits * spec.frame_rate / 1000,
        "nominal kbit/s": spec.tokens * math.log2(spec.cardinality) * spec.frame_rate / 1000,
    }  # fmt: skip


def _use_of_books(codec: Codec, held: Sequence[npt.NDArray[Any]]) -> dict[str, float]:
    """Return the entropy-coded bit rate, and the usage of the worst book.

    Positions in a frame of swift have other books from frame to frame, and some books are rare: the
    usage of those with 16 tokens an entry or more counts.
    """
    spec, coded, frames = codec.spec, 0.0, sum(len(tokens) for tokens in held)
    for tokens in held:
        if (model := open_entropy_estimator(codec)) is not None:
            coded += sum(model.frame_bits(frame, spec.books) for frame in tokens)
    nominal = spec.tokens * math.log2(spec.cardinality)
    found = {
        "frames": frames, "nominal kbit/s": nominal * spec.frame_rate / 1000,
        "coded kbit/s": coded / frames * spec.frame_rate / 1000,
    }  # fmt: skip
    if isinstance(codec, Swift):
        use = [len(np.unique(tokens)) / spec.cardinality for tokens in codec.tokens_by_book(held)]
        return found | {"books": len(use), "used (worst book)": min(use, default=math.nan)}
    whole = spec.tokens // spec.books * spec.books  # tokens beyond whole steps hold a level
    books = codebook_usage(np.concatenate(held)[:, :whole].reshape(-1, spec.books), spec.cardinality)
    worst = min(book.use for book in books), min(book.perplexity for book in books)
    return found | {"used (worst book)": worst[0], "perplexity (worst book)": worst[1]}


def _length(text: str) -> float:
    seconds = float(text)
    if not SHORTEST / RATE <= seconds < math.inf:
        raise ArgumentTypeError(f"{text}: give {SHORTEST / RATE} or more")
    return seconds


def _check_writable(path: Path) -> None:
    """Raise CodecError if the file cannot be written; leave no new file behind."""
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
    """Run the command; `default` is the folder of clips where none are given."""
    parser = _parser(parser_class)
    given = parser.parse_args(arguments)
    if given.data and given.clips:
        parser.error("clips and --data were both given. Pass one of them.")
    if given.excerpts < 1:
        parser.error(f"--excerpts {given.excerpts}: give 1 or more")
    for path in filter(None, (given.json, given.report)):
        _check_writable(path)
    if given.pictures:
        given.pictures.mkdir(parents=True, exist_ok=True)
    if given.data:
        clips = excerpts(given.data, given.split, given.seconds, given.excerpts)
    else:
        clips = read_clips(given.clips or [d for d in [default] if d], given.seconds)
    if given.continued:
        from models.registry import LANGUAGE
        from models.training.language.continuation_table import print_table

        name = given.codec if given.codec != "nano" else "swift"
        print_table(clips, name, given.language or LANGUAGE, given.trained_on)
        return
    names = [*(n for n in given.beside.split(",") if n), given.codec]
    report = Report() if given.report else None
    visits: list[Visit] = [report.add] if report else []
    if given.pictures:
        visits.append(partial(write_picture, given.pictures))
    found = evaluate(runs_of(names, given.only), clips, visits)
    print("\n" + tables(found))
    for name, use in found["tokens"].items():
        shown = ", ".join(f"{key} {value:.4g}" for key, value in use.items())
        print(f"\n{name}: {shown}")
    print(f"\n{len(clips)} clips, {sum(c.shape[1] for c in clips.values()) / RATE:.1f} s; {found['machine']}")
    if given.json:
        given.json.write_text(to_json(found))
    if report:
        given.report.write_text(report.page(found), encoding="utf-8")


def _parser(parser_class: type[ArgumentParser]) -> ArgumentParser:
    parser = parser_class(prog="verdigris evaluate", description=__doc__, formatter_class=RawTextHelpFormatter)
    parser.add_argument("clips", nargs="*", type=Path, help="audio files, or folders of them (default: the demo clips)")
    parser.add_argument(
        "--continue", action="store_true", dest="continued",
        help="instead: how like their prompts continuations of swift are, and bits a token of its language model",
    )  # fmt: skip
    parser.add_argument(
        "--trained-on", nargs="+", type=Path, metavar="TOKENS",
        help="with --continue: folders of training tokens, in which copies are looked for",
    )  # fmt: skip
    parser.add_argument(
        "--language",
        type=Path,
        metavar="FILE",
        help="with --continue: weights whose bits are printed",
    )
    parser.add_argument("--codec", default="nano", help="name of a codec or path of a checkpoint (default %(default)s)")
    parser.add_argument(
        "--beside",
        default=",".join(CLASSIC),
        help="other codecs on the same clips, separated by commas (default %(default)s)",
    )
    parser.add_argument("--only", help="only rows whose names start with one of these, separated by semicolons")
    parser.add_argument(
        "--seconds",
        type=_length,
        default=10.0,
        help="longest part of each clip that is used, in seconds (default %(default)s)",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="use excerpts of this pack or fetched data")
    parser.add_argument(
        "--split", default="valid", choices=("train", "valid"), help="split of --data (default %(default)s)"
    )
    parser.add_argument(
        "--excerpts", type=int, default=2, help="excerpts of each piece of --data (default %(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers of every clip as JSON")
    parser.add_argument("--report", type=Path, metavar="FILE", help="an HTML page: tables, spectrograms, explanations")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="spectrograms of originals and results")
    return parser


if __name__ == "__main__":
    main()

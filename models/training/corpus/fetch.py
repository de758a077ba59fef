"""Download of the training audio to a folder with a manifest. An interrupted run is continued.

DIR/audio/PACKAGE/FILE   as published (Vorbis, FLAC, WAV) or rendered (FLAC, 48 kHz)
DIR/manifest.csv         path, package, seconds, sr, channels, lossless, licence, credit, split
DIR/CREDITS.md           credits that a model card must print
DIR/cache                downloads; may be deleted afterwards
"""

from __future__ import annotations

import csv
import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import soundfile

from models.codec import CodecError
from models.training.corpus.midi import choose_renderer, render, vary, wad_midis
from models.training.corpus.packages import AUDIO, download, unpack
from models.training.corpus.sources import SOUNDFONT, SOURCES, Source
from models.training.corpus.synthetic import synthesise

COLUMNS = ("path", "package", "seconds", "sr", "channels", "lossless", "licence", "credit", "split")


def manifest(out: Path, sources: list[Source]) -> dict[str, float]:
    """Write manifest.csv and CREDITS.md for the audio in `out`, and return the hours by package."""
    rows, credits = [], set()
    hours: dict[str, float] = {}
    for source in sources:
        for path in sorted(p for p in (out / "audio" / source.name).glob("*") if p.suffix.lower() in AUDIO):
            info = soundfile.info(path)
            if info.samplerate < 44100 or info.duration < 0.02:
                continue
            group = f"{source.name}/{path.stem.partition('~')[0]}"  # the variants of one piece stay together
            split = "valid" if hashlib.sha1(group.encode()).digest()[0] < 13 else "train"  # 13/256: one in twenty
            rows.append(
                (
                    path.relative_to(out).as_posix(),
                    source.name,
                    round(info.duration, 3),
                    info.samplerate,
                    info.channels,
                    int(info.subtype.startswith("PCM")),
                    source.licence,
                    source.credit,
                    split,
                )
            )
            hours[source.name] = hours.get(source.name, 0.0) + info.duration / 3600
            credits |= {source.credit} - {""}
    with (out / "manifest.csv").open("w", newline="") as f:
        writer = csv.writer(f)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    (out / "CREDITS.md").write_text("# Training audio\n\n" + "".join(f"- {c}\n" for c in sorted(credits)))
    return hours


def fetch(out: Path, small: bool, variants: int, log: Callable[[str], None], synthetic: float = 0.0) -> None:
    """Fill the folder `out` with all packages or the `small` ones.

    MIDI files are rendered, each with `variants` more performances, and `synthetic` hours are made here
    (`models.training.corpus.synthetic`). `log` is called with a line of
    progress for each package. A package that cannot be fetched is named in the CodecError at the
    end; the others are kept.
    """
    chosen = [source for source in SOURCES if source.small or not small]
    renderer, failed = choose_renderer(), []
    (out / "cache").mkdir(parents=True, exist_ok=True)
    for number, source in enumerate(chosen, 1):
        log(f"[{number}/{len(chosen)}] {source.name} {source.version} ({source.mb:.1f} MB)")
        to = out / ("audio" if source.kind in ("deb", "npm") else "assets") / source.name
        try:
            if not to.exists():
                unpack(source, download(source, out / "cache"), to)
        except CodecError as error:
            failed.append(f"{source.name}: {error}")
    font = out / "assets" / SOUNDFONT / "FluidR3Mono_GM.sf3"
    for source in chosen:
        if source.kind == "wad" and font.exists():
            _render_all(out, source, font, renderer, variants)
    made = synthesise(out / "audio", synthetic, log) if synthetic else []
    hours = manifest(out, chosen + made)
    log(f"{sum(hours.values()):.2f} h of {len(hours)} packages in {out}")
    if failed:
        raise CodecError(f"not fetched: {'; '.join(failed)}. Run it again; what was fetched is kept.")


def _render_all(out: Path, source: Source, font: Path, renderer: str, variants: int) -> None:
    """Render the MIDI files of a source, and variants of each, to FLAC files that do not exist yet."""
    midis = wad_midis(out / "assets" / source.name)
    flacs, folder = out / "audio" / source.name, out / "midi"
    flacs.mkdir(parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True)
    for variant in range(variants + 1):
        for stem in sorted(midis):
            key = f"{stem}~{variant}" if variant else stem
            flac, midi = flacs / f"{key}.flac", folder / f"{key}.mid"
            if not flac.exists():
                midi.write_bytes(vary(midis[stem], random.Random(key)) if variant else midis[stem])
                render(midi, flac, font, renderer)

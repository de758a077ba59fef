"""Released weights: the list of files, the search for them on this computer, and their download.

Search order: the directory in VERDIGRIS_WEIGHTS; the working directory; the bundled weights; the
cache of this project; the caches of packages that users may have already; the network. Only the
last one causes a network call.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import platformdirs

from models.weights_io.download import ProgressFn, RemoteFile, check_online, download, hub_home, xdg_cache

BUNDLED = Path(__file__).parents[1] / "weights"  # folder of the bundled weights
NON_COMMERCIAL = "CC BY-NC 4.0 (not for commercial use)"


@dataclass(frozen=True)
class Release:
    """Weights of one codec. `alike` are other names of its first file, for files that a user has.

    `elsewhere` are paths of that file in the caches of packages: HUB, TORCH, HOME or a package's
    name before the first colon, then a path in it.
    """

    files: tuple[RemoteFile, ...]
    licence: str
    alike: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Return the bytes of all files; 0 if unknown."""
        return sum(file.size for file in self.files) if all(file.size for file in self.files) else 0


def _dac(name: str, url: str, sha256: str, size: int, hub: str, *alike: str) -> Release:
    """Return a release of DAC. A copy of the weights in the Hub's cache is used if there is one."""
    file = RemoteFile(
        name, f"https://github.com/descriptinc/descript-audio-codec/releases/download/{url}", size, sha256
    )
    elsewhere = (f"HOME:.cache/descript/dac/{name}", *([f"HUB:descript/{hub}/model.safetensors"] if hub else []))
    return Release((file,), "MIT", (f"{hub}.safetensors", *alike) if hub else alike, elsewhere)


def _lyra(name: str, size: int, sha256: str) -> RemoteFile:
    return RemoteFile(
        name, f"https://raw.githubusercontent.com/google/lyra/v1.3.2/lyra/model_coeffs/{name}", size, sha256
    )


# If no SHA-256 is known, the one that the Hub declares counts. Sizes in whole megabytes are those
# of the parameters; the files are a little larger.
RELEASES: dict[str, Release] = {
    "codicodec": Release(
        (
            RemoteFile(
                "codicodec.pt",
                "hub:SonyCSLParis/CoDiCodec@f6aa343c06104f743563e86485e69e55dfd30d58/codicodec.pt",
                594_000_000,
                "27827ac41100386193fa4fd04d783c62d526a7b06ffa9e9252992eb3eb4bdb6c",
            ),
        ),
        NON_COMMERCIAL,
        ("codicodec.safetensors",),
        (
            "HUB:SonyCSLParis/CoDiCodec/codicodec.pt",
            "HUB:SonyCSLParis/codicodec/codicodec.pt",
            "codicodec:models/codicodec.pt",
        ),
    ),
    "encodec24": Release(
        (
            RemoteFile(
                "encodec_24khz-d7cc33bc.th",
                "https://dl.fbaipublicfiles.com/encodec/v0/encodec_24khz-d7cc33bc.th",
                93_171_529,
                "d7cc33bcf1aad7f2dad9836f36431530744abeace3ca033005e3290ed4fa47bf",
            ),
        ),
        "MIT",
        ("encodec_24khz.safetensors",),
        ("TORCH:encodec_24khz-d7cc33bc.th", "HUB:facebook/encodec_24khz/model.safetensors"),
    ),
    "encodec32": Release(
        (RemoteFile("encodec_32khz.safetensors", "hub:facebook/encodec_32khz@main/model.safetensors", 228_000_000),),
        NON_COMMERCIAL,
        (),
        ("HUB:facebook/encodec_32khz/model.safetensors",),
    ),
    "encodec48": Release(
        (
            RemoteFile(
                "encodec_48khz.safetensors",
                "hub:facebook/encodec_48khz@c3def8e7185ac8c8efdce6eb8c4a651e487a503e/model.safetensors",
                76_291_152,
                "47a15ffbaf7bb76176d0833e10590de0a8988a7848748608cefc36a1c88adfdc",
            ),
        ),
        "MIT",
        ("encodec_48khz-7e698e3e.th",),
        ("TORCH:encodec_48khz-7e698e3e.th", "HUB:facebook/encodec_48khz/model.safetensors"),
    ),
    "dac": _dac(
        "weights_44khz_8kbps_0.0.1.pth",
        "0.0.1/weights.pth",
        "a88eed82a7024ccc1facdb1e605c4c2f99281c8118c22c9895ffa846d8fb61aa",
        307_000_000,
        "dac_44khz",
        "weights.pth",
    ),
    "dac44-16": _dac("weights_44khz_16kbps_1.0.0.pth", "1.0.0/weights_44khz_16kbps.pth", "", 256_984_809, ""),
    "dac24": _dac(
        "weights_24khz_8kbps_0.0.4.pth",
        "0.0.4/weights_24khz.pth",
        "44bad592fc393e03eb0be7a5120b7d487fe9612fa41269dc03fca3d4b87e20ad",
        299_000_000,
        "dac_24khz",
        "weights_24khz.pth",
    ),
    "dac16": _dac(
        "weights_16khz_8kbps_0.0.5.pth",
        "0.0.5/weights_16khz.pth",
        "95ab7176b67137d4d4c6c54b8d6ef3cea797faec228cb03ad084badcad570b4d",
        297_000_000,
        "dac_16khz",
        "weights_16khz.pth",
    ),
    "mimi": Release(
        (RemoteFile("mimi.safetensors", "hub:kyutai/mimi@main/model.safetensors", 385_000_000),),
        "CC BY 4.0",
        (),
        ("HUB:kyutai/mimi/model.safetensors",),
    ),
    "lyra": Release(
        (
            _lyra(
                "soundstream_encoder.tflite",
                1_779_200,
                "237da0b16226fb0a68d49551c81bebf614e42142af72764448359f68581e88f1",
            ),
            _lyra("quantizer.tflite", 329_012, "841ee05989687d32d1f616a8ad1419fc7eda37599d3c05c7cf5a0d60ccf8ac5c"),
            _lyra("lyragan.tflite", 1_475_160, "50e7839cda4f30599a3a34cfaddcd9c98449b049eee884e1a74295780448ad06"),
        ),
        "Apache-2.0",
    ),
}


def cache() -> Path:
    """Return the directory of downloaded weights.

    VERDIGRIS_CACHE, or the system's cache of the user.
    """
    given = os.environ.get("VERDIGRIS_CACHE")
    return Path(given) if given else Path(platformdirs.user_cache_dir("verdigris", appauthor=False)) / "weights"


def here(codec: str) -> tuple[Path, ...] | None:
    """Return the paths of a codec's files on this computer; None if one is missing.

    Makes no network call.
    """
    found = _found(RELEASES[codec]).values()
    return tuple(path for path in found if path) if all(found) else None


def find(codec: str, on_progress: ProgressFn | None = None) -> tuple[Path, ...]:
    """Return the paths of a codec's files, downloaded if need be.

    `on_progress` gets the bytes of a download and all of them. Raise CodecError if they are not
    available. Print size, licence and source on stderr before a download, and the licence of weights
    that are not for commercial use once for each user.
    """
    release = RELEASES[codec]
    found = _found(release)
    if missing := [file for file, path in found.items() if path is None]:
        names = " and ".join(file.name for file in missing)
        remedy = (
            f"Get {names} from {missing[0].page} and put it in {cache()}, or set VERDIGRIS_WEIGHTS to its directory."
        )
        check_online(missing[0], remedy)
        size = sum(file.size for file in missing)
        amount = f"{size / 1e6:.0f} MB, " if size else ""
        print(f"Downloading {names}: {amount}{release.licence}, from {missing[0].page}", file=sys.stderr, flush=True)
        before = 0
        for file in missing:
            report = partial(_report, on_progress, before, size) if on_progress else None
            found[file] = download(file, cache(), remedy, report)
            before += file.size
    _print_licence_once(codec, release, printed=bool(missing))
    return tuple(path for path in found.values() if path)


def _report(on_progress: ProgressFn, before: int, size: int, have: int, total: int) -> None:
    """Report the bytes of one file as a part of all files of a release."""
    on_progress(before + have, max(size, before + total))


def _found(release: Release) -> dict[RemoteFile, Path | None]:
    """Return the path of each file on this computer, or None."""
    return {
        file: next((path for path in _candidates(release, file, first=number == 0) if path.is_file()), None)
        for number, file in enumerate(release.files)
    }


def _candidates(release: Release, file: RemoteFile, *, first: bool) -> Iterator[Path]:
    """Yield the paths to search for a file; `first` adds other names and caches of packages."""
    given = os.environ.get("VERDIGRIS_WEIGHTS")
    folders = [*([Path(given)] if given else []), Path(), BUNDLED, cache()]
    for folder in folders:
        for name in (*(release.alike if first else ()), file.name):
            yield folder / name
    if first:
        for place in release.elsewhere:
            yield from _elsewhere(place)


def _elsewhere(place: str) -> Iterator[Path]:
    """Yield the paths of a file in the cache of another package; see `Release.elsewhere`."""
    where, _, rest = place.partition(":")
    with contextlib.suppress(RuntimeError):  # a user without a home directory
        if where == "HOME":
            yield Path.home() / rest
        elif where == "TORCH":
            home = os.environ.get("TORCH_HOME")
            yield (Path(home) if home else xdg_cache() / "torch") / "hub" / "checkpoints" / rest
        elif where == "HUB":
            owner, name, path = rest.split("/", 2)
            given = os.environ.get("HF_HUB_CACHE")
            snapshots = (Path(given) if given else hub_home() / "hub") / f"models--{owner}--{name}" / "snapshots"
            yield from sorted(snapshots.glob(f"*/{path}"))
        elif spec := importlib.util.find_spec(where):
            yield from (Path(folder) / rest for folder in spec.submodule_search_locations or ())


def _print_licence_once(codec: str, release: Release, *, printed: bool) -> None:
    """Print the licence of weights that are not for commercial use, once for each user.

    `printed` is True if the download has just printed it.
    """
    if release.licence != NON_COMMERCIAL:
        return
    mark = cache() / f"{codec}.licence-shown"
    if mark.exists():
        return
    if not printed:
        print(f"The weights of {codec} are {release.licence}.", file=sys.stderr)
    with contextlib.suppress(OSError):  # a home that cannot be written: it is printed again
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()

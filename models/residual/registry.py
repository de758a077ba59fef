"""Names of residual codecs: the released EnCodec, DAC and Mimi, and their variants such as encodec24:6.

A bitrate in kbit/s sets how many books a codec has. Fewer can also be chosen live, by a control. A
name may end in ":frames=N": frames of N latent steps cost less and add N - 1 steps of latency.
":frames=auto" takes the smallest N that this machine sustains.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from models.codec import Codec, CodecError
from models.residual.checkpoint import FORMAT, read
from models.residual.codec import ResidualCodec
from models.residual.network import Config, ResidualNetwork, digest
from models.residual.released_checkpoint import read_official
from models.residual.released_sizes import sizes_of
from models.residual.segmented import SegmentCodec
from models.weights_io.releases import RELEASES, find
from models.weights_io.safetensors_file import read_metadata

FRAMES, AUTO = (1, 2, 4, 8), "auto"  # steps a frame may have
MAX_HOP_LOAD = 0.6  # longest compute time of a frame over its duration, for "auto"
RELEASED = tuple(name for name in RELEASES if name.startswith(("encodec", "dac", "mimi")))


def load_family(family: str, rest: str) -> Codec:
    """Return the codec FAMILY:REST.

    `rest` is a bitrate in kbit/s, "random" (released sizes, random weights) or empty (all books),
    and may end in ":frames=N". CodecError if a part is not offered or the weights cannot be loaded.
    """
    rest, frames = split_frames(rest)
    if rest == "random":
        return codec_of(ResidualNetwork(sizes_of(family)).randomise(0), f"{family}:random", frames=frames)
    check_frames(frames, sizes_of(family), family)  # check the name before anything is downloaded
    if rest:
        books_at(rest, sizes_of(family), family)
    return codec_of(read_official(find(family)[0], family), family, rest, frames)


def load_file(path: Path, frames: str = "") -> Codec:
    """Return the codec of a checkpoint file, ours or a released one; `frames` as in a name."""
    ours = path.suffix == ".safetensors" and read_metadata(path).get("format") == FORMAT
    network = read(path) if ours or not path.is_file() else read_official(path)
    return codec_of(network, network.config.name, frames=frames)


def codec_of(network: ResidualNetwork, name: str, kbps: str = "", frames: str = "") -> Codec:
    """Return the codec of a network.

    `kbps` sets the number of books (empty: all), `frames` the steps of a frame. CodecError names
    the bitrates and the numbers of steps that are offered.
    """
    check_frames(frames, network.config, name)
    if kbps:
        network, name = network.truncate_books(books_at(kbps, network.config, name)), f"{name}:{kbps}"
    network.rename(name)
    if _is_segmented(network.config):
        return SegmentCodec(network)
    return _sustained(network) if frames == AUTO else ResidualCodec(network, frames=int(frames or 1))


def split_frames(name: str) -> tuple[str, str]:
    """Return a name without its last part ":frames=N", and N as it was typed.

    "" without such a part.
    """
    head, _, last = name.rpartition(":")
    return (head, last.removeprefix("frames=")) if last.startswith("frames=") else (name, "")


def check_frames(frames: str, config: Config, name: str) -> None:
    """Raise CodecError unless a codec of these sizes offers so many steps a frame."""
    if frames and _is_segmented(config):
        raise CodecError(f"frames={frames} is not offered by {name}, whose frames are a second long. Leave it out.")
    if frames and frames not in (AUTO, *map(str, FRAMES)):
        raise CodecError(f"frames={frames} is not offered by {name}. Pass one of {', '.join(map(str, FRAMES))}, auto.")


def bitrates(config: Config) -> dict[str, int]:
    """Return the bitrates that are offered, in kbit/s as typed, and the number of books of each."""
    book = config.quantiser.bits / config.quantiser.books * config.sample_rate / config.stride / 1000
    return {f"{book * count:.4g}": count for count in range(1, config.quantiser.books + 1)}


def books_at(kbps: str, config: Config, name: str) -> int:
    """Return the number of books of a bitrate as typed.

    CodecError names the bitrates that are offered.
    """
    offered = bitrates(config)
    if kbps not in offered:
        raise CodecError(
            f"{kbps} kbit/s not offered by {name} ({', '.join(offered)}), which has 1 to {len(offered)} books. "
            "Pass one of these, or all books and a.books=N while it plays."
        )
    return offered[kbps]


def names() -> Iterator[tuple[str, bytes]]:
    """Yield every codec name of this family and the hash on its tapes. No weights are read."""
    for family in RELEASED:
        sizes = sizes_of(family)
        every = {family: sizes.quantiser.books, f"{family}:random": sizes.quantiser.books}
        every |= {f"{family}:{kbps}": books for kbps, books in bitrates(sizes).items()}
        for name, books in every.items():
            config = replace(sizes, name=name, quantiser=replace(sizes.quantiser, books=books))
            for frames in (1,) if _is_segmented(sizes) else FRAMES:
                yield name if frames == 1 else f"{name}:frames={frames}", digest(config, frames)


def _sustained(network: ResidualNetwork) -> ResidualCodec:
    """Return the codec with the fewest steps a frame that this machine sustains, or the most."""
    for frames in FRAMES:
        codec = ResidualCodec(network, frames=frames)
        if (load := codec.hop_load()) <= MAX_HOP_LOAD:
            break
    codec.reason += f"; {frames} step(s) a frame, which take {load:.2f} × real time here"
    return codec


def _is_segmented(config: Config) -> bool:
    return getattr(config, "norm", False)

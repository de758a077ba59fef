"""The residual family by name: swift (bundled), encodec24, encodec48, dac; each with a bitrate, such as swift:6.

Released weights are a local file, else the Hub's. A bitrate says how many books a codec has; live, fewer are a control.
"""

from __future__ import annotations

from pathlib import Path

from models.codec import Codec, CodecError
from models.hub import fetch
from models.residual import Config, ResidualCodec, ResidualNetwork, from_json
from models.residual_file import FORMAT, metadata_of, read
from models.residual_official import family_of, read_official, sizes_of
from models.segments import SegmentCodec

WEIGHTS = Path(__file__).parent / "weights"
SWIFT = WEIGHTS / "swift.safetensors"
RELEASED = {  # local names, tried in order; the Hub's repository; the licence of the weights
    "encodec24": (("encodec_24khz.safetensors", "encodec_24khz-d7cc33bc.th"), "facebook/encodec_24khz", "MIT"),
    "encodec48": (("encodec_48khz.safetensors", "encodec_48khz-7e698e3e.th"), "facebook/encodec_48khz", "MIT"),
    "dac": (("dac_44khz.safetensors", "weights_44khz_8kbps_0.0.1.pth", "weights.pth"), "descript/dac_44khz", "MIT"),
}


def load_family(family: str, rest: str) -> Codec:
    """The codec of a family; `rest` is its kbit/s, "random" (of released size, random weights) or empty (all books)."""
    if rest == "random" and family in RELEASED:
        return codec_of(ResidualNetwork(sizes_of(family)).randomise(0), f"{family}:random")
    if family in RELEASED and rest:
        books_at(rest, sizes_of(family), family)  # before anything is fetched
    if family == "swift":
        if not SWIFT.is_file():
            raise CodecError('codec "swift" has no bundled weights in this tree. Pass the path of a checkpoint.')
        network = read(SWIFT)
    else:
        network = read_official(find(family), family)
    return codec_of(network, family, rest)


def load_file(path: Path) -> Codec:
    """The codec of a checkpoint, ours or a released one."""
    ours = path.suffix == ".safetensors" and metadata_of(path).get("format") == FORMAT
    network = read(path) if ours or not path.is_file() else read_official(path, family_of(path))
    return codec_of(network, network.config.name)


def codec_of(network: ResidualNetwork, name: str, kbps: str = "") -> Codec:
    """The codec of a network, with as many books as a bitrate takes. CodecError names the bitrates there are."""
    if kbps:
        network, name = network.cut(books_at(kbps, network.config, name)), f"{name}:{kbps}"
    network.rename(name)
    return SegmentCodec(network) if getattr(network.config, "norm", False) else ResidualCodec(network)


def bitrates(config: Config) -> dict[str, int]:
    """What can be asked for, kbit/s as it is typed, and how many books that takes."""
    book = config.quantiser.bits / config.quantiser.books * config.sample_rate / config.stride / 1000
    return {f"{book * count:.4g}": count for count in range(1, config.quantiser.books + 1)}


def sizes_of_family(family: str) -> Config | None:
    """Without its weights; None if the bundled one is not here."""
    if family != "swift":
        return sizes_of(family)
    return from_json(metadata_of(SWIFT)["config"]) if SWIFT.is_file() else None


def books_at(kbps: str, config: Config, name: str) -> int:
    """How many books a bitrate takes; CodecError names the bitrates there are."""
    offered = bitrates(config)
    if kbps not in offered:
        raise CodecError(
            f"{kbps} kbit/s not offered by {name} ({', '.join(offered)}), which has 1 to {len(offered)} books. "
            "Pass one of these, or all books and a.books=N while it plays."
        )
    return offered[kbps]


def find(family: str) -> Path:
    """Released weights: in the working directory or beside the bundled ones, else the Hub's copy."""
    names, repository, licence = RELEASED[family]
    for folder in (Path(), WEIGHTS):
        for name in names:
            if (folder / name).is_file():
                return folder / name
    remedy = f"Put {' or '.join(names)} in the working directory, or pass its path."
    return fetch(repository, "model.safetensors", licence, f'codec "{family}"', remedy)

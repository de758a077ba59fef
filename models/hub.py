"""Where released weights are: a local file, else the Hugging Face Hub."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from models.codec import CodecError

REPOSITORY = "SonyCSLParis/codicodec"
FILE = "codicodec.pt"
LICENCE = "CC BY-NC 4.0: not for commercial use"


def find_official(weights: Path) -> Path:
    """codicodec.safetensors or codicodec.pt in the working directory or in `weights`, else the Hub's copy.

    What the Hub's client has already fetched is used without the network. A fetch shows its progress and names the
    licence on stderr. CodecError if it cannot be had.
    """
    for folder in (Path(), weights):
        for name in ("codicodec.safetensors", FILE):
            if (folder / name).is_file():
                return folder / name
    remedy = f"Put {FILE} or a converted codicodec.safetensors in the working directory, or pass its path."
    return fetch(REPOSITORY, FILE, LICENCE, 'codec "codicodec"', remedy)


def fetch(repository: str, file: str, licence: str, what: str, remedy: str) -> Path:
    """A file of the Hub: the copy its client has already, else fetched. CodecError, ending in `remedy`, if neither."""
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import LocalEntryNotFoundError
    except ImportError as error:
        raise CodecError(f"{what} needs huggingface-hub to fetch its weights. {remedy}") from error
    try:
        return Path(hf_hub_download(repository, file, local_files_only=True))
    except LocalEntryNotFoundError:
        pass
    print(f"Fetching {file} from {repository}. The weights are {licence}.", file=sys.stderr)
    told = logging.getLogger("huggingface_hub")
    before = told.level
    told.setLevel(logging.ERROR)  # each of its tries is a warning of its own; how it ended is one line of ours
    try:
        return Path(hf_hub_download(repository, file))
    except Exception as error:  # the client raises its own, its HTTP library's and the operating system's
        raise CodecError(f"{repository} cannot be fetched ({type(error).__name__}). {remedy}") from error
    finally:
        told.setLevel(before)

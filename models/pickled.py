"""What torch saved, read by its weights-only reader: that builds tensors and numbers, and runs nothing."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from models.codec import CodecError

Allowed = Sequence[Callable[..., Any] | tuple[Callable[..., Any], str]]


def unpickled(path: Path, allowed: Allowed = ()) -> Any:
    """What is in the file, on the CPU; `allowed` is what may be built beside tensors. CodecError if it holds more."""
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(list(allowed)):
            warnings.simplefilter("ignore")  # of pickles that are no file of torch's, before it refuses them
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))
        found = f"holds more than weights ({named[1]})" if named else "is no file of weights that torch saved"
        raise CodecError(
            f'checkpoint "{path.name}" {found} and was refused; nothing in it was run. '
            "Pass the released file, or ask its maker for .safetensors."
        ) from error
    except Exception as error:
        raise CodecError(f'checkpoint "{path.name}" is truncated or damaged. Fetch it again.') from error

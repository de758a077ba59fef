"""The clips that ship with the instrument; whose they are is in CREDITS.md."""

from pathlib import Path

CLIP = Path(__file__).parent / "rockmix_sectoid_MIT.ogg"  # what plays when nothing else is asked for

"""Audio clips that ship with the program; authors and licences are in CREDITS.md.

Knows nothing else.
"""

from pathlib import Path

CLIP = Path(__file__).parent / "rockmix_sectoid_MIT.ogg"  # the default input

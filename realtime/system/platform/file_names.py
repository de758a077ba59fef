"""Names of files, as libraries in C take them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.platform == "win32":

    def for_c_library(path: Path) -> str | bytes:
        """Return the name as text: bytes would be read in the code page, which lacks most characters."""
        return str(path)

else:

    def for_c_library(path: Path) -> str | bytes:
        """Return the bytes of the name, which need not be UTF-8."""
        return os.fsencode(path)

"""What hatchling runs when a wheel is made: with a C compiler the plug-in goes into it, without one it is left out.

`verdigris plugin install` compiles it later, where a compiler has come since.
"""

from __future__ import annotations

import importlib
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))  # nothing of ours is installed yet

build: Any = importlib.import_module("build")


class InsertHook(BuildHookInterface):  # type: ignore[type-arg]
    """Compiles into the tree; the wheel is then for this platform, and for any Python 3."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
        try:
            build.compile_library()
        except build.CompilerError as error:
            self.app.display_warning(f"without the plug-in for DAWs: {error}")
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
        build_data["artifacts"].append(f"/{build.LIBRARY.relative_to(self.root).as_posix()}")

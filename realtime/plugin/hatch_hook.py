"""Build hook of hatchling: puts the plug-in into the wheel, compiled if possible.

With zig (the extra `build`, `dev.py wheel`) the wheel carries it for every system. Else a C compiler
makes it for this one. Without either the wheel lacks it; `verdigris plugin install` compiles it
later.
"""

from __future__ import annotations

import importlib
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parents[2]))  # this package is not installed yet

build: Any = importlib.import_module("realtime.plugin.build")


class InsertHook(BuildHookInterface):  # type: ignore[type-arg]
    """Hook that compiles the plug-in; a wheel for one system is marked so, for any Python 3."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
        if build.has_zig() and version != "editable":
            build.compile_all()
        else:
            try:
                build.compile_here()
            except build.CompilerError as error:
                self.app.display_warning(f"the wheel lacks the DAW plug-in: {error}")
                return
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
        build_data["artifacts"].append(f"/{build.BINARIES.relative_to(self.root).as_posix()}/")

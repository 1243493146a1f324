"""What a wheel has beside its sources: the dashboard, and, where `DWCTL_COMPILED=1` asks for it, the extensions.

A wheel without a dashboard works, so nothing fails for it. A wheel that was to be compiled and is not is an error.
"""

import importlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ASKED = "DWCTL_COMPILED"
COMPILER = "mypy[mypyc]>=1.19"


class WheelHook(BuildHookInterface[Any]):
    """Builds before the files of the wheel are collected."""

    _place: tempfile.TemporaryDirectory[str] | None = None
    """Where the extensions lie until they are in the wheel."""

    def dependencies(self) -> list[str]:
        """Of a build in an environment of its own: the compiler, and what the modules have types from."""
        return [COMPILER, *self.metadata.core.dependencies] if _compiles() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """An editable install waits for nothing: the server says at `/` how to build the dashboard."""
        if version == "editable":
            return
        if _compiles():
            self._compile(build_data)
        self._build_dashboard(build_data)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """The wheel is written."""
        del version, build_data, artifact_path
        if self._place is not None:
            self._place.cleanup()

    def _compile(self, build_data: dict[str, Any]) -> None:
        compiled = self._tool("compiled")
        self._place = tempfile.TemporaryDirectory(prefix="dwctl-compiled-")
        made: Path = compiled.extensions(Path(self.root), Path(self._place.name))
        for path in [made / compiled.NOTE, *sorted(made.rglob("*.so"))]:
            build_data["force_include"][str(path)] = f"dwctl/{path.relative_to(made).as_posix()}"
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def _build_dashboard(self, build_data: dict[str, Any]) -> None:
        building = self._tool("dashboard")
        workshop = building.Workshop(Path(self.root))
        try:
            workshop.build()
        except (building.NotBuilt, OSError) as error:
            self.app.display_warning(f"This wheel has no dashboard: {error}")
            # The page that stands in its place tells why.
            build_data["artifacts"].append("/src/dwctl/dashboard/failed.txt")
            return
        build_data["artifacts"].append("/src/dwctl/dashboard/bundle/**")

    def _tool(self, name: str) -> Any:
        """A module of tools. The backend loads this file by its path, so the folder above is not known to it."""
        sys.path.insert(0, self.root)
        try:
            return importlib.import_module(f"tools.{name}")
        finally:
            sys.path.remove(self.root)


def _compiles() -> bool:
    return os.environ.get(ASKED) == "1"

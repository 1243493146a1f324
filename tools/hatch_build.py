"""The part of a wheel's build that puts the dashboard into it. A wheel without one works, so nothing here fails."""

import importlib
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class DashboardHook(BuildHookInterface[Any]):
    """Builds the dashboard before the files of the wheel are collected."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """An editable install waits for nothing: the server says at `/` how to build the dashboard."""
        if version == "editable":
            return
        root = Path(self.root)
        # The backend loads this file by its path, so the folder above is not known to it.
        sys.path.insert(0, str(root))
        try:
            building = importlib.import_module("tools.dashboard")
        finally:
            sys.path.remove(str(root))
        workshop = building.Workshop(root)
        try:
            workshop.build()
        except (building.NotBuilt, OSError) as error:
            self.app.display_warning(f"This wheel has no dashboard: {error}")
            # The page that stands in its place tells why.
            build_data["artifacts"].append("/src/dwctl/dashboard/failed.txt")
            return
        build_data["artifacts"].append("/src/dwctl/dashboard/bundle/**")

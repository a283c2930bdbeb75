"""The lowest version of every dependency that pyproject.toml declares, as pip requirements.

`python tests/oldest_versions.py` prints them, one a line; `make test-oldest` installs them.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
_DECLARED = re.compile(r"([A-Za-z0-9._-]+)(\[[^]]*\])?(>=([0-9][0-9.]*))?")


class NoFloorError(Exception):
    """A dependency without a lowest version, or with more than one."""


def declared(project: Path = PROJECT) -> list[str]:
    """Requirements of the build, of the project and of all its extras, as they are written."""
    content = tomllib.loads(project.read_text(encoding="utf-8"))
    table = content["project"]
    extras = [item for extra in table["optional-dependencies"].values() for item in extra]
    return [*content["build-system"]["requires"], *table["dependencies"], *extras]


def oldest(requirements: list[str], project_name: str = "edgesim") -> list[str]:
    """`name==version` for each dependency, sorted; extras of the project itself are left out.

    Raises NoFloorError for a dependency that is not declared as `name>=version`, and for one that
    is declared twice with two versions.
    """
    floors: dict[str, str] = {}
    for requirement in requirements:
        match = _DECLARED.fullmatch(requirement)
        name = match[1].lower() if match else ""
        if name == project_name:
            continue
        if match is None or match[4] is None:
            raise NoFloorError(f"{requirement}: declare it as name>=version")
        if floors.setdefault(name, match[4]) != match[4]:
            raise NoFloorError(f"{requirement}: declared with {floors[name]} elsewhere")
    return [f"{name}=={version}" for name, version in sorted(floors.items())]


if __name__ == "__main__":
    print("\n".join(oldest(declared())))

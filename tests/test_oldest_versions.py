"""Every dependency states its lowest version once; `make test-oldest` installs exactly those."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from oldest_versions import NoFloorError, declared, oldest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SCRIPT = Path(__file__).with_name("oldest_versions.py")


def dependencies() -> list[Requirement]:
    """Declared requirements other than extras of the project itself, by an independent parser."""
    found = [Requirement(text) for text in declared()]
    return [requirement for requirement in found if requirement.name != "edgesim"]


def test_every_dependency_declares_a_lowest_version_and_nothing_else() -> None:
    assert len(dependencies()) > 20
    for requirement in dependencies():
        assert [part.operator for part in requirement.specifier] == [">="], str(requirement)
        more = requirement.marker, requirement.url, requirement.extras
        assert not any(more), str(requirement)


def test_each_declared_floor_gives_one_pinned_requirement() -> None:
    floors = {
        (canonicalize_name(requirement.name), part.version)
        for requirement in dependencies()
        for part in requirement.specifier
    }
    pinned = [Requirement(text) for text in oldest(declared())]
    assert [str(part.operator) for pin in pinned for part in pin.specifier] == ["=="] * len(floors)
    assert {
        (canonicalize_name(pin.name), part.version) for pin in pinned for part in pin.specifier
    } == floors
    assert len({name for name, _ in floors}) == len(floors)


def test_the_script_prints_one_pinned_requirement_a_line() -> None:
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout == "".join(f"{line}\n" for line in oldest(declared()))


@pytest.mark.parametrize("text", ["numpy", "numpy==2.0", "numpy>=1.26,<3", "numpy; os_name=='nt'"])
def test_a_dependency_without_a_plain_floor_is_named(text: str) -> None:
    with pytest.raises(NoFloorError, match=r"numpy.*declare it as name>=version"):
        oldest(["scipy>=1.11", text])


def test_two_floors_of_one_dependency_are_named() -> None:
    assert oldest(["a>=1.0", "B_c>=2", "a>=1.0", "edgesim[dask]"]) == ["a==1.0", "b_c==2"]
    with pytest.raises(NoFloorError, match=r"a>=1\.1: declared with 1\.0 elsewhere"):
        oldest(["a>=1.0", "a>=1.1"])

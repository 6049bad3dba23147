"""The requirements files: compiled from pyproject.toml, hashed, and free of where they were compiled."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RUN, DEV = ROOT / "requirements.txt", ROOT / "requirements-dev.txt"


def pins(path: Path) -> dict[str, str]:
    """The version of each pinned package of the file, by its normalized name."""
    found = re.findall(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)", path.read_text(), flags=re.MULTILINE)
    return {normalized(name): version for name, version in found}


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def asked_for(*groups: str) -> list[str]:
    """What pyproject.toml asks for, as it is written: the panel's own, or that of dependency groups."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    if not groups:
        return list(project["project"]["dependencies"])
    return [
        entry for group in groups for entry in project["dependency-groups"][group] if isinstance(entry, str)
    ]


@pytest.mark.parametrize("path", [RUN, DEV], ids=lambda path: path.name)
def test_no_host_and_no_path_is_named(path: Path) -> None:
    assert not re.search(r"https?:|file:|@|^-|--(?!hash=)|/", path.read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize("path", [RUN, DEV], ids=lambda path: path.name)
def test_every_pin_has_a_hash(path: Path) -> None:
    entries = re.split(r"\n(?=\S)", path.read_text().strip())
    assert len(entries) > 20
    for entry in entries:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry.splitlines()[0]


@pytest.mark.parametrize(("path", "groups"), [(RUN, ()), (DEV, ()), (DEV, ("dev", "test"))])
def test_all_that_is_asked_for_is_pinned_within_its_bounds(path: Path, groups: tuple[str, ...]) -> None:
    from packaging.requirements import Requirement

    pinned = pins(path)
    for text in asked_for(*groups):
        requirement = Requirement(text)
        version = pinned.get(normalized(requirement.name))
        assert version, f"{requirement.name} is not in {path.name}: make pins"
        assert version in requirement.specifier, (
            f"{requirement.name} {version} is not {requirement.specifier}: make pins"
        )


def test_tests_run_on_the_versions_that_the_panel_runs_on() -> None:
    assert pins(RUN).items() <= pins(DEV).items()


def test_the_maintained_state_machine_alone_is_installed() -> None:
    """django-fsm and django-fsm-2 own the same module; beside each other the older one may win."""
    assert "django-fsm-2" in pins(RUN)
    assert "django-fsm" not in pins(DEV)

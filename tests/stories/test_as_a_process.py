"""`manage.py simulate` as a process of its own, on an embedded database that comes into being (SIM-1).

Told once: the embedded database is SQLite, whichever the tests are on.
"""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "told"
ROOT = FOLDER.parent.parent.parent
EXAMPLE = ("--format", "json", "example.toml")


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    """The command as a process of its own, with a home where its data are, and knowing of no server."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "simulate", *arguments],
        cwd=FOLDER,
        env={"DATA_DIR": str(home), "PATH": "/usr/bin:/bin", "HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[str, str, int]:
    """What it printed, what it printed as errors, and its status."""
    return (*process.communicate(), process.returncode)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, str, int]]]:
    """A home where there was nothing, no database and no secret, and how the first three ended that played there.

    Once for all: making the database is what takes its time.
    """
    home = tmp_path_factory.mktemp("home")
    playing = [start(home, *EXAMPLE) for _ in range(3)]
    return home, [ended(process) for process in playing]


def test_a_machine_that_has_nothing_yet_can_play_a_story(
    first: tuple[Path, list[tuple[str, str, int]]],
) -> None:
    """SIM-1 for sales: an empty home, no database, no server."""
    _, ((printed, errors, status), *_) = first
    assert status == 0, errors
    assert json.loads(printed)["invoices"][0]["total"] == "290.23"


def test_several_at_once_on_a_machine_that_has_nothing_yet(
    first: tuple[Path, list[tuple[str, str, int]]],
) -> None:
    """SIM-1: one prepares the embedded database, the others wait for it and none fails for another."""
    _, done = first
    assert [(errors, status) for _, errors, status in done] == [("", 0)] * 3
    assert len({printed for printed, _, _ in done}) == 1


def test_a_story_holds_nobody_up(first: tuple[Path, list[tuple[str, str, int]]]) -> None:
    """SIM-1: while somebody writes to an embedded database, as the panel does, stories are played all the same."""
    home, ((printed, _, _), *_) = first
    with closing(sqlite3.connect(home / "db.sqlite3", isolation_level=None)) as panel:
        panel.execute("BEGIN IMMEDIATE")
        assert ended(start(home, *EXAMPLE)) == (printed, "", 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--until", "soon", "example.toml"], "“soon” is not a date like 2026-01-31"),
        (["--format", "xml", "example.toml"], "invalid choice: 'xml'"),
        ([], "the following arguments are required: FILE"),
        (["none.toml"], "none.toml: cannot be read"),
    ],
)
def test_the_status_of_bad_arguments_is_2(
    arguments: list[str], message: str, first: tuple[Path, list[tuple[str, str, int]]]
) -> None:
    """As a process of its own: nothing on the output, what is wrong on the error output."""
    home, _ = first
    printed, errors, status = ended(start(home, *arguments))
    assert (status, printed) == (2, "")
    assert message in errors
    assert "Traceback" not in errors

"""Several workers at once, and workers that are killed, as processes on a database of their own (BIL-9, INV-1)."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from tests.conftest import on_postgres

ROOT = Path(__file__).resolve().parent.parent.parent
BDOMS = ["2024-01-15", "2024-02-15", "2024-03-15"]


@contextmanager
def database_like(pattern: str | None, folder: Path) -> Iterator[str]:
    """The address of a database of the kind that this run is on: empty, or a copy of the one of an address."""
    if not on_postgres():
        file = folder / "crew.sqlite3"
        if pattern:
            shutil.copy(pattern.removeprefix("sqlite:///"), file)
        yield f"sqlite:///{file}"
        return
    # Where the server is stands in the settings; the database there is not touched.
    server = connection.settings_dict
    name = f"crew_{secrets.token_hex(6)}"
    options: dict[str, Any] = {
        "host": server["HOST"],
        "port": server["PORT"] or None,
        "user": server["USER"],
        "password": server["PASSWORD"] or None,
        "dbname": "postgres",
        "autocommit": True,
    }
    copied = pattern.rpartition("/")[2] if pattern else "template1"
    with psycopg.connect(**options) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(copied))
        )
    sign_in = quote(server["USER"], safe="")
    if server["PASSWORD"]:
        sign_in += ":" + quote(server["PASSWORD"], safe="")
    port = f":{server['PORT']}" if server["PORT"] else ""
    try:
        yield f"postgresql://{sign_in}@{quote(server['HOST'], safe='')}{port}/{name}"
    finally:
        with psycopg.connect(**options) as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


class Crew:
    """Starts ``tests.billing.crew``."""

    def __init__(self, database: str, folder: Path) -> None:
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "DATA_DIR": str(folder),
            "DATABASE_URL": database,
            "DJANGO_SETTINGS_MODULE": "controlpanel.settings",
        }

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """A process that is at work; its output can be read."""
        return subprocess.Popen(
            [sys.executable, "-m", "tests.billing.crew", *map(str, arguments)],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )

    def do(self, *arguments: object) -> str:
        """What a process printed that came to a good end."""
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, f"{arguments} ended with status {process.returncode}"
        return output

    def kill_in_the_middle(self, *, chunk: int, nth: int) -> None:
        """Let a worker begin a run, and kill it in the middle of a chunk."""
        worker = self.start("die", chunk, nth)
        assert worker.stdout is not None
        assert worker.stdout.readline() == "in the middle\n"
        worker.send_signal(signal.SIGKILL)
        worker.communicate(timeout=30)
        assert worker.returncode == -signal.SIGKILL

    def report(self) -> dict[str, Any]:
        """What there is."""
        found: dict[str, Any] = json.loads(self.do("report"))
        return found


@pytest.fixture(scope="module")
def pattern(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a database with the tables, to be copied."""
    folder = tmp_path_factory.mktemp("pattern")
    with database_like(None, folder) as database:
        Crew(database, folder).do("migrate")
        yield database


@pytest.fixture
def crew(pattern: str, tmp_path: Path) -> Iterator[Crew]:
    """Workers on a database of this test's own."""
    with database_like(pattern, tmp_path) as database:
        yield Crew(database, tmp_path)


def assert_all_is_well(found: dict[str, Any], accounts: int, brands: int) -> None:
    """Each account has its three invoices, each brand its numbers from 1 on, and the books agree."""
    invoices = 3 * accounts
    assert list(found["dates"].values()) == [BDOMS] * accounts
    assert len(found["sequences"]) == brands
    assert sum(map(len, found["sequences"].values())) == invoices
    for sequence in found["sequences"].values():
        assert sequence == list(range(1, len(sequence) + 1))
    # 2 × 24.99 is 49.98: from Jan 9 (6 of 31 days, 9.67) with the month ahead, then month by month.
    assert found["totals"] == ["49.9800", "59.6500"]
    assert found["lines"] == 4 * accounts
    assert (found["stray_lines"], found["due"], found["waiting"]) == (0, 0, 0)
    assert (found["begun"], found["told"]) == (accounts, invoices)


def test_a_worker_that_is_killed_leaves_nothing_half_done(crew: Crew) -> None:
    """BIL-9, INV-1: killed in its third chunk; started again, exactly one invoice for each account and BDOM."""
    crew.do("prepare", 12, 2)
    crew.kill_in_the_middle(chunk=3, nth=3)
    between = crew.report()
    assert sum(map(len, between["sequences"].values())) == 6
    assert between["stray_lines"] == 0
    for sequence in between["sequences"].values():
        assert sequence == list(range(1, len(sequence) + 1))
    crew.kill_in_the_middle(chunk=5, nth=1)
    assert crew.report()["sequences"] == between["sequences"]
    crew.do("work", 1, 4)
    found = crew.report()
    assert_all_is_well(found, accounts=12, brands=2)
    assert found["counted"] == 36


def test_four_workers_at_once(crew: Crew) -> None:
    """BIL-9, INV-1: several brands, small chunks, so that they meet at every lock."""
    crew.do("prepare", 30, 3)
    crew.do("work", 4, 3)
    found = crew.report()
    assert_all_is_well(found, accounts=30, brands=3)
    assert found["counted"] == 90


@pytest.mark.postgres
def test_workers_go_on_while_one_stands_still_and_after_it_is_killed(crew: Crew) -> None:
    """BIL-9: what one has claimed the others pass over; it is theirs when the claim is gone."""
    crew.do("prepare", 12, 3)
    standing = crew.start("die", 2, 1)
    assert standing.stdout is not None
    assert standing.stdout.readline() == "in the middle\n"
    # Its two accounts are of brands 1 and 2, whose numbers it holds; those of brand 3 are free for the taking.
    helper = crew.start("work", 1, 1)
    with pytest.raises(subprocess.TimeoutExpired):
        helper.communicate(timeout=8)
    standing.send_signal(signal.SIGKILL)
    standing.communicate(timeout=30)
    helper.communicate(timeout=120)
    assert helper.returncode == 0
    crew.do("work", 2, 5)
    assert_all_is_well(crew.report(), accounts=12, brands=3)

"""Where stories are played: on a server's database, or on a copy of an embedded one (SIM-1)."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.migrations.executor import MigrationExecutor


@contextmanager
def scratch_database() -> Iterator[None]:
    """Inside, the database is one that can be played on, with the catalogue of the real one.

    A story is one transaction, and an embedded database lets one write at a time: played in the file it
    would hold up the panel, and several commands at once would fail for each other. So they play on
    copies in memory. Inside a transaction of the caller's they play in that. Raises CommandError where a
    server's database is behind.
    """
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        if _is_behind():
            raise CommandError("The database is not up to date: run `manage.py migrate` first.")
        yield
        return
    real: Any = connections[DEFAULT_DB_ALIAS]
    copy = real.copy()
    with _prepared(real):
        copy.settings_dict["NAME"] = ":memory:"
        copy.connect()
        real.ensure_connection()
        real.connection.backup(copy.connection)
    connections[DEFAULT_DB_ALIAS] = copy
    try:
        with closing(copy.connection):
            yield
    finally:
        connections[DEFAULT_DB_ALIAS] = real


@contextmanager
def _prepared(embedded: Any) -> Iterator[None]:
    """Hold an embedded database that is up to date, so that a story can be played before anything else was run.

    One process prepares it, and others that come meanwhile wait for that.
    """
    if embedded.is_in_memory_db():
        yield
        return
    file = Path(embedded.settings_dict["NAME"])
    with file.with_name(f"{file.name}.preparing").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_behind():
            call_command("migrate", verbosity=0, interactive=False)
        yield


def _is_behind() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))

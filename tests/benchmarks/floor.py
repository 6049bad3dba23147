"""The floor under what writes rows, a plain COPY of the very same; and how much memory a process took."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from django.db import connection, models, transaction
from psycopg import sql

Model = type[models.Model]


def time_floor(written: Sequence[Model]) -> float:
    """The seconds of a COPY of all rows of these tables into copies of them, indexes and all."""
    rows = {model: _read(model) for model in written}
    with connection.cursor() as cursor:
        for model in written:
            cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(_floor(model)))
            cursor.execute(
                sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(_floor(model), _table(model))
            )
        cursor.execute("CHECKPOINT")
    began = time.perf_counter()
    with transaction.atomic(), connection.cursor() as cursor:
        for model in written:
            with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(_floor(model))) as copy:
                for block in rows[model]:
                    copy.write(block)
    seconds = time.perf_counter() - began
    with connection.cursor() as cursor:
        for model in written:
            cursor.execute(sql.SQL("DROP TABLE {}").format(_floor(model)))
    return seconds


def empty(*tables: str) -> None:
    """Empty tables, and what refers to them."""
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(sql.SQL("TRUNCATE {} CASCADE").format(sql.Identifier(table)))


def _read(model: Model) -> list[bytes]:
    with (
        connection.cursor() as cursor,
        cursor.copy(sql.SQL("COPY {} TO STDOUT").format(_table(model))) as copy,
    ):
        return _joined([bytes(block) for block in copy])


def _joined(blocks: list[bytes], size: int = 2000) -> list[bytes]:
    """Rows in blocks of some thousands, as the run sends them."""
    return [b"".join(blocks[start : start + size]) for start in range(0, len(blocks), size)]


def _table(model: Model) -> sql.Identifier:
    return sql.Identifier(model._meta.db_table)


def _floor(model: Model) -> sql.Identifier:
    return sql.Identifier(f"floor_{model._meta.db_table}")


def forget_peak() -> None:
    """Let the kernel count the highest memory of this process anew."""
    reset = Path("/proc/self/clear_refs")
    if reset.exists():
        reset.write_text("5")


def peak() -> float:
    """The highest memory of this process since then, in MiB; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024

"""Writes many rows at once, the fastest way that each database has."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.db import connection, models
from django.db.models import Lookup, Max
from psycopg import sql

_BATCH = 500
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Let the garbage collector rest: a chunk of rows is many small tuples and no cycles.

    Looking through them again and again is a third of a chunk's time; its memory is bounded anyway.
    """
    was_at_work = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_at_work:
            gc.enable()


def reserve_ids(model: type[models.Model], count: int) -> list[int]:
    """Primary keys for `count` rows to come, so that rows can refer to each other before a write."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
                [table, count],
            )
            return [row[0] for row in cursor.fetchall()]
        # SQLite has one writer, which is this transaction, so nobody else draws from here.
        cursor.execute("SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = %s", [table])
        drawn: int = cursor.fetchone()[0]
    highest = max(drawn, model._default_manager.aggregate(highest=Max("pk"))["highest"] or 0)
    return list(range(highest + 1, highest + count + 1))


def insert(model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Insert rows of plain values in the order of `columns` (field attribute names); returns how many.

    PostgreSQL takes them by COPY, which is about three times as fast there as INSERT. Drawing the rows
    may not ask the database, which raises RuntimeError. Values are
    None, bool, int, str, Decimal, date, aware datetime; where the column is JSON, a list, a dict, or a
    tuple of whole numbers.
    """
    if connection.vendor == "postgresql":
        return _copy(model, columns, rows)
    with connection.execute_wrapper(_busy):
        made = [model(**dict(zip(columns, row, strict=True))) for row in rows]
    model._default_manager.bulk_create(made, batch_size=_BATCH)
    return len(made)


def _columns_of(model: type[models.Model], columns: Sequence[str]) -> sql.Composed:
    names = {field.attname: field.column for field in model._meta.concrete_fields}
    return sql.SQL(", ").join(sql.Identifier(names[column] or column) for column in columns)


def _copy(model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(model._meta.db_table), _columns_of(model, columns)
    )
    written = 0
    # Django wraps what its own cursor raises, which is not so for COPY.
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        connection.execute_wrapper(_busy),
        cursor.copy(statement) as copy,
    ):
        for block, count in _blocks(rows):
            copy.write(block)
            written += count
    return written


def _busy(*_: Any) -> Any:
    """Refuse a query while rows are drawn: during COPY it would wait for its own connection, for ever."""
    raise RuntimeError("rows are drawn without asking the database: it is taking the rows before them")


def _blocks(rows: Iterable[Sequence[Any]]) -> Iterator[tuple[str, int]]:
    """The rows in COPY's text format, some hundreds at a time.

    They are written column by column: a column's values are mostly of one type, which is asked for once.
    """
    drawn = iter(rows)
    while chunk := list(islice(drawn, _BATCH)):
        columns = map(_column, zip(*chunk, strict=True))
        yield "\n".join(map("\t".join, zip(*columns, strict=True))) + "\n", len(chunk)


def _column(values: tuple[Any, ...]) -> Iterable[str]:
    """The values of a column as COPY's text format has them."""
    kinds = set(map(type, values))
    if len(kinds) > 1:
        return [_WRITER_OF[type(value)](value) for value in values]
    if kinds == {str}:
        return values if _is_plain("".join(values)) else map(_escaped, values)
    return map(_WRITER_OF[kinds.pop()], values)


def _is_plain(text: str) -> bool:
    return "\\" not in text and "\t" not in text and "\n" not in text and "\r" not in text


class _Writers(dict[type, Callable[[Any], str]]):
    """How each type is written in COPY's text format, looked up once for a type."""

    def __missing__(self, kind: type) -> Callable[[Any], str]:
        for known, writer in _WRITERS:
            if issubclass(kind, known):
                self[kind] = writer
                return writer
        raise TypeError(f"no way to write a {kind.__name__}")


# Words and dates come again on line after line.
@lru_cache(maxsize=16384)
def _escaped(text: str) -> str:
    return str.translate(text, _ESCAPES)


@lru_cache(maxsize=4096)
def _iso(day: date) -> str:
    return day.isoformat()


def _json(value: Any) -> str:
    return json.dumps(value).translate(_ESCAPES)


def _json_numbers(values: tuple[int, ...]) -> str:
    return f"[{values[0]}]" if len(values) == 1 else str(list(values))


# The first that fits: a bool is an int, and an instant a date, of which few are alike.
_WRITERS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (bool, {True: "t", False: "f"}.__getitem__),
    (int, str),
    (Decimal, str),
    (str, _escaped),
    (type(None), lambda _: "\\N"),
    (datetime, str),
    (date, _iso),
    (tuple, _json_numbers),
    (list, _json),
    (dict, _json),
)
_WRITER_OF = _Writers()


if TYPE_CHECKING:
    _Lookup = Lookup[Any]
else:
    _Lookup = Lookup


@models.ForeignKey.register_lookup
@models.Field.register_lookup
class AnyOf(_Lookup):
    """`account__any_of=[…]`: one of many values, passed as a single parameter.

    An IN with a thousand parameters costs more to send than to answer.
    """

    lookup_name = "any_of"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """The values as a JSON list, which SQLite reads as a table."""
        left, params = self.process_lhs(compiler, connection)
        return f"{left} IN (SELECT value FROM json_each(%s))", (*params, json.dumps(list(self.rhs)))

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """The values as an array."""
        left, params = self.process_lhs(compiler, connection)
        return f"{left} = ANY(%s)", (*params, list(self.rhs))

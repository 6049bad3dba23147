"""Rows of a file that was read, a page at a time: they have no key in the database, only a place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from accounts.paging import PAGE_SIZE

if TYPE_CHECKING:
    from django.http import HttpRequest

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Rows(Generic[Row]):
    """A page of a file's rows; `previous` and `next` are places in it, as text, None at an end."""

    rows: Sequence[Row]
    previous: str | None
    next: str | None


def rows_of(rows: Sequence[Row], request: HttpRequest) -> Rows[Row]:
    """The rows that begin after, or end before, the place that the address names."""
    after, before = _place(request.GET.get("after", "")), _place(request.GET.get("before", ""))
    first = after or max(0, before - PAGE_SIZE)
    last = first + PAGE_SIZE
    return Rows(rows[first:last], str(first) if first else None, str(last) if last < len(rows) else None)


def _place(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0

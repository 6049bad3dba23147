"""Lists that turn pages by key, not by offset: the last page of a million rows costs what the first does."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import partial, reduce
from typing import Any, Final, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet

Row = TypeVar("Row", bound=Model)
Listed = TypeVar("Listed")

PAGE_SIZE: Final = 50
COUNT_CAP: Final = 10_000
MAX_CURSOR: Final = 2_000


@dataclass(frozen=True, slots=True)
class Page(Generic[Listed]):
    """One page of a list. `previous` and `next` are cursors for `?before=` and `?after=`, None at an end.

    `total` counts the whole list up to a cap; `is_capped` says that there are more.
    """

    rows: list[Listed]
    previous: str | None
    next: str | None
    total: int
    is_capped: bool


def page_of(
    rows: QuerySet[Row],
    *,
    order: Sequence[str],
    query: Mapping[str, str],
    size: int = PAGE_SIZE,
    cap: int = COUNT_CAP,
) -> Page[Row]:
    """The page of `rows` that the query parameters `after` or `before` ask for; two queries.

    `order`: fields or annotations, `-` for descending, none of them ever NULL, the last one unique.
    A cursor that no page of this list gave out counts as none: the list begins at its beginning.
    """
    total = rows.order_by()[: cap + 1].count()
    backwards = "before" in query and "after" not in query
    direction = [_turned(name) for name in order] if backwards else list(order)
    cursor = _read(query.get("before" if backwards else "after", ""), order)
    found: list[Row] | None = None
    if cursor is not None:
        try:
            found = list(rows.order_by(*direction).filter(_beyond(direction, cursor))[: size + 1])
        except (ValueError, TypeError, ArithmeticError, ValidationError):
            cursor = None  # values that its columns cannot have
    backwards = backwards and cursor is not None
    if found is None:
        found = list(rows.order_by(*order)[: size + 1])
    has_more, found = len(found) > size, found[:size]
    if backwards:
        found.reverse()
    is_first = cursor is None if not backwards else not has_more
    is_last = not has_more if not backwards else False
    return Page(
        rows=found,
        previous=None if is_first or not found else cursor_of(found[0], order),
        next=None if is_last or not found else cursor_of(found[-1], order),
        total=min(total, cap),
        is_capped=total > cap,
    )


def page_of_list(
    rows: Sequence[Listed], *, order: Sequence[str], query: Mapping[str, str], size: int = PAGE_SIZE
) -> Page[Listed]:
    """As `page_of`, of rows that are at hand already: sums, which have no key of their own in the database.

    A cursor whose row is no longer among them counts as none.
    """
    ordered = list(rows)
    for name in reversed(order):
        ordered.sort(key=partial(_value, name=name.lstrip("-")), reverse=name.startswith("-"))
    backwards = "before" in query and "after" not in query
    cursor = _read(query.get("before" if backwards else "after", ""), order)
    place = next((place for place, row in enumerate(ordered) if _values(row, order) == cursor), None)
    first = 0 if place is None else max(0, place - size) if backwards else place + 1
    found = ordered[first : place if backwards and place is not None else first + size]
    return Page(
        rows=found,
        previous=cursor_of(found[0], order) if found and first else None,
        next=cursor_of(found[-1], order) if found and first + len(found) < len(ordered) else None,
        total=len(ordered),
        is_capped=False,
    )


def cursor_of(row: object, order: Sequence[str]) -> str:
    """Where a row stands in the order, as text for an address."""
    values = _values(row, order)
    return urlsafe_b64encode(json.dumps(values, separators=(",", ":")).encode()).decode().rstrip("=")


def chosen_order(
    query: Mapping[str, str], orders: Mapping[str, Sequence[str]], *, default: str
) -> tuple[str, ...]:
    """The order that `?sort=` asks for, `-` turning it around; what is not on offer counts as `default`."""
    asked = query.get("sort", default)
    fields = orders.get(asked.removeprefix("-"))
    if fields is None:
        asked, fields = default, orders[default.removeprefix("-")]
    return tuple(_turned(name) for name in fields) if asked.startswith("-") else tuple(fields)


def _turned(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def _values(row: object, order: Sequence[str]) -> list[str | int]:
    return [_plain(_value(row, name.lstrip("-"))) for name in order]


def _value(row: object, name: str) -> Any:
    return reduce(getattr, name.split("__"), row)


def _plain(value: Any) -> str | int:
    if isinstance(value, bool | int):
        return int(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)


def _read(cursor: str, order: Sequence[str]) -> list[str | int] | None:
    if len(cursor) > MAX_CURSOR:
        return None
    try:
        values = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, list) or len(values) != len(order):
        return None
    return values if all(map(_may_be_a_value, values)) else None


def _may_be_a_value(value: object) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and "\0" not in value)


def _beyond(order: Sequence[str], cursor: Sequence[str | int]) -> Q:
    """Strictly after the cursor: (a > x) or (a = x and b > y) …, with a bound on `a` that an index can use."""
    after = Q(pk__in=())
    same = Q()
    for name, value in zip(order, cursor, strict=True):
        field, comparison = (name[1:], "lt") if name.startswith("-") else (name, "gt")
        after |= same & Q((f"{field}__{comparison}", value))
        same &= Q((field, value))
    first = order[0]
    bound = (f"{first[1:]}__lte" if first.startswith("-") else f"{first}__gte", cursor[0])
    return Q(bound) & after

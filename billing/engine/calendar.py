"""The billing calendar: which date is the BDOM of a month, and the periods between them.

Every BDOM is counted from the account's day of the month, never from the BDOM before it, so that a
31 comes back after February (BIL-1).
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

_DAYS = range(1, 32)


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `start` up to, not including, `end`; at least one."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ValueError("a period has at least a day")

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.end - self.start).days

    def __contains__(self, day: date) -> bool:
        return self.start <= day < self.end


def bdom_of(day: int, year: int, month: int) -> date:
    """The BDOM date of a month: `day` (1 to 31), or the last day of a shorter month (BIL-1)."""
    if day not in _DAYS:
        raise ValueError("a billing day of the month is 1 to 31")
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))


def _month_after(year: int, month: int, months: int) -> tuple[int, int]:
    index = year * 12 + month - 1 + months
    return index // 12, index % 12 + 1


def months_after(start: date, months: int) -> date:
    """The same day so many months later, or the last day of a shorter month; counted from `start` itself."""
    return bdom_of(start.day, *_month_after(start.year, start.month, months))


@lru_cache(maxsize=65536)
def next_bdom(day: int, after: date) -> date:
    """The first BDOM date later than `after`."""
    this_month = bdom_of(day, after.year, after.month)
    return this_month if this_month > after else bdom_of(day, *_month_after(after.year, after.month, 1))


@lru_cache(maxsize=65536)
def previous_bdom(day: int, before: date) -> date:
    """The last BDOM date earlier than `before`."""
    this_month = bdom_of(day, before.year, before.month)
    if this_month < before:
        return this_month
    return bdom_of(day, *_month_after(before.year, before.month, -1))


@lru_cache(maxsize=65536)
def period_containing(day: int, on: date) -> Period:
    """The billing period in which `on` lies."""
    end = next_bdom(day, on)
    return Period(previous_bdom(day, end), end)


def cut(day: int, start: date, end: date) -> Iterator[tuple[date, date, Period]]:
    """Cut the days [start, end) at each BDOM.

    Yields (from, to, the period that the piece lies in), in order; nothing when `end` <= `start`.
    """
    while start < end:
        period = period_containing(day, start)
        piece_end = min(end, period.end)
        yield start, piece_end, period
        start = piece_end

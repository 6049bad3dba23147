"""BIL-1 by tables: which date is the BDOM of a month, and what lies between two of them."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.engine import Period, bdom_of, cut, next_bdom, period_containing, previous_bdom
from tests.billing.engine_facts import day
from tests.properties import examples

DATES = st.dates(date(1990, 1, 1), date(2105, 12, 31))
BDOMS = st.integers(1, 31)


@pytest.mark.parametrize(
    ("bdom", "month", "expected"),
    [
        (1, "2026-02", "2026-02-01"),
        (28, "2026-02", "2026-02-28"),
        (29, "2026-02", "2026-02-28"),
        (29, "2028-02", "2028-02-29"),
        (30, "2026-02", "2026-02-28"),
        (30, "2028-02", "2028-02-29"),
        (31, "2026-01", "2026-01-31"),
        (31, "2026-02", "2026-02-28"),
        (31, "2026-03", "2026-03-31"),
        (31, "2026-04", "2026-04-30"),
        (31, "2100-02", "2100-02-28"),  # no leap year, though 4 divides it
        (31, "2000-02", "2000-02-29"),  # a leap year, as 400 divides it
        (31, "2026-12", "2026-12-31"),
    ],
)
def test_the_bdom_of_a_month_is_that_day_or_the_last_of_a_shorter_month(
    bdom: int, month: str, expected: str
) -> None:
    """BIL-1."""
    year, number = map(int, month.split("-"))
    assert bdom_of(bdom, year, number) == date.fromisoformat(expected)


@pytest.mark.parametrize("bdom", [0, 32, -1])
def test_a_day_of_the_month_that_there_is_not_is_refused(bdom: int) -> None:
    with pytest.raises(ValueError, match="1 to 31"):
        bdom_of(bdom, 2026, 1)


@pytest.mark.parametrize(
    ("bdom", "bdoms"),
    [
        (31, "2027-12-31 2028-01-31 2028-02-29 2028-03-31 2028-04-30 2028-05-31"),
        (30, "2025-12-30 2026-01-30 2026-02-28 2026-03-30 2026-04-30"),
        (29, "2026-12-29 2027-01-29 2027-02-28 2027-03-29"),
        (1, "2026-11-01 2026-12-01 2027-01-01 2027-02-01"),
    ],
)
def test_bdoms_return_to_the_day_itself_after_a_short_month(bdom: int, bdoms: str) -> None:
    """BIL-1: counted from the day of the month, never from the BDOM before."""
    dates = [date.fromisoformat(text) for text in bdoms.split()]
    for earlier, later in pairwise(dates):
        assert next_bdom(bdom, earlier) == later
        assert previous_bdom(bdom, later) == earlier


@pytest.mark.parametrize(
    ("bdom", "on", "start", "end"),
    [
        (15, "2026-01-14", "2025-12-15", "2026-01-15"),
        (15, "2026-01-15", "2026-01-15", "2026-02-15"),
        (31, "2026-02-27", "2026-01-31", "2026-02-28"),
        (31, "2026-02-28", "2026-02-28", "2026-03-31"),
        (31, "2026-03-30", "2026-02-28", "2026-03-31"),
        (29, "2028-02-28", "2028-01-29", "2028-02-29"),
    ],
)
def test_a_day_lies_in_the_period_from_the_bdom_before_it(bdom: int, on: str, start: str, end: str) -> None:
    period = period_containing(bdom, date.fromisoformat(on))
    assert (period.start.isoformat(), period.end.isoformat()) == (start, end)
    assert date.fromisoformat(on) in period
    assert period.end not in period


def test_a_period_has_at_least_a_day() -> None:
    with pytest.raises(ValueError, match="at least a day"):
        Period(day("01-15"), day("01-15"))


def test_days_are_cut_at_each_bdom() -> None:
    pieces = [(start, end, period.days) for start, end, period in cut(31, day("01-20"), day("04-02"))]
    assert pieces == [
        (day("01-20"), day("01-31"), 31),
        (day("01-31"), day("02-28"), 28),
        (day("02-28"), day("03-31"), 31),
        (day("03-31"), day("04-02"), 30),
    ]


@pytest.mark.parametrize("end", ["01-19", "01-20"])
def test_no_days_are_cut_into_nothing(end: str) -> None:
    assert list(cut(15, day("01-20"), day(end))) == []


@examples(200)
@given(BDOMS, DATES)
def test_the_bdoms_around_a_day_are_the_nearest_ones(bdom: int, on: date) -> None:
    """BIL-1, against every single day between them."""

    def is_bdom(day: date) -> bool:
        return day.day == bdom or (day.day < bdom and (day + timedelta(days=1)).day == 1)

    following, before = next_bdom(bdom, on), previous_bdom(bdom, on)
    assert is_bdom(following)
    assert is_bdom(before)
    between = [before + timedelta(days=offset) for offset in range(1, (following - before).days)]
    assert [day for day in between if is_bdom(day)] == ([on] if is_bdom(on) else [])
    assert 27 < period_containing(bdom, on).days < 32


@examples(200)
@given(BDOMS, DATES, st.integers(0, 400))
def test_pieces_join_without_gap_or_overlap(bdom: int, start: date, length: int) -> None:
    end = start + timedelta(days=length)
    pieces = list(cut(bdom, start, end))
    assert sum((piece_end - piece_start).days for piece_start, piece_end, _ in pieces) == length
    for (_, left_end, left), (right_start, _, right) in pairwise(pieces):
        assert left_end == right_start == left.end == right.start
    for piece_start, piece_end, period in pieces:
        assert period.start <= piece_start < piece_end <= period.end

"""Plans by tables worked out by hand, and by properties (PLN-3, PLN-4)."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.engine import Period, PlanTerms, Section, change_line, cycle_after, cycle_line, plan_draft
from billing.engine.plans import CYCLES
from tests.properties import examples

AMOUNTS = st.decimals("0.0001", "9999", places=4)


def terms(
    quantity: int, price: str, months: int = 12, discount: str = "0", product: str = "plan-a"
) -> PlanTerms:
    return PlanTerms(product, quantity, Decimal(price), months, Decimal(discount))


@pytest.mark.parametrize(
    ("wanted", "amount", "why"),
    [
        (terms(100, "35.00", 12, "0.10"), "37800.00", "35 × 100 × 12 months less 10%"),
        (terms(1, "19.00", 1), "19.00", "19 × 1 × 1 month"),
        (terms(3, "19.99", 3, "0.0333"), "173.92", "19.99 × 3 × 3 months less 3.33%"),
        (terms(2, "10.005", 1), "20.01", "10.005 × 2 × 1 month"),
        (terms(1, "10.005", 1), "10.01", "10.005 × 1 × 1 month"),
        (terms(5, "20", 24, "1"), "0.00", "20 × 5 × 24 months less 100%"),
    ],
)
def test_a_cycle_costs_price_times_quantity_times_months_less_the_discount(
    wanted: PlanTerms, amount: str, why: str
) -> None:
    """PLN-3: rounded once, half up, on its line, which shows the working (BIL-11)."""
    cycle = cycle_after(date(2026, 1, 10), 0, wanted.months)
    line = cycle_line(wanted, cycle, 2)
    assert (str(line.amount), line.why, line.rule) == (amount, why, "PLN-3")
    assert (line.starts_on, line.ends_on, line.days, line.of_days) == (
        cycle.start,
        cycle.end,
        cycle.days,
        cycle.days,
    )
    assert (line.section, line.product, line.quantity) == (Section.RECURRING, "plan-a", wanted.quantity)


@pytest.mark.parametrize(
    ("anchor", "done", "months", "start", "end"),
    [
        ("2026-01-31", 0, 1, "2026-01-31", "2026-02-28"),
        ("2026-01-31", 1, 1, "2026-02-28", "2026-03-31"),
        ("2028-01-31", 1, 1, "2028-02-29", "2028-03-31"),
        ("2028-02-29", 0, 12, "2028-02-29", "2029-02-28"),
        ("2028-02-29", 36, 12, "2031-02-28", "2032-02-29"),
        ("2026-11-30", 3, 3, "2027-02-28", "2027-05-30"),
        ("2026-08-31", 6, 24, "2027-02-28", "2029-02-28"),
    ],
)
def test_cycles_are_counted_from_the_day_of_registration(
    anchor: str, done: int, months: int, start: str, end: str
) -> None:
    """PLN-4: a plan of the 31st comes back to it after February."""
    cycle = cycle_after(date.fromisoformat(anchor), done, months)
    assert (cycle.start.isoformat(), cycle.end.isoformat()) == (start, end)


def test_a_change_costs_the_new_total_less_the_old_for_the_days_left() -> None:
    """PLN-4: 525 less 285 for 26 of 31 days is 201.290…, one line, rounded once."""
    cycle = Period(date(2026, 2, 28), date(2026, 3, 31))
    new, old = terms(15, "35.00", 1, product="plan-b"), terms(15, "19.00", 1)
    line = change_line(new, old, date(2026, 3, 5), cycle, 2)
    assert (str(line.amount), line.product, line.quantity) == ("201.29", "plan-b", 15)
    assert (line.starts_on, line.ends_on, line.days, line.of_days) == (date(2026, 3, 5), cycle.end, 26, 31)
    assert line.why == "525 (35 × 15 × 1 month) less 285 (19 × 15 × 1 month), 26 of 31 days"
    assert line.rule == "PLN-4"


def test_a_change_on_the_first_day_costs_the_whole_difference() -> None:
    """PLN-4."""
    cycle = Period(date(2026, 1, 1), date(2027, 1, 1))
    line = change_line(terms(11, "10"), terms(10, "10"), cycle.start, cycle, 2)
    assert (line.days, line.of_days, line.amount) == (365, 365, Decimal(120))


@pytest.mark.parametrize("on", [date(2025, 12, 31), date(2026, 2, 1)])
def test_a_change_is_on_a_day_of_its_cycle(on: date) -> None:
    """PLN-4."""
    with pytest.raises(ValueError, match="no day of the cycle"):
        change_line(terms(2, "1", 1), terms(1, "1", 1), on, Period(date(2026, 1, 1), date(2026, 2, 1)), 2)


def test_a_change_leaves_the_months_of_its_cycle() -> None:
    """PLN-4: another cycle begins with the renewal."""
    with pytest.raises(ValueError, match="months"):
        change_line(
            terms(1, "1", 3),
            terms(1, "1", 1),
            date(2026, 1, 1),
            Period(date(2026, 1, 1), date(2026, 2, 1)),
            2,
        )


def test_an_invoice_of_a_plan_is_its_one_line() -> None:
    """PLN-3: the dates of the line are the period of the invoice."""
    cycle = cycle_after(date(2026, 1, 10), 0, 3)
    draft = plan_draft(cycle_line(terms(2, "9.99", 3), cycle, 2))
    assert (draft.period, draft.total, draft.subtotal, draft.tax) == (
        (cycle.start, cycle.end),
        Decimal("59.94"),
        Decimal("59.94"),
        Decimal(0),
    )
    assert len(draft.lines) == 1


@examples(200)
@given(
    anchor=st.dates(date(2020, 1, 1), date(2040, 12, 31)),
    lengths=st.lists(st.sampled_from(CYCLES), min_size=1, max_size=8),
)
def test_cycles_follow_each_other_without_a_gap(anchor: date, lengths: list[int]) -> None:
    """PLN-4: whatever their lengths; and the last is where the anchor's own calendar has it."""
    done, before = 0, anchor
    for months in lengths:
        cycle = cycle_after(anchor, done, months)
        assert cycle.start == before
        done, before = done + months, cycle.end
    assert before == cycle_after(anchor, 0, done).end


@examples(200)
@given(
    old=st.tuples(st.integers(1, 500), AMOUNTS),
    new=st.tuples(st.integers(1, 500), AMOUNTS),
    months=st.sampled_from(CYCLES),
    discount=st.decimals("0", "1", places=4),
    day=st.integers(0, 730),
    decimals=st.sampled_from([0, 2, 3]),
)
def test_a_change_is_exact_and_rounded_once(
    old: tuple[int, Decimal],
    new: tuple[int, Decimal],
    months: int,
    discount: Decimal,
    day: int,
    decimals: int,
) -> None:
    """PLN-4: against fractions, which round nothing."""
    cycle = cycle_after(date(2027, 3, 31), 0, months)
    on = cycle.start + timedelta(days=day % cycle.days)
    before, after = PlanTerms("a", *old, months, discount), PlanTerms("b", *new, months, discount)
    line = change_line(after, before, on, cycle, decimals)
    difference = Fraction(new[1]) * new[0] - Fraction(old[1]) * old[0]
    exact = difference * months * (1 - Fraction(discount)) * (cycle.end - on).days / cycle.days
    unit = Fraction(1, 10**decimals)
    assert abs(Fraction(line.amount) - exact) <= unit / 2
    assert line.amount == line.amount.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)

"""Plans: packages paid for whole cycles that run from their registration, not from the BDOM (PLN-3, PLN-4).

Pure, like all of the engine. Amounts are in the account's currency; dates are the account's own.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from billing.engine.calendar import Period, months_after
from billing.engine.facts import Draft, Line, Section
from billing.engine.proration import EXACT, round_half_up
from billing.engine.reasons import Reason

CYCLES: Final = (1, 3, 6, 12, 24)
"""How many months a cycle may have."""

_CYCLE: Final = "PLN-3"
_CHANGE: Final = "PLN-4"


class PlanTerms(NamedTuple):
    """A package as it is had: `unit_price` for one account and month, `discount` a share of the total, 0 to 1."""

    product: str
    quantity: int
    unit_price: Decimal
    months: int
    discount: Decimal

    @property
    def total(self) -> Decimal:
        """Price × quantity × months less the discount, not rounded (PLN-3)."""
        return EXACT.multiply(self.undiscounted, EXACT.subtract(Decimal(1), self.discount))

    @property
    def undiscounted(self) -> Decimal:
        """Price × quantity × months, not rounded."""
        return EXACT.multiply(self.unit_price, Decimal(self.quantity * self.months))


def cycle_after(anchor: date, months_done: int, months: int) -> Period:
    """The cycle of so many `months` that begins `months_done` months after the `anchor`, the day of registration.

    Each end is counted from the anchor, so that a plan of the 31st comes back to it after February.
    """
    return Period(months_after(anchor, months_done), months_after(anchor, months_done + months))


def cycle_line(terms: PlanTerms, cycle: Period, decimals: int) -> Line:
    """The line of a whole cycle: the total, rounded once (PLN-3)."""
    amount = round_half_up(terms.total, decimals)
    return _line(terms, cycle.start, cycle.end, cycle.days, amount, Reason(_CYCLE, _working(terms)))


def change_line(new: PlanTerms, old: PlanTerms, on: date, cycle: Period, decimals: int) -> Line:
    """What a change on the day `on` of a cycle costs: the new total less the old, for the days left (PLN-4).

    One line, rounded once. Raises ValueError where `on` is no day of the cycle, or the months differ.
    """
    if on not in cycle:
        raise ValueError(f"{on} is no day of the cycle")
    if new.months != old.months:
        raise ValueError("a change within a cycle leaves its months as they are")
    days = (cycle.end - on).days
    difference = EXACT.subtract(new.total, old.total)
    exact = EXACT.divide(EXACT.multiply(difference, Decimal(days)), Decimal(cycle.days))
    why = f"{_total(new)} less {_total(old)}, {days} of {cycle.days} days"
    return _line(new, on, cycle.end, cycle.days, round_half_up(exact, decimals), Reason(_CHANGE, why))


def plan_draft(line: Line) -> Draft:
    """The invoice of one line of a plan."""
    nothing = line.amount * 0
    return Draft(line.starts_on, (line.starts_on, line.ends_on), (line,), line.amount, nothing, line.amount)


def _line(
    terms: PlanTerms, starts_on: date, ends_on: date, of_days: int, amount: Decimal, reason: Reason
) -> Line:
    return Line(
        section=Section.RECURRING,
        product=terms.product,
        quantity=terms.quantity,
        unit_price=terms.unit_price,
        starts_on=starts_on,
        ends_on=ends_on,
        days=(ends_on - starts_on).days,
        of_days=of_days,
        amount=amount,
        subscription=None,
        subject="",
        subject_label="",
        holder="",
        rule=reason.rule,
        why=reason.why,
        charges=(),
    )


def _working(terms: PlanTerms) -> str:
    """A total with its numbers: 35 × 100 × 12 months less 15%."""
    months = "1 month" if terms.months == 1 else f"{terms.months} months"
    working = f"{_figure(terms.unit_price)} × {terms.quantity} × {months}"
    return f"{working} less {_figure(terms.discount * 100)}%" if terms.discount else working


def _total(terms: PlanTerms) -> str:
    return f"{_figure(terms.total)} ({_working(terms)})"


def _figure(value: Decimal) -> str:
    plain = value.normalize()
    return format(plain if plain != plain.to_integral_value() else plain.quantize(Decimal(1)), "f")

"""The walk from what was quoted to what the first invoice holds, each difference with its reason (ORD-4)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from billing.engine.facts import Line, Section
from billing.engine.proration import prorate


class Difference(StrEnum):
    """Why an invoice differs from its quote; the order is that of the page."""

    DELAY = "delay"
    CONDITION = "condition"
    NOT_SHIPPED = "not-shipped"
    PRORATION = "proration"
    ADDED = "added"
    DROPPED = "dropped"
    PRICE = "price"
    USAGE = "usage"
    CREDIT = "credit"
    TAX = "tax"


class Quoted(NamedTuple):
    """A line of a quote. `amount` is quantity × price, rounded."""

    product: str
    quantity: int
    unit_price: Decimal
    is_recurring: bool
    amount: Decimal


class Waiting(NamedTuple):
    """Units of a product that are not billed yet: until a day, or until something has come about."""

    product: str
    quantity: int
    because: Difference
    until: date | None


class QuoteStep(NamedTuple):
    """One difference: `amount` is added to what was quoted; `quantity` units, 0 where they are not what differs."""

    difference: Difference
    product: str
    quantity: int
    amount: Decimal
    until: date | None = None


class Walk(NamedTuple):
    """From `quoted` to `invoiced`; the steps add up to the difference, exactly."""

    quoted: Decimal
    steps: tuple[QuoteStep, ...]
    invoiced: Decimal


_OTHERS: Mapping[Section, Difference] = {
    Section.USAGE: Difference.USAGE,
    Section.CREDIT: Difference.CREDIT,
    Section.FEE: Difference.TAX,
    Section.TAX: Difference.TAX,
}
_RANK = {difference: rank for rank, difference in enumerate(Difference)}


def walk(
    quoted: Sequence[Quoted], lines: Iterable[Line], waiting: Iterable[Waiting], on: date, decimals: int
) -> Walk:
    """The walk from a quote to the invoice of the BDOM `on`.

    `lines` are the invoice's, `waiting` what of the account is not billed yet on that day.
    """
    steps: list[QuoteStep] = []
    drawn = list(lines)
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    units: dict[str, int] = defaultdict(int)
    for line in drawn:
        if line.section in _OTHERS:
            steps.append(QuoteStep(_OTHERS[line.section], line.product, 0, line.amount))
        elif line.section is Section.RECURRING and line.starts_on < on:
            steps.append(QuoteStep(Difference.PRORATION, line.product, 0, line.amount))
        else:
            amounts[line.product] += line.amount
            units[line.product] += int(line.quantity)
    waits: dict[str, list[Waiting]] = defaultdict(list)
    for one in waiting:
        waits[one.product].append(one)
    by_product = {line.product: line for line in quoted}
    for product in sorted({*by_product, *amounts}):
        steps += _differences(
            product, by_product.get(product), units[product], amounts[product], waits[product], decimals
        )
    total = sum((line.amount for line in quoted), Decimal(0))
    invoiced = sum((line.amount for line in drawn), Decimal(0))
    ordered = sorted(_merged(steps), key=lambda step: (_RANK[step.difference], step.product))
    return Walk(total, tuple(step for step in ordered if step.amount), invoiced)


def _differences(
    product: str,
    line: Quoted | None,
    units: int,
    amount: Decimal,
    waiting: Sequence[Waiting],
    decimals: int,
) -> list[QuoteStep]:
    """How the full amounts of a product differ: what still waits, then what was dropped or added, then its price."""
    if line is None:
        return [QuoteStep(Difference.ADDED, product, units, amount)]
    steps = []
    missing = line.quantity - units
    left = amount - line.amount
    for one in waiting:
        waits = min(missing, one.quantity)
        if waits <= 0:
            break
        share = -prorate(line.unit_price, waits, 1, 1, decimals)
        steps.append(QuoteStep(one.because, product, waits, share, one.until))
        missing -= waits
        left -= share
    if missing:
        share = -prorate(line.unit_price, abs(missing), 1, 1, decimals) * (1 if missing > 0 else -1)
        difference = Difference.DROPPED if missing > 0 else Difference.ADDED
        steps.append(QuoteStep(difference, product, abs(missing), share))
        left -= share
    # What is left is a price that moved since, or a minor unit of rounding.
    if left:
        steps.append(QuoteStep(Difference.PRICE, product, 0, left))
    return steps


def _merged(steps: Iterable[QuoteStep]) -> list[QuoteStep]:
    """One step for each difference, product and day."""
    found: dict[tuple[Difference, str, date | None], QuoteStep] = {}
    for step in steps:
        key = (step.difference, step.product, step.until)
        had = found.get(key)
        found[key] = (
            step
            if had is None
            else had._replace(quantity=had.quantity + step.quantity, amount=had.amount + step.amount)
        )
    return list(found.values())

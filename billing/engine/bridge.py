"""Leads from one invoice to the next: what makes the difference between their totals, to the minor unit.

Both invoices are lists of lines. What runs on (the month ahead) is compared thing by thing and unit
by unit; what stands on an invoice once (partial months, credits, one-time charges) is compared sum by
sum. Every line goes into exactly one step, so the steps always add up to the difference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Protocol

from billing.engine.facts import Section
from billing.engine.proration import round_half_up

# What is billed: product, subscription, subject. Its units may have several prices (BIL-6).
Thing = tuple[str, str | None, str]


class Step(StrEnum):
    """What a difference comes from, in the order in which it is told."""

    NEW = "new"
    PRICES = "prices"
    PARTIAL = "partial"
    ONE_TIME = "one-time"
    USAGE = "usage"
    ENDED = "ended"
    CREDITS = "credits"
    FEES = "fees"


class Moved(NamedTuple):
    """A product's part in a step: `quantity` units (0 where units are not what differs) and the difference."""

    product: str
    quantity: int
    amount: Decimal


class BridgeStep(NamedTuple):
    """One step. `amount` is `after` less `before`: what the two invoices hold of this kind."""

    step: Step
    before: Decimal
    after: Decimal
    moved: tuple[Moved, ...]

    @property
    def amount(self) -> Decimal:
        """By how much the step raises (or lowers) the total."""
        return self.after - self.before


class Bridge(NamedTuple):
    """From the total `before` to the total `after`; the steps' amounts sum to the difference."""

    before: Decimal
    after: Decimal
    steps: tuple[BridgeStep, ...]

    @property
    def difference(self) -> Decimal:
        """What the later total is more (or less) than the earlier one."""
        return self.after - self.before


class Billed(Protocol):
    """What the bridge looks at in a line: a `Line` has it all, and so has an `Entry`."""

    @property
    def section(self) -> Section: ...
    @property
    def product(self) -> str: ...
    @property
    def subscription(self) -> str | None: ...
    @property
    def subject(self) -> str: ...
    @property
    def quantity(self) -> int | Decimal: ...
    @property
    def unit_price(self) -> Decimal: ...
    @property
    def starts_on(self) -> date: ...
    @property
    def amount(self) -> Decimal: ...
    @property
    def charges(self) -> tuple[int, ...]: ...


class Entry(NamedTuple):
    """A line that is read for a bridge and for nothing else."""

    section: Section
    product: str
    subscription: str | None
    subject: str
    quantity: int | Decimal
    unit_price: Decimal
    starts_on: date
    amount: Decimal
    charges: tuple[int, ...] = ()


class Side(NamedTuple):
    """One of the two invoices: its date and its lines. Only the later one needs to know its charges."""

    on: date
    lines: Iterable[Billed]


# Which of some charges succeeded one at another price (BIL-6).
Repriced = Callable[[frozenset[int]], frozenset[int]]


def none_of(charges: frozenset[int]) -> frozenset[int]:
    """No charge was repriced."""
    return frozenset()


_ONCE: Mapping[Section, Step] = {
    Section.RECURRING: Step.PARTIAL,
    Section.ONE_TIME: Step.ONE_TIME,
    Section.HARDWARE: Step.ONE_TIME,
    Section.USAGE: Step.USAGE,
    Section.CREDIT: Step.CREDITS,
    Section.FEE: Step.FEES,
    Section.TAX: Step.FEES,
}


def bridge(before: Side, after: Side, decimals: int, repriced: Repriced = none_of) -> Bridge:
    """The steps from `before` to `after`, those that come to nothing left out.

    `decimals` are those of the currency. Units of a thing that went from one price to another count as
    a change of price where `repriced` says so of a charge on the new line, else as ended and new. It is
    asked once, and only where a price lost units while another won some.
    """
    sums = _Sums()
    earlier, later = _running(before, sums, is_after=False), _running(after, sums, is_after=True)
    asked = _may_be_repriced(earlier, later)
    known = repriced(asked) if asked else asked
    for thing in earlier.keys() | later.keys():
        _compare(sums, thing[0], earlier.get(thing, {}), later.get(thing, {}), decimals, known)
    return Bridge(sums.total_before, sums.total_after, sums.steps())


def _may_be_repriced(earlier: _Running, later: _Running) -> frozenset[int]:
    """The charges at a price that won units of a thing, while another price of it lost some."""
    asked: set[int] = set()
    for thing, prices in later.items():
        had = earlier.get(thing, {})
        if any(units.quantity > prices.get(price, _NOTHING).quantity for price, units in had.items()):
            for price, units in prices.items():
                if units.quantity > had.get(price, _NOTHING).quantity:
                    asked |= units.charges
    return frozenset(asked)


@dataclass(slots=True)
class _Units:
    """Units of a thing at one price, running through the month ahead."""

    quantity: int = 0
    amount: Decimal = Decimal(0)
    charges: set[int] = field(default_factory=set)


_NOTHING = _Units()
# By thing, then by price.
_Running = Mapping[Thing, Mapping[Decimal, _Units]]


@dataclass(slots=True)
class _Sums:
    """What has been put into each step so far."""

    total_before: Decimal = Decimal(0)
    total_after: Decimal = Decimal(0)
    sums: dict[Step, list[Decimal]] = field(
        default_factory=lambda: defaultdict(lambda: [Decimal(0), Decimal(0)])
    )
    products: dict[Step, dict[str, list[Decimal]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(lambda: [Decimal(0), Decimal(0)]))
    )

    def put(self, step: Step, product: str, quantity: int, before: Decimal, after: Decimal) -> None:
        self.sums[step][0] += before
        self.sums[step][1] += after
        moved = self.products[step][product]
        moved[0] += quantity
        moved[1] += after - before

    def steps(self) -> tuple[BridgeStep, ...]:
        found = []
        for step in Step:
            before, after = self.sums[step]
            if before == after:
                continue
            moved = (
                Moved(product, int(quantity), amount)
                for product, (quantity, amount) in self.products[step].items()
                if quantity or amount
            )
            largest_first = sorted(moved, key=lambda part: (-abs(part.amount), part.product))
            found.append(BridgeStep(step, before, after, tuple(largest_first)))
        return tuple(found)


def _running(side: Side, sums: _Sums, *, is_after: bool) -> _Running:
    """What runs through the month ahead, by thing and price; all else goes into its step at once."""
    running: dict[Thing, dict[Decimal, _Units]] = {}
    total = Decimal(0)
    for line in side.lines:
        amount = line.amount
        total += amount
        if line.section is Section.RECURRING and line.starts_on >= side.on:
            prices = running.setdefault((line.product, line.subscription, line.subject), {})
            units = prices.get(line.unit_price)
            if units is None:
                units = prices[line.unit_price] = _Units()
            # What runs through a month is in whole units.
            units.quantity += int(line.quantity)
            units.amount += amount
            units.charges.update(line.charges)
        elif is_after:
            sums.put(_ONCE[line.section], line.product, 0, Decimal(0), amount)
        else:
            sums.put(_ONCE[line.section], line.product, 0, amount, Decimal(0))
    if is_after:
        sums.total_after = total
    else:
        sums.total_before = total
    return running


def _compare(
    sums: _Sums,
    product: str,
    earlier: Mapping[Decimal, _Units],
    later: Mapping[Decimal, _Units],
    decimals: int,
    repriced: frozenset[int],
) -> None:
    """Put the difference of one thing into new, ended and changes of price."""
    more: list[tuple[int, Decimal, bool]] = []
    fewer: list[tuple[int, Decimal]] = []
    for price in sorted(set(earlier) | set(later)):
        was, now = earlier.get(price, _NOTHING), later.get(price, _NOTHING)
        units, amount = now.quantity - was.quantity, now.amount - was.amount
        if units > 0 or (units == 0 and amount > 0):
            more.append((units, amount, not repriced.isdisjoint(now.charges)))
        elif units < 0 or amount < 0:
            fewer.append((-units, amount))
    changed = min(
        sum(units for units, _, is_repriced in more if is_repriced), sum(units for units, _ in fewer)
    )
    left = changed
    for units, amount, is_repriced in more:
        taken = min(units, left) if is_repriced else 0
        left -= taken
        part = _part(amount, taken, units, decimals)
        sums.put(Step.PRICES, product, taken, Decimal(0), part)
        sums.put(Step.NEW, product, units - taken, Decimal(0), amount - part)
    left = changed
    for units, amount in fewer:
        taken = min(units, left)
        left -= taken
        part = _part(amount, taken, units, decimals)
        sums.put(Step.PRICES, product, 0, -part, Decimal(0))
        sums.put(Step.ENDED, product, units - taken, part - amount, Decimal(0))


def _part(amount: Decimal, units: int, of_units: int, decimals: int) -> Decimal:
    """The share of some of the units in an amount; what rounding leaves stays with the others."""
    if units == 0:
        return Decimal(0)
    return amount if units == of_units else round_half_up(amount * units / of_units, decimals)

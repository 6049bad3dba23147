"""What was used of each meter in a period against what is included in it, and where that is heading (INV-7).

What it costs is what `usage_lines` says of the same facts, whether they are those so far, those of a whole
period, or those that are to be expected: there is no second formula.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from billing.engine.calendar import Period
from billing.engine.facts import AccountTerms, Line
from billing.engine.proration import price_units, round_half_up
from billing.engine.usage import (
    Aggregation,
    DayOfPeaks,
    MeterTerms,
    MissingRate,
    Part,
    Pooling,
    Usage,
    UsageFacts,
    days_of_peaks,
    parts_of,
    pool_of_named,
    pool_of_tenant,
    usage_lines,
)

MINUTE = 60
"""Units of a minute: calls are kept in seconds."""
_DAY = timedelta(days=1)
# Of a single record the amount is shown unrounded: rounded is the line alone (USE-3).
_RECORD_DECIMALS = 6


class UsedPart(NamedTuple):
    """The seconds used in a part of a period, against the minutes that its package includes (USE-4)."""

    part: Part
    used: int

    @property
    def included(self) -> int:
        """The seconds that are included."""
        return self.part.included * MINUTE

    @property
    def minutes(self) -> Decimal:
        """What was used, in minutes."""
        return Decimal(self.used) / MINUTE

    @property
    def above(self) -> int:
        """The seconds above them."""
        return max(0, self.used - self.included)


@dataclass(frozen=True, slots=True)
class Figure:
    """What was used of a meter, what of it is included, what is above; in seconds for calls, else in units.

    Of a pool that is looked at by days (SUB-6) they are those of the day that decides, which is `peak`.
    `parts` are those of a period in which a package held, or changed.
    """

    meter: MeterTerms
    used: int
    included: int
    above: int
    records: int
    parts: tuple[UsedPart, ...] = ()
    peak: DayOfPeaks | None = None


class UsageCost(NamedTuple):
    """The lines that usage comes to, and the codes of the meters for which somebody has to set a rate first."""

    lines: tuple[Line, ...]
    unrated: tuple[str, ...]

    @property
    def total(self) -> Decimal:
        """The sum of the lines."""
        return sum((line.amount for line in self.lines), Decimal(0))

    def of(self, meter: str) -> Decimal:
        """The sum of one meter's lines."""
        return sum((line.amount for line in self.lines if line.product == meter), Decimal(0))


def figures_of(usage: Usage, period: Period) -> list[Figure]:
    """A figure for each meter of which something was used, or is included, in the meters' order.

    `usage.facts` lie in the period, each of its own day.
    """
    by_meter: dict[str, list[UsageFacts]] = defaultdict(list)
    for fact in usage.facts:
        by_meter[fact.meter].append(fact)
    figures = []
    for meter in sorted(usage.meters.values(), key=lambda meter: (meter.rank, meter.code)):
        figure = _figure(meter, by_meter.get(meter.code, []), usage, period)
        if figure.records or figure.included:
            figures.append(figure)
    return figures


def cost_of_usage(terms: AccountTerms, usage: Usage, period: Period) -> UsageCost:
    """The lines of the invoice that closes `period`, as far as every rate is known."""
    lines: list[Line] = []
    unrated = []
    by_meter: dict[str, list[UsageFacts]] = defaultdict(list)
    for fact in usage.facts:
        by_meter[fact.meter].append(fact)
    for code in sorted(by_meter, key=lambda code: (usage.meters[code].rank, code)):
        try:
            lines += usage_lines(terms, usage._replace(facts=by_meter[code]), period)
        except MissingRate:
            unrated.append(code)
    return UsageCost(tuple(lines), tuple(unrated))


def projected(usage: Usage, period: Period, since: date, today: date) -> Usage:
    """The usage of the whole period, if each day to come is like the average of those from `since` to `today`.

    What is summed goes on at that average and at its latest rate; peaks, and how many different ones there
    were, stay what they are. What the average comes to stands on the period's last day.
    """
    last_day = period.end - _DAY
    days, left = (today - since).days + 1, (last_day - today).days
    if days <= 0 or left <= 0:
        return usage
    series: dict[tuple[str, int | None, str], list[UsageFacts]] = defaultdict(list)
    for fact in usage.facts:
        if usage.meters[fact.meter].aggregation == Aggregation.SUM:
            series[fact.meter, fact.subscription, fact.destination].append(fact)
    to_come = [
        max(own, key=lambda fact: fact.on)._replace(
            on=last_day,
            units=_share(sum(fact.units for fact in own), left, days),
            records=_share(sum(fact.records for fact in own), left, days),
        )
        for own in series.values()
    ]
    return usage._replace(facts=[*usage.facts, *to_come])


def used_of(meter: MeterTerms, facts: Sequence[UsageFacts], *, is_named: bool = False) -> int:
    """What facts of one meter come to, as it is counted: their sum, the highest, or how many different (USE-3)."""
    if meter.aggregation == Aggregation.DISTINCT or (is_named and meter.pooling == Pooling.AGENTS):
        return len({fact.subject for fact in facts})
    if meter.aggregation == Aggregation.MAXIMUM:
        return max((fact.peak for fact in facts), default=0)
    return sum(fact.units for fact in facts)


def has_own_price(meter: MeterTerms) -> bool:
    """Whether each record of a meter costs something by itself: it is summed, and nothing is included."""
    return meter.pooling == Pooling.NONE and meter.aggregation == Aggregation.SUM


def price_of_units(meter: MeterTerms, units: int, unit_price: Decimal) -> Decimal:
    """What units of a meter cost at a rate, before the one rounding that their line will see (USE-3)."""
    return price_units(unit_price, units, divisor_of(meter), _RECORD_DECIMALS)


def divisor_of(meter: MeterTerms) -> int:
    """How many units one is priced by: 60 for calls, whose seconds are priced by the minute."""
    return MINUTE if meter.is_call else 1


def _share(total: int, left: int, days: int) -> int:
    return int(round_half_up(Decimal(total * left) / days, 0))


def _figure(meter: MeterTerms, facts: list[UsageFacts], usage: Usage, period: Period) -> Figure:
    records = sum(fact.records for fact in facts)
    used = used_of(meter, facts, is_named=usage.is_named)
    if meter.pooling == Pooling.NONE:
        return Figure(meter, used, 0, used, records)
    if meter.pooling == Pooling.PACKAGE:
        parts = tuple(_used_parts(facts, usage, period))
        return Figure(
            meter,
            used,
            sum(part.included for part in parts),
            sum(part.above for part in parts),
            records,
            parts,
        )
    if meter.pooling in (Pooling.TENANT, Pooling.PRIMARY):
        pool = pool_of_tenant(meter.code, usage, period, facts)
        return Figure(meter, pool.used, pool.included, pool.above, records)
    if meter.pooling == Pooling.AGENTS and usage.is_named:
        pool = pool_of_named(meter.code, usage, period, facts)
        return Figure(meter, pool.used, pool.included, pool.above, records)
    peak = _deciding(days_of_peaks(meter.code, usage, period, facts))
    return Figure(meter, peak.used, peak.included, peak.above, records, peak=peak)


def _used_parts(facts: Iterable[UsageFacts], usage: Usage, period: Period) -> Iterable[UsedPart]:
    found = list(facts)
    for part in parts_of(period, usage.packages):
        own = (fact.units for fact in found if part.starts_on <= fact.on < part.ends_on)
        yield UsedPart(part, sum(own))


def _deciding(days: Iterable[DayOfPeaks]) -> DayOfPeaks:
    """The day of which the most is above; where nothing is, the day of the highest peaks; of equals the first."""
    return max(days, key=lambda day: (day.above, day.used, day.included, -day.on.toordinal()))

"""Rates a period's usage: what is included, what is above it, and whose line it is (USE-3 to USE-5, SUB-5 to SUB-7).

As with charges, an invoice is a difference: what the records known by now come to, less what those that
the invoice before knew came to. A record that arrives late so counts against what its own period had left,
and no record carries a mark of having been billed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from billing.engine.calendar import Period, period_containing
from billing.engine.facts import AccountTerms, BillingFault, Line, Section
from billing.engine.proration import price_units

_MINUTE = 60
_DAY = timedelta(days=1)


class Aggregation(StrEnum):
    """What of a meter's records counts (USE-3)."""

    SUM = "sum"
    MAXIMUM = "maximum"
    DISTINCT = "distinct"


class Pooling(StrEnum):
    """What a meter's usage is held against before it costs something.

    NONE: nothing; PACKAGE: the account's toll-free package (USE-4); AGENTS and PEAKS: commitments of the
    whole tenant, day by day (SUB-6; agents one by one where licences are named); TENANT: commitments on
    the period's last day, billed to who has the meter longest (SUB-7); PRIMARY: the same, billed to the
    primary (SUB-5).
    """

    NONE = "none"
    PACKAGE = "package"
    AGENTS = "agents"
    PEAKS = "peaks"
    TENANT = "tenant"
    PRIMARY = "primary"


class MissingRate(BillingFault):
    """Nobody has set a rate for usage of a `meter` (its code) on the day `on`."""

    def __init__(self, meter: str, on: date) -> None:
        super().__init__(f"usage of {on}: no rate is set for “{meter}”")
        self.meter = meter
        self.on = on


class MeterTerms(NamedTuple):
    """What of a meter decides its lines. `is_call`: its units are seconds, its rate is per minute."""

    code: str
    is_call: bool
    aggregation: Aggregation
    pooling: Pooling
    rank: int


class UsageFacts(NamedTuple):
    """Records of one meter, added up as far as nothing that decides on them differs.

    `on` is their day, or the first of their days where the day decides nothing; all lie in one billing
    period, and before or after each change of package. `recorded_on` is the last day on which one of them
    was recorded; none lies on the other side of a BDOM. `units` are billed seconds for calls, else units;
    `peak` is the highest of a single record. `unit_price` is the rate of their day, per minute or unit, in
    the account's currency.
    """

    meter: str
    on: date
    recorded_on: date
    units: int
    peak: int
    records: int
    unit_price: Decimal | None
    subscription: int | None
    subject: str
    destination: str


class PackageFacts(NamedTuple):
    """A toll-free package that an account has held from `starts_on` up to, not including, `ends_on`.

    `minutes` are included in a whole billing period; `overage` is the rate of each minute above them.
    """

    product: str
    starts_on: date
    ends_on: date | None
    minutes: int
    overage: Decimal


class Commitment(NamedTuple):
    """A quantity of a meter that a subscription pays for anyway, on the days [starts_on, ends_on)."""

    meter: str
    quantity: int
    starts_on: date
    ends_on: date | None


class SubscriptionFacts(NamedTuple):
    """A subscription as it is known: active on the days [starts_on, ends_on). Ids are in order of creation."""

    id: int
    name: str
    starts_on: date
    ends_on: date
    commitments: tuple[Commitment, ...]

    def is_active(self, on: date) -> bool:
        """Whether its term covers the day."""
        return self.starts_on <= on < self.ends_on

    def committed(self, meter: str, on: date) -> int:
        """How much of a meter it has committed to on a day."""
        if not self.is_active(on):
            return 0
        return sum(
            commitment.quantity
            for commitment in self.commitments
            if commitment.meter == meter and _holds(commitment, on)
        )


class Usage(NamedTuple):
    """What an account's usage is rated by. `is_named`: licences of the tenant are named, not concurrent (SUB-2)."""

    meters: Mapping[str, MeterTerms]
    facts: Sequence[UsageFacts]
    packages: Sequence[PackageFacts] = ()
    subscriptions: Sequence[SubscriptionFacts] = ()
    is_named: bool = False


class Part(NamedTuple):
    """Days of a billing period in which one package held, or none; `included` are its minutes for them."""

    starts_on: date
    ends_on: date
    package: PackageFacts | None
    included: int


class DayOfPeaks(NamedTuple):
    """One day of a daily pool: each subscription's peak (by id; None for usage of none), and the commitments."""

    on: date
    peaks: Mapping[int | None, int]
    committed: Mapping[int, int]

    @property
    def used(self) -> int:
        """The peaks of all subscriptions together."""
        return sum(self.peaks.values())

    @property
    def included(self) -> int:
        """The commitments of all subscriptions together."""
        return sum(self.committed.values())

    @property
    def above(self) -> int:
        """What the commitments of the day do not cover."""
        return max(0, self.used - self.included)


class Pool(NamedTuple):
    """What a period used of a meter, and what is included in it by the commitments of the day `on`."""

    used: int
    included: int
    on: date

    @property
    def above(self) -> int:
        """What the commitments do not cover."""
        return max(0, self.used - self.included)


@dataclass(frozen=True, slots=True)
class Charged:
    """What of a meter's usage costs something: units at a rate, for the dates of a period or part of it."""

    units: int
    unit_price: Decimal | None
    starts_on: date
    ends_on: date
    on: date
    subscription: str | None
    rule: str
    why: str


def usage_lines(terms: AccountTerms, usage: Usage, period: Period) -> list[Line]:
    """The usage lines of the invoice that closes `period`: its own usage, and what is late of earlier ones.

    `usage.facts` are those recorded before the period's end: all of it that was recorded in the period, and,
    for a meter that is late of a pool, what was recorded before of the same earlier period. Raises
    BillingFault where what costs something has no rate.
    """
    lines = []
    for (own, code), facts in _by_period_and_meter(terms, usage):
        meter = usage.meters.get(code)
        if meter is None:
            raise BillingFault(f"usage of “{code}”: there is no such meter")
        for charged in _charged(meter, facts, usage, own, period.start):
            line = _line(terms, meter, charged, is_late=own != period)
            if line is not None:
                lines.append(line)
    return lines


def parts_of(period: Period, packages: Iterable[PackageFacts]) -> list[Part]:
    """The period cut where the package changed; `included` is prorated by days, minutes rounded up (USE-4)."""
    parts: list[tuple[date, date, PackageFacts | None]] = []
    done = period.start
    for package in sorted(packages, key=lambda package: package.starts_on):
        start = max(package.starts_on, done)
        end = min(package.ends_on or period.end, period.end)
        if start >= end:
            continue
        if start > done:
            parts.append((done, start, None))
        last = parts[-1][2] if parts else None
        if last is not None and parts[-1][1] == start and _alike(last, package):
            parts[-1] = (parts[-1][0], end, last)
        else:
            parts.append((start, end, package))
        done = end
    if done < period.end:
        parts.append((done, period.end, None))
    return [
        Part(
            start,
            end,
            package,
            0 if package is None else -(-package.minutes * (end - start).days // period.days),
        )
        for start, end, package in parts
    ]


def primary_on(subscriptions: Iterable[SubscriptionFacts], on: date) -> SubscriptionFacts | None:
    """The primary of a day: the oldest active subscription; else the last that was; None where none ever was.

    One that ended before it began never was.
    """
    known = [
        subscription
        for subscription in subscriptions
        if subscription.starts_on <= on and subscription.starts_on < subscription.ends_on
    ]
    active = [subscription for subscription in known if subscription.is_active(on)]
    if active:
        return min(active, key=_age)
    if not known:
        return None
    last_day = max(subscription.ends_on for subscription in known) - _DAY
    return min((one for one in known if one.is_active(last_day)), key=_age, default=None)


def responsible_on(
    subscriptions: Iterable[SubscriptionFacts], meter: str, on: date
) -> SubscriptionFacts | None:
    """Who pays for a tenant's sum on a day: the active one that has had the meter longest, else the primary (SUB-7)."""
    known = list(subscriptions)
    since = {
        subscription: had_since(subscription, meter)
        for subscription in known
        if subscription.committed(meter, on)
    }
    if since:
        return min(since, key=lambda subscription: (since[subscription], _age(subscription)))
    return primary_on(known, on)


def had_since(subscription: SubscriptionFacts, meter: str) -> date:
    """The day on which a subscription first committed to a meter that it has (SUB-7); to nothing is not to it."""
    return min(
        commitment.starts_on
        for commitment in subscription.commitments
        if commitment.meter == meter and commitment.quantity
    )


def payer_of(meter: MeterTerms, usage: Usage, period: Period) -> SubscriptionFacts | None:
    """Whose line a period's overage is: decided on its last day (SUB-5 to SUB-7)."""
    last_day = period.end - _DAY
    if meter.pooling == Pooling.TENANT:
        return responsible_on(usage.subscriptions, meter.code, last_day)
    return primary_on(usage.subscriptions, last_day)


def decisive_day(days: Iterable[DayOfPeaks]) -> DayOfPeaks:
    """The day that sets a period's overage: that with the most above; of several the earliest (SUB-6)."""
    return max(days, key=lambda day: (day.above, -day.on.toordinal()))


def pool_of_named(meter: str, usage: Usage, period: Period, facts: Iterable[UsageFacts]) -> Pool:
    """The different agents of a period, and the highest daily total of commitments (SUB-6)."""
    totals = {on: sum(held.values()) for on, held in _committed_by_day(meter, usage, period).items()}
    highest = max(totals, key=lambda on: (totals[on], -on.toordinal()))
    return Pool(len({fact.subject for fact in facts}), totals[highest], highest)


def pool_of_tenant(meter: str, usage: Usage, period: Period, facts: Iterable[UsageFacts]) -> Pool:
    """The tenant's sum of a period, and the commitments of its last day (SUB-7)."""
    last_day = period.end - _DAY
    included = sum(_commitments(meter, usage, last_day).values())
    return Pool(sum(fact.units for fact in facts), included, last_day)


def days_of_peaks(meter: str, usage: Usage, period: Period, facts: Iterable[UsageFacts]) -> list[DayOfPeaks]:
    """Each day of the period with the peak of each subscription and what it had committed to (SUB-6).

    Usage that names no subscription counts as the primary's: that of the period's last day, who pays too.
    """
    primary = primary_on(usage.subscriptions, period.end - _DAY)
    peaks: dict[date, dict[int | None, int]] = defaultdict(dict)
    for fact in facts:
        of = fact.subscription
        if of is None and primary is not None:
            of = primary.id
        day = peaks[fact.on]
        day[of] = max(day.get(of, 0), fact.peak)
    committed = _committed_by_day(meter, usage, period)
    return [DayOfPeaks(on, peaks.get(on, {}), committed[on]) for on in committed]


def _by_period_and_meter(
    terms: AccountTerms, usage: Usage
) -> Iterator[tuple[tuple[Period, str], list[UsageFacts]]]:
    """The facts of each period and meter: earlier periods first, then in the order of the meters."""

    ranks = {code: meter.rank for code, meter in usage.meters.items()}
    starts: dict[date, date] = {}

    def key(fact: UsageFacts) -> tuple[date, int, str]:
        start = starts.get(fact.on)
        if start is None:
            start = starts[fact.on] = period_containing(terms.bdom, fact.on).start
        return start, ranks.get(fact.meter, 0), fact.meter

    for (_, _, code), found in groupby(sorted(usage.facts, key=key), key=key):
        facts = list(found)
        yield (period_containing(terms.bdom, facts[0].on), code), facts


def _charged(
    meter: MeterTerms, facts: list[UsageFacts], usage: Usage, period: Period, seen_before: date
) -> Iterator[Charged]:
    """What the facts recorded from `seen_before` on add to what those before came to."""
    if meter.pooling == Pooling.PACKAGE:
        return _of_packages(meter, facts, usage, period, seen_before)
    if meter.pooling == Pooling.AGENTS and usage.is_named:
        return _of_named(meter, facts, usage, period, seen_before)
    if meter.pooling in (Pooling.AGENTS, Pooling.PEAKS):
        return _of_peaks(meter, facts, usage, period, seen_before)
    if meter.pooling in (Pooling.TENANT, Pooling.PRIMARY):
        return _of_tenant(meter, facts, usage, period, seen_before)
    if meter.aggregation == Aggregation.SUM:
        return _of_sums(meter, facts, usage, period, seen_before)
    return _of_subscriptions(meter, facts, usage, period, seen_before)


def _of_packages(
    meter: MeterTerms, facts: list[UsageFacts], usage: Usage, period: Period, seen_before: date
) -> Iterator[Charged]:
    """Above the minutes of each package at its rate; without one at the rate of the day (USE-4)."""
    for part in parts_of(period, usage.packages):
        own = [fact for fact in facts if part.starts_on <= fact.on < part.ends_on]
        package = part.package
        if package is None:
            yield from _at_their_rates(
                meter,
                [fact for fact in own if fact.recorded_on >= seen_before],
                part,
                None,
                "USE-4",
                "pay-per-use: ",
            )
            continue
        used = sum(fact.units for fact in own)
        seen = sum(fact.units for fact in own if fact.recorded_on < seen_before)
        included = part.included * _MINUTE
        yield Charged(
            max(0, used - included) - max(0, seen - included),
            package.overage,
            part.starts_on,
            part.ends_on,
            part.starts_on,
            None,
            "USE-4",
            f"{package.product}: {minutes_words(used)} min used, {part.included} included",
        )


def _of_sums(
    meter: MeterTerms, facts: list[UsageFacts], usage: Usage, period: Period, seen_before: date
) -> Iterator[Charged]:
    """All of it, each subscription's for itself, at the rates of its days (USE-3)."""
    by_subscription: dict[str | None, list[UsageFacts]] = defaultdict(list)
    names = {subscription.id: subscription.name for subscription in usage.subscriptions}
    for fact in facts:
        if fact.recorded_on >= seen_before:
            by_subscription[names.get(fact.subscription or 0)].append(fact)
    whole = Part(period.start, period.end, None, 0)
    for name in sorted(by_subscription, key=lambda name: name or ""):
        yield from _at_their_rates(meter, by_subscription[name], whole, name, "USE-3", "")


def _at_their_rates(
    meter: MeterTerms, facts: list[UsageFacts], part: Part, subscription: str | None, rule: str, says: str
) -> Iterator[Charged]:
    by_price: dict[Decimal | None, list[UsageFacts]] = defaultdict(list)
    for fact in facts:
        by_price[fact.unit_price].append(fact)
    for price in sorted(by_price, key=lambda price: (price is not None, price)):
        at_price = by_price[price]
        units = sum(fact.units for fact in at_price)
        yield Charged(
            units,
            price,
            part.starts_on,
            part.ends_on,
            min(fact.on for fact in at_price),
            subscription,
            rule,
            f"{says}{_used_words(meter, units, at_price)}",
        )


def _of_peaks(
    meter: MeterTerms, facts: list[UsageFacts], usage: Usage, period: Period, seen_before: date
) -> Iterator[Charged]:
    """The highest day's peaks above that day's commitments, to the primary of the period's last day (SUB-6)."""
    days = days_of_peaks(meter.code, usage, period, facts)
    highest = decisive_day(days)
    before = [fact for fact in facts if fact.recorded_on < seen_before]
    # Most periods are rated once: without earlier records nothing was above.
    seen = max(day.above for day in days_of_peaks(meter.code, usage, period, before)) if before else 0
    yield Charged(
        highest.above - seen,
        _price_of_day(facts, highest.on),
        period.start,
        period.end,
        highest.on,
        _payer_name(meter, usage, period),
        "SUB-6",
        f"{highest.used} on {highest.on.isoformat()}, {highest.included} included",
    )


def _of_named(
    meter: MeterTerms, facts: list[UsageFacts], usage: Usage, period: Period, seen_before: date
) -> Iterator[Charged]:
    """The distinct agents of the period above the highest day's commitments, to the primary (SUB-6)."""
    used, included, _ = pool_of_named(meter.code, usage, period, facts)
    seen = len({fact.subject for fact in facts if fact.recorded_on < seen_before})
    latest = max(fact.on for fact in facts)
    yield Charged(
        max(0, used - included) - max(0, seen - included),
        _price_of_day(facts, latest),
        period.start,
        period.end,
        latest,
        _payer_name(meter, usage, period),
        "SUB-6",
        f"{used} different, {included} included",
    )


def _of_tenant(
    meter: MeterTerms, facts: list[UsageFacts], usage: Usage, period: Period, seen_before: date
) -> Iterator[Charged]:
    """The tenant's sum above the commitments of the period's last day (SUB-5, SUB-7).

    What is included is used up in the order in which it was recorded, then by day, so that what is above
    costs the rate of its own day.
    """
    used, included, _ = pool_of_tenant(meter.code, usage, period, facts)
    left = included
    above: dict[Decimal | None, list[UsageFacts]] = defaultdict(list)
    for fact in sorted(facts, key=lambda fact: (fact.recorded_on >= seen_before, fact.on)):
        covered = min(left, fact.units)
        left -= covered
        if fact.units > covered and fact.recorded_on >= seen_before:
            above[fact.unit_price].append(fact._replace(units=fact.units - covered))
    for price in sorted(above, key=lambda price: (price is not None, price)):
        yield Charged(
            sum(fact.units for fact in above[price]),
            price,
            period.start,
            period.end,
            above[price][0].on,
            _payer_name(meter, usage, period),
            "SUB-5" if meter.pooling == Pooling.PRIMARY else "SUB-7",
            f"{used} used, {included} included",
        )


def _of_subscriptions(
    meter: MeterTerms, facts: list[UsageFacts], usage: Usage, period: Period, seen_before: date
) -> Iterator[Charged]:
    """The highest record, or the number of different ones, of each subscription for itself (USE-3)."""
    names = {subscription.id: subscription.name for subscription in usage.subscriptions}
    for of in sorted({fact.subscription or 0 for fact in facts}):
        own = [fact for fact in facts if (fact.subscription or 0) == of]
        seen = [fact for fact in own if fact.recorded_on < seen_before]
        used = _aggregate(meter, own)
        decides = max(own, key=lambda fact: (fact.peak, -fact.on.toordinal()))
        yield Charged(
            used - _aggregate(meter, seen),
            decides.unit_price,
            period.start,
            period.end,
            decides.on,
            names.get(of),
            "USE-3",
            f"{used} used",
        )


def _aggregate(meter: MeterTerms, facts: list[UsageFacts]) -> int:
    if meter.aggregation == Aggregation.DISTINCT:
        return len({fact.subject for fact in facts})
    return max((fact.peak for fact in facts), default=0)


def _line(terms: AccountTerms, meter: MeterTerms, charged: Charged, *, is_late: bool) -> Line | None:
    """The line of what is charged, or None where it costs nothing."""
    if charged.units <= 0:
        return None
    if charged.unit_price is None:
        raise MissingRate(meter.code, charged.on)
    divisor = _MINUTE if meter.is_call else 1
    amount = price_units(charged.unit_price, charged.units, divisor, terms.decimals)
    if not amount:
        return None
    return Line(
        Section.USAGE,
        meter.code,
        quantity_of(charged.units, divisor),
        charged.unit_price,
        charged.starts_on,
        charged.ends_on,
        None,
        None,
        amount,
        charged.subscription,
        "",
        "",
        "",
        "USE-5" if is_late else charged.rule,
        f"recorded late, {charged.why}" if is_late else charged.why,
        (),
    )


def quantity_of(units: int, divisor: int = 1) -> int | Decimal:
    """Units as an invoice shows them: seconds as minutes, with four decimals where they are not whole."""
    if units % divisor == 0:
        return units // divisor
    return (Decimal(units) / divisor).quantize(Decimal("0.0001")).normalize()


def minutes_words(seconds: int) -> str:
    """Seconds as minutes in figures: 90 as 1.5."""
    return f"{quantity_of(seconds, _MINUTE):f}" if seconds % _MINUTE else str(seconds // _MINUTE)


def _used_words(meter: MeterTerms, units: int, facts: list[UsageFacts]) -> str:
    """How much was used, in how many calls, and where to."""
    if not meter.is_call:
        return f"{units} used"
    calls = sum(fact.records for fact in facts)
    words = f"{minutes_words(units)} min in {calls} {'call' if calls == 1 else 'calls'}"
    to = sorted({fact.destination for fact in facts if fact.destination})
    if not to:
        return words
    named = ", ".join(to[:_NAMED])
    return f"{words} to {named}" + (f" and {len(to) - _NAMED} more" if len(to) > _NAMED else "")


_NAMED = 8


def _price_of_day(facts: Iterable[UsageFacts], on: date) -> Decimal | None:
    """The rate of a day: all records of a meter and day have the same."""
    return next((fact.unit_price for fact in facts if fact.on == on), None)


def _payer_name(meter: MeterTerms, usage: Usage, period: Period) -> str | None:
    payer = payer_of(meter, usage, period)
    return None if payer is None else payer.name


def _commitments(meter: str, usage: Usage, on: date) -> dict[int, int]:
    found = {one.id: one.committed(meter, on) for one in usage.subscriptions}
    return {key: quantity for key, quantity in found.items() if quantity}


def _committed_by_day(meter: str, usage: Usage, period: Period) -> dict[date, dict[int, int]]:
    """The commitments of each day of a period, in order; looked up where a term or a commitment begins or ends."""
    changes = {period.start}
    for one in usage.subscriptions:
        changes.update((one.starts_on, one.ends_on))
        for commitment in one.commitments:
            changes.add(commitment.starts_on)
            if commitment.ends_on is not None:
                changes.add(commitment.ends_on)
    found: dict[date, dict[int, int]] = {}
    held: dict[int, int] = {}
    for on in _days(period):
        if on in changes:
            held = _commitments(meter, usage, on)
        found[on] = held
    return found


@lru_cache(maxsize=128)
def _days(period: Period) -> tuple[date, ...]:
    return tuple(period.start + _DAY * number for number in range(period.days))


def _age(subscription: SubscriptionFacts) -> tuple[date, int]:
    return subscription.starts_on, subscription.id


def _alike(one: PackageFacts, other: PackageFacts) -> bool:
    return (one.product, one.minutes, one.overage) == (other.product, other.minutes, other.overage)


def _holds(commitment: Commitment, on: date) -> bool:
    return commitment.starts_on <= on and (commitment.ends_on is None or on < commitment.ends_on)

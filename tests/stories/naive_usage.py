"""The rules of usage and of several subscriptions read a second time, as naively as can be (USE, SUB).

A story's rates never change, so a record is a day on which it happened, a day on which it was told, and how much.
What an invoice bills of a period is found by asking two mornings what the period came to: that of its own BDOM, and
that of the BDOM before. Sums are walked through record by record, in the order in which they were told; peaks and
heads are counted.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

ONE_DAY = timedelta(days=1)

# The area codes that stories use, with what USE-2 asks about each.
UNITED_STATES = {"212", "415", "617", "907", "808", "787", "340"}
FAR_STATES = {"907", "808", "787", "340"}
CANADA = {"416", "604"}
NOBODY_PAYS = {"800", "888"}


class Record(NamedTuple):
    """A record: when it happened, when it was told, and billed minutes (calls) or units."""

    meter: str
    on: date
    told: date
    units: Fraction
    price: Fraction
    subscription: str | None = None
    subject: str = ""


@dataclass
class Subscription:
    """A subscription, with its place in the order in which they were added."""

    name: str
    starts: date
    ends: date
    commitments: dict[str, int]
    place: int
    units: list[tuple[str, date]] = field(default_factory=list)

    def is_active(self, day: date) -> bool:
        """Whether the day is one of its own."""
        return self.starts <= day < self.ends


class Line(NamedTuple):
    """A line of usage as a story tells it."""

    meter: str
    starts: date
    ends: date
    minutes_or_units: Fraction
    price: Fraction
    amount: Fraction
    subscription: str | None


# --- what a call is ----------------------------------------------------------------------------


def meter_of(own: set[str], caller: str, called: str) -> str | None:
    """The meter of a call; None where its kind is free. `own` are the numbers that the account ever had."""
    home, away = (
        caller[2:5] if caller.startswith("+1") else "",
        called[2:5] if called.startswith("+1") else "",
    )
    is_inbound = called in own or (caller not in own and away in NOBODY_PAYS)
    if is_inbound and away in NOBODY_PAYS:
        if home in FAR_STATES:
            return "toll-free-inbound-ak-hi-pr-vi"
        return "toll-free-inbound-canada" if home in CANADA else "toll-free-inbound"
    if is_inbound or away in NOBODY_PAYS:
        return None
    if away and home == away:
        return "domestic-local"
    return "domestic-long-distance" if away in UNITED_STATES | CANADA else "international"


def minutes_of(seconds: int, rate: Mapping[str, Any]) -> Fraction:
    """Billed minutes: seconds counted up one by one to the minimum, then to a whole increment."""
    if seconds == 0:
        return Fraction(0)
    while seconds < rate["minimum_seconds"]:
        seconds += 1
    while seconds % rate["increment_seconds"]:
        seconds += 1
    return Fraction(seconds, 60)


def price_of(meter: str, called: str, rates: Mapping[str, Any]) -> Fraction:
    """What a minute costs; of an international call by the longest prefix."""
    prefixes = rates[meter].get("prefixes", {})
    for length in range(len(called), 0, -1):
        if called[:length] in prefixes:
            return Fraction(prefixes[called[:length]])
    return Fraction(rates[meter]["per_unit"])


# --- whose it is -------------------------------------------------------------------------------


def primary(subscriptions: list[Subscription], day: date) -> Subscription | None:
    """The oldest active subscription of a day, or of the last day before it that had one."""
    while subscriptions and day >= min(one.starts for one in subscriptions):
        active = [one for one in subscriptions if one.is_active(day)]
        if active:
            return min(active, key=lambda one: (one.starts, one.place))
        day -= ONE_DAY
    return None


def committed(subscriptions: list[Subscription], meter: str, day: date) -> int:
    """What all that are active on a day have committed to."""
    return sum(one.commitments.get(meter, 0) for one in subscriptions if one.is_active(day))


def longest(subscriptions: list[Subscription], meter: str, day: date) -> Subscription | None:
    """Who has had a meter longest of those active; a story's subscription has it from its start."""
    having = [one for one in subscriptions if one.is_active(day) and meter in one.commitments]
    if having:
        return min(having, key=lambda one: (one.starts, one.place))
    return primary(subscriptions, day)


# --- what it comes to --------------------------------------------------------------------------

POOLED = {"agents", "ivr-ports", "connect-messages", "ai-agent", "ai-assistant", "outbound-ivr"}


HEADS_AND_PEAKS = {"agents", "ivr-ports"}


@dataclass
class Ledger:
    """What the lines of an invoice are drawn from, as it is known on the morning of its BDOM."""

    records: list[Record]
    subscriptions: list[Subscription]
    is_named: bool
    packages: Mapping[date, str]
    terms: Mapping[str, Any]
    rates: Mapping[str, Any]
    decimals: int

    def lines(self, periods: list[tuple[date, date]]) -> list[Line]:
        """The usage lines of the invoice that closes the last of the periods: its own usage, and what is late."""
        told_from, closes = periods[-1]
        found: list[Line] = []
        for start, end in periods:
            for meter in self.rates:
                mine = [one for one in self.records if one.meter == meter and start <= one.on < end]
                known = sorted(
                    (one for one in mine if one.told < closes), key=lambda one: one.told >= told_from
                )
                before = [one for one in known if one.told < told_from]
                found += self.of_period(meter, (start, end), known, len(before))
        return [line for line in found if line.amount]

    def of_period(
        self, meter: str, period: tuple[date, date], known: list[Record], before: int
    ) -> Iterator[Line]:
        """What the records known now add to the first so many of them, which an invoice has billed."""
        start, end = period
        last_day = end - ONE_DAY
        payer = primary(self.subscriptions, last_day)
        if meter == "toll-free-inbound":
            for first, last, package in self.parts(period):
                part = [(one, number >= before) for number, one in enumerate(known) if first <= one.on < last]
                if package == "pay-per-use":
                    yield from self.walked(meter, (first, last), part, 0, None)
                else:
                    minutes = Fraction(
                        self.terms[package]["minutes"] * (last - first).days, (end - start).days
                    )
                    overage = Fraction(self.terms[package]["overage"])
                    priced = [(one._replace(price=overage), is_new) for one, is_new in part]
                    yield from self.walked(meter, (first, last), priced, -(-minutes // 1), None)
        elif meter in HEADS_AND_PEAKS:
            more = self.above(meter, period, known) - self.above(meter, period, known[:before])
            price = Fraction(self.rates[meter]["per_unit"])
            yield self.line(meter, period, Fraction(more), price, payer.name if payer else None)
        else:
            part = [(one, number >= before) for number, one in enumerate(known)]
            if meter in POOLED:
                if meter != "connect-messages":
                    payer = longest(self.subscriptions, meter, last_day)
                included = committed(self.subscriptions, meter, last_day)
                yield from self.walked(meter, period, part, included, payer.name if payer else None)
            else:
                yield from self.walked(meter, period, part, 0, None)

    def parts(self, period: tuple[date, date]) -> list[tuple[date, date, str]]:
        """The period cut where the package of a day is another than that of the day before."""
        found: list[tuple[date, date, str]] = []
        day, end = period
        while day < end:
            package = self.packages.get(day, "pay-per-use")
            if found and found[-1][2] == package:
                found[-1] = (found[-1][0], day + ONE_DAY, package)
            else:
                found.append((day, day + ONE_DAY, package))
            day += ONE_DAY
        return found

    def walked(
        self,
        meter: str,
        dates: tuple[date, date],
        records: list[tuple[Record, bool]],
        included: int,
        payer: str | None,
    ) -> Iterator[Line]:
        """Record by record: first what is included is used up, then each costs; a line for each rate."""
        left = Fraction(included)
        above: dict[Fraction, Fraction] = defaultdict(Fraction)
        for record, is_new in records:
            free = min(left, record.units)
            left -= free
            if is_new:
                above[record.price] += record.units - free
        for price, units in above.items():
            yield self.line(meter, dates, units, price, payer)

    def above(self, meter: str, period: tuple[date, date], records: list[Record]) -> int:
        """Agents or ports above what is committed: different heads, or the worst day."""
        day, end = period
        days = [day + ONE_DAY * number for number in range((end - day).days)]
        if meter == "agents" and self.is_named:
            heads = {one.subject for one in records}
            return max(0, len(heads) - max(committed(self.subscriptions, meter, day) for day in days))
        whose = primary(self.subscriptions, end - ONE_DAY)
        worst = 0
        for day in days:
            peaks: dict[str | None, Fraction] = defaultdict(Fraction)
            for one in records:
                if one.on == day:
                    name = one.subscription or (whose.name if whose else None)
                    peaks[name] = max(peaks[name], one.units)
            worst = max(worst, int(sum(peaks.values())) - committed(self.subscriptions, meter, day))
        return worst

    def line(
        self, meter: str, dates: tuple[date, date], units: Fraction, price: Fraction, payer: str | None
    ) -> Line:
        """A line, rounded once: half up in the currency's decimals."""
        scale = 10**self.decimals
        amount = Fraction((units * price * scale * 2 + 1) // 2, scale)
        return Line(meter, *dates, units, price, amount, payer)

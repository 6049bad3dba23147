"""What the usage pages read: a period's figures and cost, its shares by number, holder and day, and its records.

What is added up is kept until the account's ledger or usage moves, so that a period of a million records is
added up once and not on each page.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, NamedTuple, TypeVar
from zlib import crc32

from django.core.cache import cache
from django.db.models import (
    BooleanField,
    Case,
    Count,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)

from accounts.models import Account
from billing.engine import (
    Aggregation,
    MeterTerms,
    Period,
    Pooling,
    Section,
    Usage,
    UsageFacts,
    period_containing,
    previous_bdom,
)
from billing.engine.figures import (
    Figure,
    UsageCost,
    UsedPart,
    cost_of_usage,
    figures_of,
    has_own_price,
    price_of_units,
    projected,
    used_of,
)
from billing.engine.usage import Part, parts_of, primary_on
from billing.gather import terms_of
from billing.gather_usage import meter_terms, packages_of, usage_of_period
from billing.models import (
    BillingSchedule,
    Charge,
    Invoice,
    InvoiceKind,
    InvoiceLine,
    InvoiceState,
    Meter,
    UsageRecord,
)
from billing.packages import package_charge
from billing.preview import KEPT_FOR_SECONDS

MOST_PERIODS: Final = 24
_DAY = timedelta(days=1)


# --- periods ---------------------------------------------------------------------------------


def periods_of(account: Account, today: date) -> list[Period]:
    """The account's billing periods, that of today first, back to its opening and at most two years."""
    found = [period_containing(account.bdom, today)]
    while len(found) < MOST_PERIODS and found[-1].start > account.opened_on:
        start = previous_bdom(account.bdom, found[-1].start)
        found.append(Period(start, found[-1].start))
    return found


class Standing(NamedTuple):
    """Where an account stands when a period is looked at.

    `next_period` is the one that the next invoice closes. `closing_invoice` is the number of the invoice that
    closed the period looked at, "" where none did.
    """

    stamp: str
    next_period: Period
    closing_invoice: str
    has_usage: bool

    def is_billed(self, period: Period) -> bool:
        """Whether the invoice of a period's end has been dealt with."""
        return period.start < self.next_period.start


def standing_of(account: Account, period: Period) -> Standing:
    """Where the account stands, for a look at a period. One query."""
    closing = Invoice.objects.filter(
        account=OuterRef("account"), kind=InvoiceKind.BDOM, issued_on=period.end
    ).exclude(state=InvoiceState.DRAFT)
    row = (
        BillingSchedule.objects.annotate(closing=Subquery(closing.values("number")[:1]))
        .values_list("stamp", "next_bdom_on", "usage_recorded_on", "closing")
        .get(account=account)
    )
    return standing_from(account, *row)


def standing_from(
    account: Account, stamp: object, next_bdom_on: date, usage_recorded_on: date | None, closing: str | None
) -> Standing:
    """The same, of a schedule that is at hand."""
    next_period = Period(previous_bdom(account.bdom, next_bdom_on), next_bdom_on)
    return Standing(str(stamp), next_period, closing or "", usage_recorded_on is not None)


# --- a period's usage ------------------------------------------------------------------------


class MeterNames(NamedTuple):
    """What a meter is called, and what is counted, in the singular."""

    name: str
    unit: str


class Meters(NamedTuple):
    """All meters: how the engine reads them, and what they are called."""

    terms: dict[str, MeterTerms]
    names: dict[str, MeterNames]


def all_meters() -> Meters:
    """All meters by code, in their order. One query."""
    found = Meters({}, {})
    rows = Meter.objects.values_list("code", "is_call", "aggregation", "pooling", "rank", "name", "unit")
    for code, is_call, aggregation, pooling, rank, name, unit in rows:
        found.terms[code] = MeterTerms(code, is_call, Aggregation(aggregation), Pooling(pooling), rank)
        found.names[code] = MeterNames(name, unit)
    return found


Kept = TypeVar("Kept")


def usage_in(account: Account, period: Period, standing: Standing, meters: Meters) -> Usage:
    """All usage of a period, whenever it was recorded, added up by its days. Three queries, or none where it is kept.

    What was recorded within the period, after it, and since the last invoice stays apart.
    """
    splits = tuple(sorted({period.end, max(period.end, standing.next_period.start)}))
    key = _key("usage", account, period, standing, repr((splits, meters.terms)))
    kept: Usage | None = cache.get(key)
    if kept is None:
        kept = usage_of_period(account, period, meters.terms, splits)
        cache.set(key, kept, KEPT_FOR_SECONDS)
    return kept


def _key(kind: str, account: Account, period: Period, standing: Standing, more: str = "") -> str:
    """What something that was added up is kept by: it holds until the account's ledger or usage moves."""
    return f"{kind}:{account.pk}:{standing.stamp}:{period.start.isoformat()}:{crc32(more.encode())}"


class BilledLine(NamedTuple):
    """A usage line of an invoice that was issued: whose it is, what it is of, and what it came to."""

    number: str
    issued_on: date
    meter: str
    quantity: Decimal
    unit_price: Decimal
    starts_on: date
    ends_on: date
    amount: Decimal
    subscription: str
    why: str


@dataclass(frozen=True, slots=True)
class PeriodUsage:
    """A period as a page shows it.

    `cost` is what its usage comes to on the next invoice: all of it while the period is not billed, else what
    came late since. `billed` are the lines of invoices that hold the rest. `expected` and `expected_cost` are the
    estimate for the whole of a period that is not over, else None.
    """

    period: Period
    usage: Usage
    figures: list[Figure]
    cost: UsageCost
    billed: list[BilledLine]
    expected: dict[str, Figure] | None = None
    expected_cost: UsageCost | None = None

    @property
    def total(self) -> Decimal:
        """What the period's usage costs, as far as it is known."""
        return self.cost.total + sum((line.amount for line in self.billed), Decimal(0))

    def cost_of(self, meter: str) -> Decimal:
        """What a meter's usage costs."""
        billed = (line.amount for line in self.billed if line.meter == meter)
        return self.cost.of(meter) + sum(billed, Decimal(0))

    @property
    def late(self) -> dict[str, int]:
        """How many records of each meter were recorded after the period's end."""
        found: dict[str, int] = defaultdict(int)
        for fact in self.usage.facts:
            if fact.recorded_on >= self.period.end:
                found[fact.meter] += fact.records
        return found


def period_usage(
    account: Account, period: Period, standing: Standing, meters: Meters, today: date
) -> PeriodUsage:
    """A period's figures, what they cost, and where they are heading. Four queries at most, one where usage is kept."""
    usage = usage_in(account, period, standing, meters)
    terms = terms_of(account)
    figures = figures_of(usage, period)
    if standing.is_billed(period):
        # The same facts, asked for by the next invoice: what it adds to what those before it hold (USE-5).
        cost = cost_of_usage(terms, usage, standing.next_period)
        return PeriodUsage(period, usage, figures, cost, billed_lines(account, period))
    cost = cost_of_usage(terms, usage, period)
    if today not in period:
        return PeriodUsage(period, usage, figures, cost, [])
    to_come = projected(usage, period, max(period.start, account.opened_on), today)
    expected = {figure.meter.code: figure for figure in figures_of(to_come, period)}
    return PeriodUsage(period, usage, figures, cost, [], expected, cost_of_usage(terms, to_come, period))


def billed_lines(account: Account, period: Period) -> list[BilledLine]:
    """The usage lines of a period on invoices that hold, in the order in which they were issued. One query."""
    rows = (
        InvoiceLine.objects.filter(
            invoice__account=account,
            invoice__kind=InvoiceKind.BDOM,
            invoice__issued_on__gte=period.end,
            section=Section.USAGE,
            starts_on__gte=period.start,
            starts_on__lt=period.end,
        )
        .exclude(invoice__state__in=(InvoiceState.DRAFT, InvoiceState.VOID))
        .order_by("invoice__issued_on", "position")
        .values_list(
            "invoice__number",
            "invoice__issued_on",
            "product",
            "quantity",
            "unit_price",
            "starts_on",
            "ends_on",
            "amount",
            "subscription",
            "why",
        )
    )
    return [BilledLine._make((*row[:8], row[8] or "", row[9])) for row in rows]


class PackageStanding(NamedTuple):
    """Where the account's toll-free package stands today: its charge, None while it pays per use, and its minutes.

    `part` are the days of this period in which it holds, with what they include and used (USE-4).
    """

    charge: Charge | None
    part: UsedPart
    period: Period


def package_standing(account: Account, today: date) -> PackageStanding:
    """The toll-free package with what of it is used so far in this period (USE-6). Five queries at most."""
    period = period_containing(account.bdom, today)
    meters = {code: meter for code, meter in meter_terms().items() if meter.pooling == Pooling.PACKAGE}
    usage = usage_of_period(account, period, meters)
    used: dict[date, int] = defaultdict(int)
    for fact in usage.facts:
        used[fact.on] += fact.units
    part = next(part for part in parts_of(period, usage.packages) if part.starts_on <= today < part.ends_on)
    own = sum(units for on, units in used.items() if part.starts_on <= on < part.ends_on)
    return PackageStanding(package_charge(account), UsedPart(part, own), period)


# --- the parts of a period -------------------------------------------------------------------


class Share(NamedTuple):
    """What one number, person, subscription or day used of a meter in a period.

    `key` tells it from others; `cost` is what those of its records cost that have a cost of their own, None
    where none has (or nobody has set a rate). `whole` is what a package or a pool may cover, so that it is
    priced as a whole.
    """

    key: str
    meter: str
    records: int
    used: int
    cost: Decimal | None
    late: int
    whole: int


def shares_by_day(period: Period, usage: Usage) -> list[Share]:
    """What each day used of each meter; keys are ISO dates, the earliest first."""
    return _shares(usage, period, lambda fact: fact.on.isoformat())


def shares_by_subscription(period: Period, usage: Usage) -> list[Share]:
    """What each subscription used of each meter; keys are names, "" for calls, which name none (SUB-5).

    All messages are the primary's, and so is what names no subscription of what is committed to: those of
    the period's last day, who pays for what is above (SUB-6).
    """
    names = {subscription.id: subscription.name for subscription in usage.subscriptions}
    primary = primary_on(usage.subscriptions, period.end - _DAY)

    def key(fact: UsageFacts) -> str:
        pooling = usage.meters[fact.meter].pooling
        is_shared = fact.subscription is None and pooling not in (Pooling.NONE, Pooling.PACKAGE)
        if primary is not None and (is_shared or pooling == Pooling.PRIMARY):
            return primary.name
        return names.get(fact.subscription or 0, "")

    return _shares(usage, period, key)


def shares_by_meter(period: Period, usage: Usage) -> list[Share]:
    """What was used of each meter; keys are the meters' codes."""
    return _shares(usage, period, lambda fact: fact.meter)


def shares_by_number(account: Account, period: Period, standing: Standing, meters: Meters) -> list[Share]:
    """What each of the account's numbers used of each kind of calls; keys are E.164. Three queries at most."""
    return _call_shares(account, period, standing, meters, "number")


def shares_by_holder(account: Account, period: Period, standing: Standing, meters: Meters) -> list[Share]:
    """What each end user and service used of each kind of calls: who held the number at the time of each.

    Keys are their names, "" for a number that nobody held. Three queries at most.
    """
    return _call_shares(account, period, standing, meters, "holder")


def _call_shares(
    account: Account, period: Period, standing: Standing, meters: Meters, field: str
) -> list[Share]:
    key = _key(f"calls-{field}", account, period, standing, repr(meters.terms))
    kept: list[Share] | None = cache.get(key)
    if kept is not None:
        return kept
    calls = [code for code, meter in meters.terms.items() if meter.is_call]
    rows = (
        UsageRecord.objects.filter(
            account=account, occurred_on__gte=period.start, occurred_on__lt=period.end, meter__in=calls
        )
        .order_by()
        .annotate(per_use=_per_use(parts_in(account, period)))
        .values_list(field, "meter", "unit_price", "per_use")
        .annotate(
            records=Count("id"),
            total=Sum("units"),
            late=Count("id", filter=Q(recorded_on__gte=period.end)),
        )
    )
    found: dict[tuple[str, str], list[_Priced]] = defaultdict(list)
    for of, meter, price, per_use, records, units, late in rows:
        terms = meters.terms[meter]
        has_own = has_own_price(terms) or (per_use and terms.pooling == Pooling.PACKAGE)
        found[of, meter].append(_Priced(price if has_own else None, units, records, late, has_own))
    shares = [
        _share(of, meters.terms[meter], parts, sum(part.units for part in parts))
        for (of, meter), parts in found.items()
    ]
    cache.set(key, shares, KEPT_FOR_SECONDS)
    return shares


def _per_use(parts: Sequence[Part]) -> Case:
    """Whether a record lies on a day on which no package holds (USE-4)."""
    days = [
        Q(occurred_on__gte=part.starts_on, occurred_on__lt=part.ends_on)
        for part in parts
        if part.package is None
    ]
    return Case(
        *(When(spell, then=Value(True)) for spell in days),
        default=Value(False),
        output_field=BooleanField(),
    )


class _Priced(NamedTuple):
    """What was used at one rate; `has_own` says whether each record costs that, and not all of them as a whole."""

    unit_price: Decimal | None
    units: int
    records: int
    late: int
    has_own: bool


def _share(key: str, meter: MeterTerms, parts: Sequence[_Priced], used: int) -> Share:
    """A share of parts; `used` is what they come to as the meter counts it."""
    return Share(
        key,
        meter.code,
        sum(part.records for part in parts),
        used,
        _own_cost(meter, [part for part in parts if part.has_own]),
        sum(part.late for part in parts),
        sum(part.units for part in parts if not part.has_own),
    )


def _own_cost(meter: MeterTerms, parts: Sequence[_Priced]) -> Decimal | None:
    total = Decimal(0)
    for part in parts:
        if part.unit_price is None:
            return None
        total += price_of_units(meter, part.units, part.unit_price)
    return total if parts else None


def _shares(usage: Usage, period: Period, key: Callable[[UsageFacts], str]) -> list[Share]:
    found: dict[tuple[str, str], list[UsageFacts]] = defaultdict(list)
    for fact in usage.facts:
        found[key(fact), fact.meter].append(fact)
    parts = parts_of(period, usage.packages)
    shares = []
    for (of, code), facts in found.items():
        meter = usage.meters[code]
        priced = [
            _Priced(
                fact.unit_price,
                fact.units,
                fact.records,
                fact.records if fact.recorded_on >= period.end else 0,
                has_own_price(meter) or is_pay_per_use(meter, fact.on, parts),
            )
            for fact in facts
        ]
        shares.append(_share(of, meter, priced, used_of(meter, facts, is_named=usage.is_named)))
    return sorted(shares, key=lambda share: (share.key, usage.meters[share.meter].rank))


# --- single records --------------------------------------------------------------------------


def records_of(
    account: Account,
    period: Period,
    *,
    search: str = "",
    meter: str = "",
    number: str = "",
    holder: str | None = None,
    first: date | None = None,
    last: date | None = None,
) -> QuerySet[UsageRecord]:
    """The records of a period, with the subscription that each names.

    Every word of `search` is looked for in the two numbers, however written, the holder, and what is counted;
    `number` are the last figures of one of the account's; `first` and `last` are days, both included.
    """
    begins = max(period.start, first) if first else period.start
    ends = min(period.end, last + _DAY) if last and last < period.end else period.end
    found = UsageRecord.objects.filter(account=account, occurred_on__gte=begins, occurred_on__lt=ends)
    if meter:
        found = found.filter(meter=meter)
    if number:
        found = found.filter(number__endswith=number)
    for word in search_words(search):
        found = found.filter(
            Q(number__contains=word)
            | Q(peer__contains=word)
            | Q(holder__icontains=word)
            | Q(subject__icontains=word)
        )
    return found.select_related("subscription")


def search_words(search: str) -> list[str]:
    """What is looked for: words, and the figures of a phone number as one, however they are set apart."""
    bare = re.sub(r"[\s().+-]", "", search)
    return [bare] if bare.isdigit() else search.split()


def record_cost(record: UsageRecord, meters: Meters, parts: Sequence[Part]) -> Decimal | None:
    """What one record costs by itself, not rounded; None where it has no cost of its own, or no rate is set.

    `parts` are those of its period (USE-4): while no package holds, toll-free calls cost something each.
    """
    meter = meters.terms[record.meter]
    if record.unit_price is None:
        return None
    if has_own_price(meter) or is_pay_per_use(meter, record.occurred_on, parts):
        return price_of_units(meter, record.units, record.unit_price)
    return None


def is_pay_per_use(meter: MeterTerms, on: date, parts: Sequence[Part]) -> bool:
    """Whether a call of a day is one that a package would include, and none holds (USE-4)."""
    return meter.pooling == Pooling.PACKAGE and any(
        part.package is None and part.starts_on <= on < part.ends_on for part in parts
    )


def parts_in(account: Account, period: Period) -> list[Part]:
    """The parts of a period in which a package held, or none. Two queries at most."""
    return parts_of(period, packages_of(account))

"""How a period's overage came about: the engine's own working, and the very lines that bill it (SUB-5 to SUB-7)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from accounts.models import Account
from billing.engine import (
    BillingFault,
    Line,
    MeterTerms,
    Period,
    Pooling,
    Section,
    SubscriptionFacts,
    Usage,
    UsageFacts,
    period_containing,
    split,
)
from billing.engine.usage import (
    DayOfPeaks,
    Pool,
    days_of_peaks,
    decisive_day,
    payer_of,
    pool_of_named,
    pool_of_tenant,
)
from billing.gather import decimals_of
from billing.gather_usage import pooled_usage
from billing.models import BillingSchedule, InvoiceKind, InvoiceLine, InvoiceState, Subscription
from billing.preview import draw, next_invoice

NO_SUBSCRIPTION = "No subscription"
NO_DEPARTMENT = "No department"


class BilledLine(NamedTuple):
    """A line that bills a period's overage: of an issued invoice, or of the next one (`number` is "")."""

    number: str
    on: date
    quantity: Decimal | int
    unit_price: Decimal
    amount: Decimal
    subscription: str
    rule: str
    why: str


class Share(NamedTuple):
    """What a department would bear of an overage; `weight` is what its subscriptions used above their own."""

    department: str
    subscriptions: tuple[str, ...]
    weight: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Working:
    """How the overage of one meter came about.

    `days` are those of daily peaks; `decisive` of them set the overage, or had the most use where none did.
    `pool` is what was used and is included, on that day or in the period. `payer` bears what is above;
    `lines` bill it, and sum to `amount`; `shares` are its parts by department, and sum to it too.
    """

    meter: MeterTerms
    pool: Pool
    days: Sequence[DayOfPeaks]
    decisive: DayOfPeaks | None
    used: Mapping[int | None, int]
    committed: Mapping[int, int]
    payer: SubscriptionFacts | None
    lines: Sequence[BilledLine]
    shares: Sequence[Share]

    @property
    def amount(self) -> Decimal:
        """What the overage costs, in the account's currency."""
        return sum((line.amount for line in self.lines), Decimal(0))


@dataclass(frozen=True, slots=True)
class Overage:
    """A period's usage with the working of each meter that was used or is committed to.

    `fault` is why no amounts are known: the invoice that would bill it cannot be drawn.
    """

    period: Period
    usage: Usage
    workings: Sequence[Working]
    fault: BillingFault | None = None

    @property
    def amount(self) -> Decimal:
        """All overage of the period."""
        return sum((working.amount for working in self.workings), Decimal(0))


def overage_of(account: Account, period: Period) -> Overage:
    """The working of a billing period of the account, over or not.

    Seven queries, and those of the next invoice where it is not known yet.
    """
    usage = pooled_usage(account, period)
    facts: dict[str, list[UsageFacts]] = defaultdict(list)
    for fact in usage.facts:
        facts[fact.meter].append(fact)
    last_day = period.end - timedelta(days=1)
    lines, fault = _lines(account, period) if facts else ({}, None)
    departments = dict(Subscription.objects.filter(tenancy=account.pk).values_list("id", "department"))
    workings = [
        _working(account, meter, usage, period, facts[meter.code], lines.get(meter.code, []), departments)
        for meter in sorted(usage.meters.values(), key=lambda meter: meter.rank)
        if facts[meter.code] or any(one.committed(meter.code, last_day) for one in usage.subscriptions)
    ]
    return Overage(period, usage, workings, fault)


def _lines(account: Account, period: Period) -> tuple[dict[str, list[BilledLine]], BillingFault | None]:
    try:
        return billed_lines(account, period), None
    except BillingFault as fault:
        return {}, fault


def billed_lines(account: Account, period: Period) -> dict[str, list[BilledLine]]:
    """The lines that bill a period's usage, by meter: of invoices, then of those that are still to come.

    Raises BillingFault where one that is to come cannot be drawn.
    """
    found: dict[str, list[BilledLine]] = defaultdict(list)
    issued = (
        InvoiceLine.objects.filter(
            invoice__account=account,
            invoice__kind=InvoiceKind.BDOM,
            invoice__issued_on__gte=period.end,
            section=Section.USAGE,
            starts_on=period.start,
            ends_on=period.end,
        )
        .exclude(invoice__state__in=(InvoiceState.DRAFT, InvoiceState.VOID))
        .order_by("invoice__issued_on", "position")
        .select_related("invoice")
    )
    for line in issued:
        found[line.product].append(_billed(line, line.invoice.number or "", line.invoice.issued_on))
    for on, coming in _to_come(account, period):
        found[coming.product].append(_billed(coming, "", on))
    return found


def periods_of(account: Account, today: date, most: int = 13) -> list[Period]:
    """The account's billing periods, this one first, as far back as `most` or its opening."""
    periods = [period_containing(account.bdom, today)]
    while len(periods) < most and periods[-1].start > account.opened_on:
        periods.append(period_containing(account.bdom, periods[-1].start - timedelta(days=1)))
    return periods


def _to_come(account: Account, period: Period) -> list[tuple[date, Line]]:
    """The lines of invoices to come: of the next one, and of the one that closes the period."""
    drafts = [next_invoice(account)]
    if period.end > drafts[0].on:
        schedule = BillingSchedule.objects.get(account=account)
        drafts.append(draw(account, period.end, schedule=schedule))
    return [
        (draft.on, line)
        for draft in drafts
        for line in draft.lines
        if line.section is Section.USAGE and (line.starts_on, line.ends_on) == (period.start, period.end)
    ]


def _billed(line: Line | InvoiceLine, number: str, on: date) -> BilledLine:
    return BilledLine(
        number,
        on,
        line.quantity,
        line.unit_price,
        line.amount,
        line.subscription or "",
        line.rule,
        line.why,
    )


def _working(
    account: Account,
    meter: MeterTerms,
    usage: Usage,
    period: Period,
    facts: Sequence[UsageFacts],
    lines: Sequence[BilledLine],
    departments: Mapping[int, str],
) -> Working:
    payer = payer_of(meter, usage, period)
    days: list[DayOfPeaks] = []
    decisive = None
    if meter.pooling == Pooling.PEAKS or (meter.pooling == Pooling.AGENTS and not usage.is_named):
        days = days_of_peaks(meter.code, usage, period, facts)
        decisive = decisive_day(days)
        if not decisive.above:
            # None set an overage: the one that came nearest is the one to look at.
            decisive = max(days, key=lambda day: (day.used, -day.on.toordinal()))
        pool = Pool(decisive.used, decisive.included, decisive.on)
        used = decisive.peaks
    elif meter.pooling == Pooling.AGENTS:
        pool = pool_of_named(meter.code, usage, period, facts)
        used = _different(facts, payer)
    else:
        pool = pool_of_tenant(meter.code, usage, period, facts)
        used = _sums(meter, facts, payer)
    committed = {
        one.id: quantity for one in usage.subscriptions if (quantity := one.committed(meter.code, pool.on))
    }
    amount = sum((line.amount for line in lines), Decimal(0))
    shares = _shares(usage, used, committed, departments, amount, decimals_of(account.currency))
    return Working(meter, pool, days, decisive, used, committed, payer, lines, shares)


def _different(facts: Sequence[UsageFacts], payer: SubscriptionFacts | None) -> dict[int | None, int]:
    """The different agents of each subscription; one who worked on several is counted where first seen.

    So that the parts add up to the whole. What names no subscription is the primary's (SUB-6).
    """
    seen: dict[str, int | None] = {}
    for fact in sorted(facts, key=lambda fact: (fact.on, fact.subject, fact.subscription or 0)):
        seen.setdefault(fact.subject, _of(fact, payer))
    found: dict[int | None, int] = defaultdict(int)
    for of in seen.values():
        found[of] += 1
    return found


def _sums(
    meter: MeterTerms, facts: Sequence[UsageFacts], payer: SubscriptionFacts | None
) -> dict[int | None, int]:
    """The units of each subscription; of messages all are the primary's (SUB-5)."""
    found: dict[int | None, int] = defaultdict(int)
    for fact in facts:
        is_primarys = meter.pooling == Pooling.PRIMARY and payer is not None
        found[payer.id if is_primarys and payer else _of(fact, payer)] += fact.units
    return found


def _of(fact: UsageFacts, payer: SubscriptionFacts | None) -> int | None:
    if fact.subscription is not None:
        return fact.subscription
    return None if payer is None else payer.id


def _shares(
    usage: Usage,
    used: Mapping[int | None, int],
    committed: Mapping[int, int],
    departments: Mapping[int, str],
    amount: Decimal,
    decimals: int,
) -> list[Share]:
    """The amount by department: by what each subscription used above its own commitment, else by its usage."""
    if not amount:
        return []
    names = {one.id: one.name for one in usage.subscriptions}
    above = {of: max(0, units - committed.get(of or 0, 0)) for of, units in used.items()}
    weights = above if any(above.values()) else used
    by_department: dict[str, dict[str, int]] = defaultdict(dict)
    for of, weight in weights.items():
        if of is None:
            by_department[NO_SUBSCRIPTION][""] = weight
        elif weight:
            by_department[departments.get(of) or NO_DEPARTMENT][names.get(of, "")] = weight
    sums = {department: sum(parts.values()) for department, parts in by_department.items()}
    if not any(sums.values()):
        return []
    amounts = split(amount, list(sums.values()), decimals)
    return [
        Share(department, tuple(name for name in by_department[department] if name), weight, part)
        for (department, weight), part in zip(sums.items(), amounts, strict=True)
    ]

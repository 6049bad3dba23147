"""Reads usage for invoices: added up by the database, as far as nothing that decides on it differs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

from django.db.models import Case, CharField, Count, DateField, F, Max, Min, Q, QuerySet, Sum, Value, When

from accounts.models import Account
from billing.engine import (
    Aggregation,
    ChargeFacts,
    Commitment,
    MeterTerms,
    PackageFacts,
    Period,
    Pooling,
    SubscriptionFacts,
    Usage,
    UsageFacts,
    period_containing,
    previous_bdom,
)
from billing.models import (
    Charge,
    Family,
    LicenceMode,
    Meter,
    PackageTerms,
    Product,
    Subscription,
    UsageRecord,
)

# Meters of which each day, or each record's subject, may decide.
_BY_DAY = frozenset({Pooling.AGENTS, Pooling.PEAKS, Pooling.TENANT, Pooling.PRIMARY})


class Due(NamedTuple):
    """An account whose invoice of the BDOM `on` is to be drawn; `before` is the BDOM before."""

    account: Account
    before: date
    on: date


def meter_terms() -> dict[str, MeterTerms]:
    """All meters by code, as the engine reads them. One query."""
    rows = Meter.objects.values_list("code", "is_call", "aggregation", "pooling", "rank")
    return {
        code: MeterTerms(code, is_call, Aggregation(aggregation), Pooling(pooling), rank)
        for code, is_call, aggregation, pooling, rank in rows
    }


def gather_usage(
    accounts: Sequence[tuple[Account, date]], charges: Mapping[int, Sequence[ChargeFacts]]
) -> dict[int, Usage]:
    """What usage each (account, its BDOM to be drawn) is rated by, by the account's id; none without usage.

    `charges` are what was gathered of each. One query for all accounts that share their BDOM dates; a
    fixed number more where commitments, packages or records that came late decide.
    """
    dues = {account.pk: Due(account, previous_bdom(account.bdom, on), on) for account, on in accounts}
    alike: dict[tuple[date, date], list[int]] = defaultdict(list)
    for pk, due in dues.items():
        alike[due.before, due.on].append(pk)
    found: dict[int, list[UsageFacts]] = defaultdict(list)
    meters: dict[str, MeterTerms] = {}
    sold: frozenset[str] = frozenset()
    for (before, on), pks in alike.items():
        recorded = UsageRecord.objects.filter(
            account_id__any_of=pks, recorded_on__gte=before, recorded_on__lt=on
        )
        if not meters:
            meters, sold = meter_terms(), package_codes()
        changing = [pk for pk in pks if _changes(_of(sold, charges.get(pk, ())), before, on)]
        _add(found, recorded, meters, Q(occurred_on__lt=before) | Q(account_id__any_of=changing))
    if not found:
        return {}
    late = {pk: facts for pk, facts in found.items() if any(fact.on < dues[pk].before for fact in facts)}
    _add_earlier(found, late, dues, meters)
    held = {pk: _of(sold, charges.get(pk, ())) for pk in found}
    packages = _packages({pk: dues[pk] for pk in found}, held, late)
    tenants = _tenants([pk for pk, facts in found.items() if _has_pools(facts, meters)], dues)
    return {
        pk: Usage(meters, facts, packages.get(pk, ()), *tenants.get(pk, ((), False)))
        for pk, facts in found.items()
    }


def pooled_usage(account: Account, period: Period) -> Usage:
    """What of a period is held against commitments, as far as it is known now, whenever it was recorded.

    Five queries.
    """
    meters = {code: meter for code, meter in meter_terms().items() if meter.pooling in _BY_DAY}
    found: dict[int, list[UsageFacts]] = {account.pk: []}
    records = UsageRecord.objects.filter(
        account=account, meter__in=meters, occurred_on__gte=period.start, occurred_on__lt=period.end
    )
    _add(found, records, meters, Q(pk__isnull=False))
    due = Due(account, period.start, date.max)
    tenants = _tenants([account.pk], {account.pk: due})
    return Usage(meters, found[account.pk], (), *tenants.get(account.pk, ((), False)))


def usage_of_period(
    account: Account,
    period: Period,
    meters: Mapping[str, MeterTerms],
    known_before: Sequence[date] = (),
) -> Usage:
    """All usage of one period by its days, whenever it was recorded, with all that it is held against.

    `meters` are those to look at. What was recorded before and after each of the days `known_before` (in
    order) is not added up. Four queries at most.
    """
    found: dict[int, list[UsageFacts]] = {account.pk: []}
    records = UsageRecord.objects.filter(
        account=account, meter__in=meters, occurred_on__gte=period.start, occurred_on__lt=period.end
    )
    _add(found, records, meters, Q(pk__isnull=False), known_before)
    due = {account.pk: Due(account, period.start, date.max)}
    packages = _packages(due, {}, {account.pk: ()})
    pools = [account.pk] if any(meter.pooling in _BY_DAY for meter in meters.values()) else []
    tenants = _tenants(pools, due)
    return Usage(
        meters,
        found[account.pk],
        packages.get(account.pk, ()),
        *tenants.get(account.pk, ((), False)),
    )


def packages_of(account: Account) -> list[PackageFacts]:
    """The packages that an account has held, and has. Two queries at most."""
    return _packages({account.pk: Due(account, date.min, date.max)}, {}, {account.pk: ()}).get(account.pk, [])


def package_codes() -> frozenset[str]:
    """The codes of all toll-free packages. One query."""
    return frozenset(Product.objects.filter(family=Family.PACKAGE).values_list("code", flat=True))


def _of(sold: frozenset[str], charges: Iterable[ChargeFacts]) -> list[ChargeFacts]:
    """Those of the charges that are packages."""
    return [charge for charge in charges if charge.product in sold]


def _changes(packages: Iterable[ChargeFacts], before: date, on: date) -> bool:
    """Whether a package began or ended within the period, so that days decide."""
    return any(
        (charge.starts_on is not None and before < charge.starts_on < on)
        or (charge.ended_on is not None and before < charge.ended_on < on)
        for charge in packages
    )


def _add(
    found: dict[int, list[UsageFacts]],
    records: QuerySet[UsageRecord],
    meters: Mapping[str, MeterTerms],
    by_day: Q,
    known_before: Sequence[date] = (),
) -> None:
    """Add records up, by day where `by_day` or their meter asks for it.

    Those recorded before and after each of the days `known_before`, which are in order, stay apart.
    """
    daily = [
        code
        for code, meter in meters.items()
        if meter.pooling in _BY_DAY or meter.aggregation != Aggregation.SUM
    ]
    different = [
        code
        for code, meter in meters.items()
        if meter.pooling == Pooling.AGENTS or meter.aggregation == Aggregation.DISTINCT
    ]
    # The last day that is not after the record counts, so they are asked in turn from behind.
    spells = [
        When(recorded_on__gte=day, then=Value(place)) for place, day in enumerate(known_before, start=1)
    ]
    known = [Case(*reversed(spells), default=Value(0))] if spells else []
    rows = (
        records.order_by()
        .annotate(
            of_day=Case(
                When(by_day | Q(meter__in=daily), then=F("occurred_on")),
                default=Value(None),
                output_field=DateField(null=True),
            ),
            of_subject=Case(
                When(meter__in=different, then=F("subject")), default=Value(""), output_field=CharField()
            ),
        )
        .values_list(
            "account_id",
            "meter",
            "unit_price",
            "subscription_id",
            "destination",
            "of_day",
            "of_subject",
            *known,
        )
        .annotate(
            first_on=Min("occurred_on"),
            last_recorded_on=Max("recorded_on"),
            total=Sum("units"),
            highest=Max("units"),
            records=Count("id"),
        )
    )
    for pk, meter, price, subscription, destination, _, subject, *last in rows:
        on, recorded_on, total, highest, count = last[len(known) :]
        found[pk].append(
            UsageFacts(
                meter, on, recorded_on, total, highest, count, price, subscription, subject, destination
            )
        )


def _add_earlier(
    found: dict[int, list[UsageFacts]],
    late: Mapping[int, Sequence[UsageFacts]],
    dues: Mapping[int, Due],
    meters: Mapping[str, MeterTerms],
) -> None:
    """For what came late of a meter that something is included in: what was recorded before of that period."""
    wanted = Q()
    for pk, facts in late.items():
        due = dues[pk]
        for start, end, meter in {
            (*_bounds(due.account.bdom, fact.on), fact.meter)
            for fact in facts
            if (fact.on < due.before and meters[fact.meter].pooling != Pooling.NONE)
            or (fact.on < due.before and meters[fact.meter].aggregation != Aggregation.SUM)
        }:
            wanted |= Q(
                account=pk,
                meter=meter,
                occurred_on__gte=start,
                occurred_on__lt=end,
                recorded_on__lt=due.before,
            )
    if wanted:
        _add(found, UsageRecord.objects.filter(wanted), meters, Q(pk__isnull=False))


def _bounds(bdom: int, on: date) -> tuple[date, date]:
    period = period_containing(bdom, on)
    return period.start, period.end


def _has_pools(facts: Iterable[UsageFacts], meters: Mapping[str, MeterTerms]) -> bool:
    return any(
        fact.subscription is not None or meters[fact.meter].pooling not in (Pooling.NONE, Pooling.PACKAGE)
        for fact in facts
    )


# --- packages --------------------------------------------------------------------------------


def _packages(
    dues: Mapping[int, Due],
    packages: Mapping[int, Sequence[ChargeFacts]],
    late: Mapping[int, Sequence[UsageFacts]],
) -> dict[int, list[PackageFacts]]:
    """The packages that accounts have held, as far as is known before their BDOM."""
    held: dict[int, list[tuple[str, date, date | None]]] = defaultdict(list)
    for pk, due in dues.items():
        if pk in late:
            continue
        for charge in packages[pk]:
            if charge.starts_on is not None:
                dates = (charge.start_recorded_on, charge.ended_on, charge.end_recorded_on)
                _hold(held[pk], charge.product, charge.starts_on, *dates, due.on)
    if late:
        # What was over long ago is not among the charges of an invoice.
        rows = Charge.objects.filter(
            account__any_of=list(late), product__family=Family.PACKAGE, billing_starts_on__isnull=False
        ).values_list(
            "account_id",
            "product_id",
            "billing_starts_on",
            "start_recorded_on",
            "ended_on",
            "end_recorded_on",
        )
        for pk, product, starts_on, recorded_on, ended_on, end_recorded_on in rows:
            if starts_on is not None:
                _hold(held[pk], product, starts_on, recorded_on, ended_on, end_recorded_on, dues[pk].on)
    if not any(held.values()):
        return {}
    book = PackageBook()
    return {
        pk: [book.facts(dues[pk].account, product, start, end) for product, start, end in found]
        for pk, found in held.items()
    }


def _hold(
    held: list[tuple[str, date, date | None]],
    product: str,
    starts_on: date,
    start_recorded_on: date | None,
    ended_on: date | None,
    end_recorded_on: date | None,
    on: date,
) -> None:
    if start_recorded_on is None or start_recorded_on >= on:
        return
    is_over = end_recorded_on is not None and end_recorded_on < on
    held.append((product, starts_on, ended_on if is_over else None))


class PackageBook:
    """What packages include, for each brand, currency and day. One query, when it is made."""

    def __init__(self) -> None:
        rows = PackageTerms.objects.order_by("effective_on").values_list(
            "product_id", "overage_currency", "brand", "effective_on", "minutes", "overage"
        )
        self._terms: dict[tuple[str, str, int | None], list[tuple[date, int, Decimal]]] = defaultdict(list)
        for product, currency, brand, effective_on, minutes, overage in rows:
            self._terms[product, currency, brand].append((effective_on, minutes, overage))

    def facts(self, account: Account, product: str, starts_on: date, ends_on: date | None) -> PackageFacts:
        """A package of the account with the terms of the day on which it was taken (BIL-6)."""
        for brand in (account.brand_id, None):
            for effective_on, minutes, overage in reversed(self._terms[product, account.currency, brand]):
                if effective_on <= starts_on:
                    return PackageFacts(product, starts_on, ends_on, minutes, overage)
        return PackageFacts(product, starts_on, ends_on, 0, Decimal(0))


# --- subscriptions ---------------------------------------------------------------------------


def _tenants(pks: Sequence[int], dues: Mapping[int, Due]) -> dict[int, tuple[list[SubscriptionFacts], bool]]:
    """Each account's subscriptions, as far as is known before its BDOM, and whether its licences are named."""
    return _known_tenants({pk: dues[pk].on for pk in pks})


def subscription_facts(known_before: Mapping[int, date]) -> dict[int, list[SubscriptionFacts]]:
    """The subscriptions of accounts (by id) as they were known before a day of each. One query."""
    found = _known_tenants(known_before)
    return {pk: found[pk][0] if pk in found else [] for pk in known_before}


def _known_tenants(known_before: Mapping[int, date]) -> dict[int, tuple[list[SubscriptionFacts], bool]]:
    """Subscriptions with their commitments, and whether the tenant's licences are named; one query for both."""
    if not known_before:
        return {}
    rows: Any = (
        Subscription.objects.filter(tenancy__any_of=list(known_before))
        .order_by("id", "commitments__meter", "commitments__starts_on")
        .values_list(
            "tenancy_id",
            "tenancy__licence_mode",
            "recorded_on",
            "end_recorded_on",
            "agreed_until",
            "ends_on",
            "id",
            "name",
            "starts_on",
            "commitments__recorded_on",
            "commitments__meter",
            "commitments__quantity",
            "commitments__starts_on",
            "commitments__ends_on",
        )
    )
    found: dict[int, tuple[list[SubscriptionFacts], bool]] = {}
    for (pk, mode, recorded_on, *ends), own in groupby(rows, key=lambda row: row[:9]):
        day = known_before[pk]
        if recorded_on >= day:
            continue
        end_recorded_on, agreed_until, ends_on, key, name, starts_on = ends
        is_ended = end_recorded_on is not None and end_recorded_on < day
        commitments = tuple(
            Commitment(meter, quantity, since, until)
            for *_, known_on, meter, quantity, since, until in own
            if known_on is not None and known_on < day
        )
        subscriptions, _ = found.setdefault(pk, ([], mode == LicenceMode.NAMED))
        subscriptions.append(
            SubscriptionFacts(key, name, starts_on, ends_on if is_ended else agreed_until, commitments)
        )
    return found

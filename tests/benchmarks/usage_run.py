"""The invoice run with usage beside the same run without: what rating costs (USE-5).

Every account has ten charges and a hundred records: calls on five meters, with a package on every third. On
every fifth, thirty of them are of agents, messages and sessions, held against two subscriptions.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.db import transaction

from accounts.models import Account
from billing import bulk
from billing.engine.reasons import Basis
from billing.models import (
    BillingSchedule,
    Charge,
    ChargeState,
    InvoiceLine,
    Subscription,
    SubscriptionCommitment,
    Tenancy,
    UsageRecord,
)
from tests.benchmarks.floor import empty, forget_peak, peak
from tests.benchmarks.invoice_run import BDOM_ON, empty_accounts, fill, rewind, time_run

RECORDS = 100
CALLS = 70
LAST_DAY = BDOM_ON - timedelta(days=1)
METERS = (
    ("domestic-local", "0.01", ""),
    ("domestic-long-distance", "0.02", ""),
    ("toll-free-inbound", "0.03", ""),
    ("toll-free-inbound-canada", "0.06", ""),
    ("international", "0.12", "+44"),
    ("international", "0.19", "+81"),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians of the two runs. Seconds; memory is the highest of the process while it billed usage, in MiB."""

    accounts: int
    records: int
    usage_lines: int
    with_seconds: float
    without_seconds: float
    memory: float

    def __str__(self) -> str:
        rating = self.with_seconds - self.without_seconds
        return (
            f"{self.accounts:>7,} accounts, {self.records:,} usage records: {self.with_seconds:6.2f} s"
            f" · {self.without_seconds:6.2f} s without usage"
            f" · rating {rating:5.2f} s, {rating / self.without_seconds:4.2f} × the rest"
            f" · {self.usage_lines:,} usage lines · {self.memory:4.0f} MiB"
        )


def measure(accounts: int, repeats: int) -> Figures:
    """Bill so many accounts with usage and without, in turns, `repeats` times; the medians."""
    empty_accounts()
    fill(accounts)
    _fill_usage()
    with_usage, without, memory, lines = [], [], 0.0, 0
    for _ in range(repeats):
        rewind()
        forget_peak()
        with_usage.append(time_run())
        memory = max(memory, peak())
        lines = InvoiceLine.objects.filter(section="usage").count()
        rewind()
        BillingSchedule.objects.update(usage_recorded_on=None)
        without.append(time_run())
        BillingSchedule.objects.update(usage_recorded_on=LAST_DAY)
    return Figures(
        accounts,
        UsageRecord.objects.count(),
        lines,
        statistics.median(with_usage),
        statistics.median(without),
        memory,
    )


def _fill_usage() -> None:
    """The records, and what they are held against."""
    empty("billing_usagerecord", "billing_usageimport")
    pks = list(Account.objects.order_by("pk").values_list("pk", flat=True))
    subscriptions = _fill_tenants(pks[::5])
    with transaction.atomic():
        bulk.insert(Charge, _CHARGE_COLUMNS, [_package(pk) for pk in pks[::3]])
        bulk.insert(UsageRecord, _RECORD_COLUMNS, (row for pk in pks for row in _records(pk, subscriptions)))
    BillingSchedule.objects.update(usage_recorded_on=LAST_DAY)


def _fill_tenants(pks: list[int]) -> dict[int, list[int]]:
    """Two subscriptions to each, with commitments to what is pooled."""
    starts_on, ends_on = date(2025, 6, 1), date(2027, 6, 1)
    Tenancy.objects.bulk_create(
        Tenancy(account_id=pk, licence_mode="concurrent", telephony_option="vpop") for pk in pks
    )
    made = Subscription.objects.bulk_create(
        [
            Subscription(
                tenancy_id=pk,
                name=f"Department {place}",
                term_months=24,
                starts_on=starts_on,
                agreed_until=ends_on,
                ends_on=ends_on,
                recorded_on=starts_on,
            )
            for pk in pks
            for place in (1, 2)
        ],
        batch_size=1000,
    )
    SubscriptionCommitment.objects.bulk_create(
        [
            SubscriptionCommitment(
                subscription=one, meter=meter, quantity=10, starts_on=starts_on, recorded_on=starts_on
            )
            for one in made
            for meter in ("agents", "ai-agent", "connect-messages")
        ],
        batch_size=1000,
    )
    found: dict[int, list[int]] = {pk: [] for pk in pks}
    for one in made:
        found[one.tenancy_id].append(one.pk)
    return found


_CHARGE_COLUMNS = (
    "account_id",
    "product_id",
    "quantity",
    "unit_price",
    "state",
    "added_on",
    "billing_starts_on",
    "start_recorded_on",
    "condition",
    "basis",
    "basis_on",
    "basis_days",
    "subject",
    "subject_label",
    "holder",
)


def _package(pk: int) -> tuple[object, ...]:
    on = date(2025, 6, 1)
    state, basis = ChargeState.BILLING.value, Basis.ADDED.value
    return (
        pk,
        "toll-free-500",
        1,
        Decimal("15.00"),
        state,
        on,
        on,
        on,
        "",
        basis,
        on,
        0,
        "package",
        "",
        "",
    )


_RECORD_COLUMNS = (
    "account_id",
    "record_id",
    "meter",
    "occurred_at",
    "occurred_on",
    "recorded_on",
    "quantity",
    "units",
    "unit_price",
    "subscription_id",
    "subject",
    "destination",
    "number",
    "peer",
    "holder",
)


def _records(pk: int, subscriptions: dict[int, list[int]]) -> Iterator[tuple[object, ...]]:
    """A hundred records of an account, on all days of the month."""
    own = subscriptions.get(pk, [None, None])
    for place in range(RECORDS):
        at = datetime(2026, 2, 1, 14, tzinfo=UTC) + timedelta(hours=6 * place)
        seconds = 60 * (1 + place % 15)
        if place < CALLS or pk not in subscriptions:
            meter, price, destination = METERS[place % len(METERS)]
            quantity, subscription = seconds, None
        elif place < CALLS + 20:
            meter, price, destination = "agents", "95", ""
            quantity, subscription = 5 + place % 9, own[place % 2]
        else:
            meter, price, destination = (
                ("ai-agent", "0.99", "") if place % 2 else ("connect-messages", "0.009", "")
            )
            quantity, subscription = place, own[place % 2]
        yield (
            pk,
            f"record-{place}",
            meter,
            at,
            at.date(),
            at.date(),
            quantity,
            quantity,
            Decimal(price),
            subscription,
            "",
            destination,
            "+12125550100",
            "+13105550188",
            "",
        )

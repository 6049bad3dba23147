"""The invoice run against its floor: a plain COPY of the rows that it wrote (BIL-9).

Each repeat bills every account once, then copies exactly the invoices, lines and trail entries just
written into copies of the same indexed tables. Both begin from the same tables each time.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from django.db import connection, transaction

from accounts.models import Account, AuditEntry, Brand
from billing import bulk
from billing.engine.reasons import Basis
from billing.invoicing import bill_due, start_run
from billing.models import BillingSchedule, Charge, ChargeState, Invoice, InvoiceLine, Product
from billing.opening import start_of_day
from tests.benchmarks.floor import empty, forget_peak, peak, time_floor

BDOM_ON = date(2026, 3, 1)
AS_OF = datetime(2026, 3, 1, 12, tzinfo=UTC)
WRITTEN = (InvoiceLine, Invoice, AuditEntry)


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians of one size. Seconds; memory is the highest of the process while it billed, in MiB."""

    accounts: int
    invoices: int
    lines: int
    run_seconds: float
    floor_seconds: float
    memory: float

    def __str__(self) -> str:
        return (
            f"{self.accounts:>7,} accounts: {self.run_seconds:6.2f} s"
            f" · {self.invoices / self.run_seconds:8,.0f} invoices/s"
            f" · {self.lines / self.run_seconds:9,.0f} lines/s"
            f" · {self.run_seconds / self.accounts * 1e6:6.0f} µs an account"
            f" · floor {self.floor_seconds:5.2f} s"
            f" · {self.run_seconds / self.floor_seconds:4.2f} × the floor"
            f" · {self.memory:4.0f} MiB"
        )


def measure(accounts: int, repeats: int) -> Figures:
    """Bill so many accounts of ten charges each, `repeats` times; the medians."""
    empty_accounts()
    fill(accounts)
    runs, floors, memory = [], [], 0.0
    for _ in range(repeats):
        rewind()
        forget_peak()
        runs.append(time_run())
        memory = max(memory, peak())
        floors.append(time_floor(WRITTEN))
    invoices, lines = Invoice.objects.count(), InvoiceLine.objects.count()
    return Figures(accounts, invoices, lines, statistics.median(runs), statistics.median(floors), memory)


def time_run() -> float:
    """The seconds of one run over all that are due."""
    run = start_run(AS_OF, trigger="command", by="benchmark", at=AS_OF)
    began = time.perf_counter()
    bill_due(run, at=AS_OF)
    return time.perf_counter() - began


def empty_accounts() -> None:
    """Nothing but the catalogue."""
    empty("accounts_account", "accounts_brand")


def rewind() -> None:
    """As before the run: nothing issued, everybody due."""
    empty("billing_invoicerun", "billing_invoice", "billing_invoiceline", "accounts_auditentry")
    first = BillingSchedule.objects.select_related("account").first()
    if first is not None:
        BillingSchedule.objects.update(
            next_bdom_on=BDOM_ON, next_run_at=start_of_day(first.account, BDOM_ON), last_bdom_on=None
        )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (FULL, ANALYZE) billing_billingschedule")
        cursor.execute("ANALYZE")
        cursor.execute("CHECKPOINT")


def fill(count: int) -> None:
    """Accounts of two brands with ten charges each: six that go on, four that began last month."""
    brands = [
        Brand.objects.create(
            name=name,
            slug=name.lower(),
            logo_text=name,
            support_email="support@example.com",
            onboarding_email="onboarding@example.com",
            legal_name=name,
            invoice_prefix=name[:2].upper(),
        )
        for name in ("First", "Second")
    ]
    Account.objects.bulk_create(
        [
            Account(
                brand=brands[number % 2],
                name=f"Account {number}",
                slug=f"account-{number}",
                bdom=1,
                opened_on=date(2025, 1, 1),
            )
            for number in range(count)
        ],
        batch_size=1000,
    )
    accounts = list(Account.objects.all())
    BillingSchedule.objects.bulk_create(
        [
            BillingSchedule(account=account, next_bdom_on=BDOM_ON, next_run_at=start_of_day(account, BDOM_ON))
            for account in accounts
        ],
        batch_size=1000,
    )
    products = list(Product.objects.filter(is_recurring=True).order_by("rank"))[:10]
    with transaction.atomic():
        bulk.insert(
            Charge,
            _CHARGE_COLUMNS,
            (
                _charge(account, products[place], place, is_new=place >= 6)
                for account in accounts
                for place in range(10)
            ),
        )


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


def _charge(account: Account, product: Product, place: int, *, is_new: bool) -> tuple[object, ...]:
    added_on = date(2026, 2, 3 + place) if is_new else date(2025, 6, 1 + place)
    return (
        account.pk,
        product.pk,
        place + 1,
        Decimal("24.99") + place,
        ChargeState.BILLING.value,
        added_on,
        added_on,
        added_on,
        "",
        Basis.ADDED.value,
        added_on,
        0,
        "",
        "",
        "",
    )

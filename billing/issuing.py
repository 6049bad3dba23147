"""Writes what a chunk of accounts has been billed: lines, numbers, invoices, the trail."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from accounts.models import Account, AuditEntry, Brand
from accounts.trail import Actor, record
from billing import bulk
from billing.engine import Draft
from billing.models import (
    Invoice,
    InvoiceCounter,
    InvoiceKind,
    InvoiceLine,
    InvoiceRun,
    InvoiceState,
    Meter,
    Product,
)

RUN_TASK = "invoice-run"


class Drafted(NamedTuple):
    """An account's draft, and the key that its invoice will have."""

    invoice_id: int
    account: Account
    draft: Draft


class Issued(NamedTuple):
    """How much was issued: invoices, lines, and the sum in each currency."""

    invoices: int
    lines: int
    totals: dict[str, Decimal]


def issue(run: InvoiceRun, drafts: Iterable[Drafted], at: datetime) -> Issued:
    """Issue the drafts that have lines; those without are passed over.

    `drafts` may be drawn while it is read, though not from the database, which is busy then:
    PostgreSQL takes the lines of one account while the next is drawn. Lines come first, then
    numbers, then invoices, so that the lock on numbers is held the least.
    """
    named: dict[str, Product | Meter] = {product.code: product for product in Product.objects.all()}
    named.update((meter.code, meter) for meter in Meter.objects.all())
    with_lines: list[Drafted] = []
    lines = bulk.insert(InvoiceLine, _LINE_COLUMNS, _line_rows(_kept(drafts, with_lines), named))
    if not with_lines:
        return Issued(0, 0, {})
    numbers = draw_numbers([drafted.account.brand_id for drafted in with_lines])
    payment_days = dict(Brand.objects.values_list("pk", "payment_days"))
    rows = _invoice_rows(run, with_lines, numbers, payment_days, at)
    invoices = bulk.insert(Invoice, _INVOICE_COLUMNS, rows)
    bulk.insert(AuditEntry, _TRAIL_COLUMNS, _trail_rows(run, with_lines, numbers, at))
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for drafted in with_lines:
        totals[drafted.account.currency] += drafted.draft.total
    return Issued(invoices, lines, totals)


def issue_one(
    account: Account, kind: InvoiceKind, draft: Draft, *, on: date, actor: Actor, at: datetime
) -> Invoice:
    """Issue a draft that is no BDOM's on the account's own day `on`, when it is due too.

    Call it in a transaction, under the account's schedule.
    """
    ((sequence, number),) = draw_numbers([account.brand_id])
    invoice = Invoice(
        account=account,
        brand=account.brand,
        kind=kind,
        issued_on=on,
        due_on=on,
        period_start=draft.period[0],
        period_end=draft.period[1],
        currency=account.currency,
        subtotal=draft.subtotal,
        tax=draft.tax,
        total=draft.total,
    )
    invoice.issue(number, sequence, at)
    invoice.save()
    named: dict[str, Product | Meter] = {
        product.code: product
        for product in Product.objects.filter(pk__in={line.product for line in draft.lines})
    }
    rows = _line_rows([Drafted(invoice.pk, account, draft)], named)
    InvoiceLine.objects.bulk_create(InvoiceLine(**dict(zip(_LINE_COLUMNS, row, strict=True))) for row in rows)
    record(
        account,
        "issue-invoice",
        invoice,
        f"Invoice {number} issued for {on.isoformat()}: {draft.total} {account.currency}",
        actor=actor,
        at=at,
        after={"total": draft.total},
    )
    return invoice


def draw_numbers(brands: Sequence[int]) -> list[tuple[int, str]]:
    """The next number of each brand (by id) in the list, as (sequence, number), in the list's order.

    Gap-free and ascending for each brand (INV-1): the counters are locked, in the order of their
    ids, until the transaction ends, and a transaction that fails gives its numbers back.
    """
    needed = sorted(set(brands))
    counters = _locked_counters(needed)
    if len(counters) < len(needed):
        missing = [InvoiceCounter(brand_id=brand) for brand in needed if brand not in counters]
        InvoiceCounter.objects.bulk_create(missing, ignore_conflicts=True)
        counters = _locked_counters(needed)
    numbers = []
    for brand in brands:
        counter = counters[brand]
        sequence = counter.next_number
        counter.next_number += 1
        numbers.append((sequence, f"{counter.brand.invoice_prefix}-{sequence:06d}"))
    for counter in counters.values():
        counter.save(update_fields=["next_number"])
    return numbers


def _locked_counters(brands: list[int]) -> dict[int, InvoiceCounter]:
    found = InvoiceCounter.objects.select_for_update(of=("self",)).select_related("brand")
    return {counter.brand_id: counter for counter in found.filter(brand__in=brands).order_by("brand_id")}


def _kept(drafts: Iterable[Drafted], with_lines: list[Drafted]) -> Iterator[Drafted]:
    for drafted in drafts:
        if drafted.draft.lines:
            with_lines.append(drafted)
            yield drafted


_INVOICE_COLUMNS = (
    "id",
    "account_id",
    "brand_id",
    "run_id",
    "kind",
    "state",
    "number",
    "sequence",
    "issued_on",
    "issued_at",
    "due_on",
    "period_start",
    "period_end",
    "currency",
    "subtotal",
    "tax",
    "total",
    "payment_reference",
    "void_reason",
)
_LINE_COLUMNS = (
    "invoice_id",
    "position",
    "section",
    "product",
    "description",
    "quantity",
    "unit_price",
    "starts_on",
    "ends_on",
    "days",
    "of_days",
    "amount",
    "subscription",
    "subject",
    "subject_label",
    "holder",
    "rule",
    "why",
    "ledger_code",
    "tax_category",
    "charges",
)
_TRAIL_COLUMNS = (
    "account_id",
    "at",
    "by",
    "is_task",
    "action",
    "target_kind",
    "target_id",
    "target",
    "summary",
    "before",
    "after",
)


def _line_rows(
    drafts: Iterable[Drafted], named: Mapping[str, Product | Meter]
) -> Iterator[tuple[object, ...]]:
    for invoice_id, _, draft in drafts:
        for position, line in enumerate(draft.lines, start=1):
            product = named[line.product]
            yield (
                invoice_id,
                position,
                line.section,
                line.product,
                product.name,
                line.quantity,
                line.unit_price,
                line.starts_on,
                line.ends_on,
                line.days,
                line.of_days,
                line.amount,
                line.subscription,
                line.subject,
                line.subject_label,
                line.holder,
                line.rule,
                line.why,
                product.ledger_code,
                product.tax_category,
                line.charges,
            )


def _invoice_rows(
    run: InvoiceRun,
    drafts: list[Drafted],
    numbers: list[tuple[int, str]],
    payment_days: Mapping[int, int],
    at: datetime,
) -> Iterator[tuple[object, ...]]:
    for (invoice_id, account, draft), (sequence, number) in zip(drafts, numbers, strict=True):
        yield (
            invoice_id,
            account.pk,
            account.brand_id,
            run.pk,
            InvoiceKind.BDOM,
            InvoiceState.ISSUED,
            number,
            sequence,
            draft.on,
            at,
            draft.on + timedelta(days=payment_days[account.brand_id]),
            *draft.period,
            account.currency,
            draft.subtotal,
            draft.tax,
            draft.total,
            "",
            "",
        )


def _trail_rows(
    run: InvoiceRun, drafts: list[Drafted], numbers: list[tuple[int, str]], at: datetime
) -> Iterator[tuple[object, ...]]:
    for (invoice_id, account, draft), (_, number) in zip(drafts, numbers, strict=True):
        yield (
            account.pk,
            at,
            RUN_TASK,
            True,
            "issue-invoice",
            "invoice",
            str(invoice_id),
            number,
            f"Invoice {number} issued for {draft.on.isoformat()}: {draft.total} {account.currency}",
            {},
            {"run": run.pk, "total": str(draft.total)},
        )

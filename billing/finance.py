"""What finance reads: invoices of all accounts, what they come to, and files of them (INV-5).

Sums of invoices and sums of their lines are taken apart from each other, so that one checks the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from django.db.models import Count, Q, QuerySet, Sum

from accounts.exporting import Cell
from accounts.models import Account, Brand
from billing.explain import whole
from billing.models import Invoice, InvoiceLine, InvoiceState
from billing.queries import OVERDUE, overdue_on

BATCH: Final = 1000
"""So many invoices are read at a time for a file."""

_NUMBER: Final = re.compile(r"^[A-Z][A-Z0-9]*-\d*$")
_FINEST: Final = Decimal("0.0001")

INVOICE_COLUMNS: Final = {
    "number": "The invoice's number, ascending without a gap for each brand",
    "kind": "bdom: the monthly invoice; plan; or credit-note",
    "state": "issued, paid or void",
    "date": "The day of issue, in the account's own time zone",
    "due": "The day until which it is to be paid",
    "brand": "Who issued it",
    "account": "The account's name in addresses",
    "account_name": "The account's name",
    "period_start": "The first day of the month ahead, or of what a plan was paid for",
    "period_end": "The first day that is no longer in it",
    "currency": "ISO 4217",
    "subtotal": "The sum before taxes",
    "tax": "The taxes",
    "total": "What is owed; negative on a credit note",
    "paid": "What of it has been paid, or of a credit been used",
    "open": "What is left to be paid; below zero, credit that is left to be used",
    "paid_on": "The day on which it was paid in full",
    "payment_reference": "What the payment is known by",
    "void_reason": "Why it is no longer owed",
    "corrects": "On a credit note: the number of the invoice that it corrects",
    "run": "The invoice run that made it",
}
LINE_COLUMNS: Final = {
    "invoice": "The number of the invoice",
    "state": "The state of the invoice: issued, paid or void",
    "date": "The invoice's day of issue",
    "brand": "Who issued it",
    "account": "The account's name in addresses",
    "position": "The place on the invoice, from 1",
    "section": "recurring, one-time, hardware, usage, credit, fee or tax",
    "ledger_code": "The account of the books to which the amount goes",
    "tax_category": "What kind of thing it is for taxes",
    "product": "The product's code",
    "description": "The product's name on the day of issue",
    "for": "What the charge is for",
    "holder": "The end user or service that it serves",
    "subscription": "The subscription that it is billed for, if it is for one",
    "starts_on": "The first day of service",
    "ends_on": "The first day that is no longer in it",
    "days": "Days billed",
    "of_days": "Days of their billing period",
    "quantity": "Units",
    "unit_price": "For a month or once, not rounded",
    "amount": "Rounded to the currency; negative for a credit",
    "currency": "ISO 4217",
    "rule": "The rule by which it is billed",
    "reason": "The reason in words",
    "corrects": "On a credit note: the invoice that it corrects",
    "corrects_position": "On a credit note: the line that it corrects",
}


_ISSUED: Final = InvoiceState.ISSUED.value


@dataclass(frozen=True, slots=True)
class Filters:
    """What the invoices are narrowed to. Dates are days of issue, both included.

    `number`: a number, its beginning, or its digits; `account`: an account's name in addresses, or a
    part of its name; `state`: one of InvoiceState, or OVERDUE as of `today`.
    """

    today: date
    number: str = ""
    first: date | None = None
    last: date | None = None
    brand: int | None = None
    account: str = ""
    state: str = ""
    kind: str = ""
    currency: str = ""
    run: int | None = None


def issued_invoices(filters: Filters) -> QuerySet[Invoice]:
    """The invoices that the filters let through. Drafts are nobody's business yet.

    Each filter is one that an index serves, or that a scan in the order of an index can tell row by row.
    """
    invoices = Invoice.objects.exclude(state=InvoiceState.DRAFT)
    if filters.number:
        invoices = invoices.filter(_numbered(filters.number))
    if filters.first is not None:
        invoices = invoices.filter(issued_on__gte=filters.first)
    if filters.last is not None:
        invoices = invoices.filter(issued_on__lte=filters.last)
    if filters.brand is not None:
        invoices = invoices.filter(brand=filters.brand)
    if filters.account:
        invoices = invoices.filter(account__in=_accounts(filters.account))
    if filters.state == OVERDUE:
        invoices = invoices.filter(overdue_on(filters.today))
    elif filters.state:
        invoices = invoices.filter(state=filters.state)
    if filters.kind:
        invoices = invoices.filter(kind=filters.kind)
    if filters.currency:
        invoices = invoices.filter(currency=filters.currency)
    if filters.run is not None:
        invoices = invoices.filter(run=filters.run)
    return invoices


def _numbered(text: str) -> Q:
    """CP-000123 or its beginning; digits alone are the number without prefix and zeros."""
    text = text.strip().upper()
    if text.isdecimal() and len(text) <= 9:
        return Q(sequence=int(text))
    if _NUMBER.match(text):
        return Q(number__startswith=text)
    return Q(number=text)


def _accounts(text: str) -> QuerySet[Account]:
    return Account.objects.filter(Q(slug=text) | Q(name__icontains=text)).order_by().only("pk")


@dataclass(frozen=True, slots=True)
class CurrencyTotal:
    """What invoices of one currency come to. `invoiced` is what is or was owed: `open` and `paid`.

    What has been paid of an invoice that is still open is among `paid`.

    `lines` is the sum of the lines of the same invoices, void ones left out on both sides; None
    where it was not asked for.
    """

    currency: str
    invoices: int
    open: Decimal
    paid: Decimal
    void: Decimal
    lines: Decimal | None = None

    @property
    def invoiced(self) -> Decimal:
        """Open and paid together."""
        return self.open + self.paid

    @property
    def difference(self) -> Decimal | None:
        """The lines less the invoices; anything but nothing is a fault."""
        return None if self.lines is None else self.lines - self.invoiced


def totals_of(invoices: QuerySet[Invoice], *, with_lines: bool = True) -> list[CurrencyTotal]:
    """The sums of the invoices, a row for each currency; two queries, without the lines one (INV-5)."""
    counted: dict[str, int] = {}
    sums: dict[tuple[str, str], Decimal] = {}
    settled: dict[str, Decimal] = {}
    rows = (
        invoices.order_by()
        .values("currency", "state")
        .annotate(invoices=Count("pk"), amount=Sum("total"), part=Sum("settled"))
        .values_list("currency", "state", "invoices", "amount", "part")
    )
    for currency, state, count, amount, part in rows:
        counted[currency] = counted.get(currency, 0) + count
        sums[currency, state] = exact(amount)
        settled[currency] = settled.get(currency, Decimal(0)) + (exact(part) if state == _ISSUED else 0)
    lines = line_sums(invoices) if with_lines else {}
    nothing = Decimal(0)
    return [
        CurrencyTotal(
            currency,
            counted[currency],
            open=sums.get((currency, _ISSUED), nothing) - settled[currency],
            paid=sums.get((currency, InvoiceState.PAID.value), nothing) + settled[currency],
            void=sums.get((currency, InvoiceState.VOID.value), nothing),
            lines=lines.get(currency, nothing) if with_lines else None,
        )
        for currency in sorted(counted)
    ]


def line_sums(invoices: QuerySet[Invoice]) -> dict[str, Decimal]:
    """The sum of the lines of the invoices, by currency, those of void invoices left out. One query."""
    owed = invoices.exclude(state=InvoiceState.VOID).order_by().values("pk")
    rows = (
        InvoiceLine.objects.filter(invoice__in=owed)
        .order_by()
        .values("invoice__currency")
        .annotate(sum=Sum("amount"))
        .values_list("invoice__currency", "sum")
    )
    return {currency: exact(amount) for currency, amount in rows}


def exact(amount: Decimal | None) -> Decimal:
    """A sum of the database as the decimal that it is: SQLite sums in floats."""
    return Decimal(0) if amount is None else amount.quantize(_FINEST)


def brands() -> list[tuple[int, str]]:
    """The brands to choose from, as (key, name)."""
    return list(Brand.objects.exclude(accounts__is_simulation=True).values_list("pk", "name").distinct())


# --- files -----------------------------------------------------------------------------------


def invoice_rows(invoices: QuerySet[Invoice]) -> Iterator[list[Cell]]:
    """A row for each invoice in the order of INVOICE_COLUMNS, newest first; memory stays what it is."""
    for batch in _batches(invoices.select_related("account", "brand", "corrects")):
        for invoice in batch:
            yield [
                invoice.number,
                invoice.kind,
                invoice.state,
                invoice.issued_on,
                invoice.due_on,
                invoice.brand.name,
                invoice.account.slug,
                invoice.account.name,
                invoice.period_start,
                invoice.period_end,
                invoice.currency,
                *(whole(sum_, invoice.currency) for sum_ in _sums(invoice)),
                invoice.paid_on,
                invoice.payment_reference,
                invoice.void_reason,
                invoice.corrects.number if invoice.corrects else None,
                invoice.run_id,
            ]


def _sums(invoice: Invoice) -> tuple[Decimal, ...]:
    return invoice.subtotal, invoice.tax, invoice.total, invoice.settled, invoice.open_amount


_OF_LINE: Final = (
    "position",
    "section",
    "ledger_code",
    "tax_category",
    "product",
    "description",
    "subject_label",
    "holder",
    "subscription",
    "starts_on",
    "ends_on",
    "days",
    "of_days",
    "quantity",
)


def line_rows(invoices: QuerySet[Invoice]) -> Iterator[list[Cell]]:
    """A row for each line in the order of LINE_COLUMNS: newest invoice first, lines in their order."""
    for batch in _batches(invoices.select_related("account", "brand", "corrects")):
        by_id = {invoice.pk: invoice for invoice in batch}
        lines: dict[int, list[list[Cell]]] = {pk: [] for pk in by_id}
        found = (
            InvoiceLine.objects.filter(invoice__in=list(by_id))
            .order_by("invoice_id", "position")
            .values_list("invoice_id", *_OF_LINE, "unit_price", "amount", "rule", "why", "corrects_position")
        )
        for invoice_id, *cells, price, amount, rule, why, corrected in found.iterator(chunk_size=2000):
            invoice = by_id[invoice_id]
            lines[invoice_id].append(
                [
                    invoice.number,
                    invoice.state,
                    invoice.issued_on,
                    invoice.brand.name,
                    invoice.account.slug,
                    *cells,
                    _price(price, invoice),
                    whole(amount, invoice.currency),
                    invoice.currency,
                    rule,
                    why,
                    invoice.corrects.number if invoice.corrects else None,
                    corrected,
                ]
            )
        for pk in by_id:
            yield from lines.pop(pk)


def _price(price: Decimal, invoice: Invoice) -> Decimal:
    """A unit price with all decimals that it has, and those of its currency at least."""
    rounded = whole(price, invoice.currency)
    return rounded if rounded == price else price.normalize()


def _batches(invoices: QuerySet[Invoice]) -> Iterator[list[Invoice]]:
    """The invoices, newest first, some hundreds at a time, each batch found by the key of the last one.

    Unlike one long query this needs no cursor and no transaction that stays open for as long as a
    slow line takes, and no sorting of millions before the first row.
    """
    ordered = invoices.order_by("-issued_on", "-id")
    last: Invoice | None = None
    while True:
        rest = ordered
        if last is not None:
            after = Q(issued_on__lt=last.issued_on) | Q(issued_on=last.issued_on, id__lt=last.pk)
            rest = ordered.filter(after, issued_on__lte=last.issued_on)
        batch = list(rest[:BATCH])
        if batch:
            yield batch
        if len(batch) < BATCH:
            return
        last = batch[-1]

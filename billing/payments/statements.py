"""An account's statement: all that was invoiced, credited, paid and refunded between two days (INV-7).

Everything stands on its own day, with the balance after it. The balance is what the account owes, below zero
what it has as credit; that of today is the one that `queries.balance_of` tells from what is open.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from django.db.models import QuerySet, Sum

from accounts.models import Account
from billing.models import Invoice, InvoiceKind, InvoiceState, Payment, Refund, RefundState

_FINEST: Final = Decimal("0.0001")


class EntryKind(StrEnum):
    """What stands on a statement, in the order of one day."""

    INVOICE = "invoice"
    CREDIT_NOTE = "credit-note"
    PAYMENT = "payment"
    REFUND = "refund"


_ORDER: Final = {kind: place for place, kind in enumerate(EntryKind)}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing of a statement. `amount` is what it adds to what is owed, `balance` what is owed after it.

    `key` is the number of an invoice, and the id of a payment; of a refund that of its payment.
    """

    on: date
    kind: EntryKind
    key: str
    words: str
    note: str
    amount: Decimal
    balance: Decimal


@dataclass(frozen=True, slots=True)
class Statement:
    """What an account owed at the beginning of `first`, what happened to the end of `last`, and what it owes then.

    Amounts are in the account's currency, days its own. The closing balance is the opening one and all entries.
    """

    first: date
    last: date
    opening: Decimal
    entries: tuple[Entry, ...]

    @property
    def closing(self) -> Decimal:
        """What is owed at the end of the last day; below zero, credit."""
        return self.entries[-1].balance if self.entries else self.opening

    @property
    def invoiced(self) -> Decimal:
        """What invoices and credit notes came to."""
        return self._sum(EntryKind.INVOICE, EntryKind.CREDIT_NOTE)

    @property
    def received(self) -> Decimal:
        """What was paid less what was given back."""
        return -self._sum(EntryKind.PAYMENT, EntryKind.REFUND)

    def _sum(self, *kinds: EntryKind) -> Decimal:
        return sum((entry.amount for entry in self.entries if entry.kind in kinds), Decimal(0))


def statement_of(account: Account, first: date, last: date) -> Statement:
    """The statement of the days from `first` to `last`, both included. Six queries, however long it is."""
    opening = balance_before(account, first)
    entries: list[Entry] = []
    balance = opening
    for on, kind, key, words, note, amount in sorted(
        _things(account, first, last), key=lambda thing: (thing[0], _ORDER[thing[1]])
    ):
        balance += amount
        entries.append(Entry(on, kind, key, words, note, amount, balance))
    return Statement(first, last, opening, tuple(entries))


def balance_before(account: Account, day: date) -> Decimal:
    """What was owed as the day began: all that stands on the days before. Three queries."""
    invoiced = _total(_invoices(account).filter(issued_on__lt=day), "total")
    paid = _total(Payment.objects.filter(account=account, on__lt=day), "amount")
    refunded = _total(_refunds(account).filter(on__lt=day), "amount")
    return invoiced - paid + refunded


def _total(rows: QuerySet[Any], field: str) -> Decimal:
    """A sum of the database as the decimal that it is: SQLite sums in floats."""
    found: Decimal | None = rows.order_by().aggregate(sum=Sum(field))["sum"]
    return Decimal(0) if found is None else found.quantize(_FINEST)


def _invoices(account: Account) -> QuerySet[Invoice]:
    """What was or is owed; what has been made void is not."""
    return Invoice.objects.filter(account=account, state__in=(InvoiceState.ISSUED, InvoiceState.PAID))


def _refunds(account: Account) -> QuerySet[Refund]:
    """What has been taken out of the credit; a refund that failed was put back."""
    return Refund.objects.filter(payment__account=account).exclude(state=RefundState.FAILED)


_Thing = tuple[date, EntryKind, str, str, str, Decimal]


def _things(account: Account, first: date, last: date) -> Iterator[_Thing]:
    """All that stands on the days, of one kind after the other, each kind in its order."""
    issued = Invoice.objects.filter(account=account, issued_on__gte=first, issued_on__lte=last)
    for invoice in (
        issued.exclude(state=InvoiceState.DRAFT).select_related("corrects").order_by("issued_on", "id")
    ):
        yield _invoice_thing(invoice)
    received = Payment.objects.filter(account=account, on__gte=first, on__lte=last)
    for payment in received.order_by("on", "id"):
        words = payment.get_kind_display()
        note = "" if payment.reference == words else payment.reference
        yield payment.on, EntryKind.PAYMENT, str(payment.pk), words, note, -payment.amount
    given_back = _refunds(account).filter(on__gte=first, on__lte=last).select_related("payment")
    for refund in given_back.order_by("on", "id"):
        words = "Refund" if refund.state == RefundState.DONE else "Refund on its way"
        key = str(refund.payment_id)
        yield refund.on, EntryKind.REFUND, key, words, refund.reason, refund.amount


def _invoice_thing(invoice: Invoice) -> _Thing:
    """An invoice or a credit note; one that was made void stands there with nothing."""
    number, is_note = invoice.number or "", invoice.kind == InvoiceKind.CREDIT_NOTE
    kind = EntryKind.CREDIT_NOTE if is_note else EntryKind.INVOICE
    words = f"{'Credit note' if is_note else 'Invoice'} {number}"
    if invoice.state == InvoiceState.VOID:
        note = f"Made void: {invoice.void_reason}"
        return invoice.issued_on, kind, number, words, note, invoice.total * 0
    note = f"due {invoice.due_on.isoformat()}"
    if is_note:
        note = f"for {invoice.corrects.number}" if invoice.corrects else ""
    return invoice.issued_on, kind, number, words, note, invoice.total

"""Keeps the books of what was received: a payment settles invoices, and what is left over is credit (INV-6).

The only writer of payments, of what they settle, and of how much of an invoice is paid. Everything happens
under the account's schedule, the row that its invoice run claims too, so that a payment and an invoice that
come at one instant find each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from django.db import transaction

from accounts.models import Account
from accounts.refusals import Refused
from accounts.trail import Actor, record
from billing.engine import minor_unit
from billing.gather import decimals_of
from billing.models import (
    BillingSchedule,
    Invoice,
    InvoiceKind,
    InvoiceState,
    Payment,
    PaymentMethod,
    RefundState,
    Settlement,
)

RULE: Final = "INV-6"
MOST: Final = Decimal(10) ** 12
"""No payment is as much as that."""


@dataclass(frozen=True, slots=True)
class Received:
    """Money as it came in: `amount` in the account's currency, `on` the account's own day.

    `gateway_id` is what the gateway knows it by; money of the same id comes in once.
    """

    kind: Payment.Kind
    amount: Decimal
    on: date
    reference: str = ""
    gateway: str = ""
    gateway_id: str = ""
    method: PaymentMethod | None = None


CreditCame = Callable[[Account, Actor, datetime], None]
"""Told that an account has more credit than before, or owes less; called under `open_books`."""

_listeners: list[CreditCame] = []


def when_credit_comes(listener: CreditCame) -> CreditCame:
    """Have something done whenever money or credit has come in, whatever way it came: what waits for it is paid."""
    if listener not in _listeners:
        _listeners.append(listener)
    return listener


def tell_of_credit(account: Account, *, actor: Actor, at: datetime) -> None:
    """Have done what waits for credit; after invoices, which come first. Call it under `open_books`."""
    for listener in _listeners:
        listener(account, actor, at)


@dataclass(slots=True)
class _Source:
    """Credit that is left to be used: of a payment, or of a note or an invoice below zero."""

    payment: Payment | None
    credit: Invoice | None

    @property
    def left(self) -> Decimal:
        if self.payment is not None:
            return self.payment.left
        return -self.credit.open_amount if self.credit is not None else Decimal(0)

    @property
    def words(self) -> str:
        """What an invoice says that it was paid with."""
        if self.credit is None:
            return str(self.payment)
        kind = "Credit note" if self.credit.kind == InvoiceKind.CREDIT_NOTE else "Credit of"
        return f"{kind} {self.credit.number}"


Receipt = Callable[[Payment, "Invoice | None", Actor, datetime], None]
"""Told of a payment that came in, and of the invoice that it was for before all others; called under `open_books`."""

_receipts: list[Receipt] = []


def when_received(listener: Receipt) -> Receipt:
    """Have something done for each payment, once, when it has settled what it settles."""
    if listener not in _receipts:
        _receipts.append(listener)
    return listener


@contextmanager
def open_books(account: Account) -> Iterator[None]:
    """The account's books, in a transaction and under the account's lock, until the block ends."""
    with transaction.atomic():
        BillingSchedule.objects.select_for_update().only("pk").get(account=account)
        yield


def receive_payment(
    account: Account, received: Received, *, toward: Invoice | None = None, actor: Actor, at: datetime
) -> Payment:
    """Take money in, and settle invoices with it, the oldest first; what is left is the account's credit.

    `toward` goes before the others: a plan's payment is for that plan's invoice. Money that came in before
    under the same id of its gateway comes in once: the payment is returned as it is. Raises Refused for an
    amount or a day that cannot be.
    """
    with open_books(account):
        if received.gateway_id:
            known = Payment.objects.filter(gateway=received.gateway, gateway_id=received.gateway_id).first()
            if known is not None:
                return known
        check_amount(received.amount, account.currency)
        if received.on > account.local_date(at):
            raise Refused("This day is still to come.", rule=RULE, field="on")
        payment = Payment.objects.create(
            account=account,
            kind=received.kind,
            amount=received.amount,
            left=received.amount,
            currency=account.currency,
            on=received.on,
            reference=received.reference[:140],
            gateway=received.gateway,
            gateway_id=received.gateway_id,
            method=received.method,
            recorded_at=at,
            recorded_by=actor.label[:120],
        )
        record(
            account,
            "receive-payment",
            payment,
            f"{payment.get_kind_display()} of {amount_words(payment.amount, payment.currency)} received"
            f"{f': {payment.reference}' if payment.reference else ''}",
            actor=actor,
            at=at,
            after={"amount": payment.amount, "on": payment.on, "reference": payment.reference},
        )
        if toward is not None:
            _settle([_Source(payment, None)], [_locked(toward)], actor, at)
        use_credit(account, actor=actor, at=at)
        tell_of_credit(account, actor=actor, at=at)
        payment.refresh_from_db()
        for listener in _receipts:
            listener(payment, toward, actor, at)
    return payment


def use_credit(account: Account, *, actor: Actor, at: datetime) -> None:
    """Settle what is open with what credit there is, both the oldest first. Call it under `open_books`.

    Afterwards the account owes something, or has credit, or neither; never both.
    """
    sources = [
        _Source(payment, None)
        for payment in Payment.objects.select_for_update()
        .filter(account=account, left__gt=0)
        .order_by("on", "id")
    ]
    issued = list(
        Invoice.objects.select_for_update(of=("self",))
        .filter(account=account, state=InvoiceState.ISSUED)
        .select_related("account")
        .order_by("issued_on", "id")
    )
    sources += [_Source(None, invoice) for invoice in issued if invoice.open_amount < 0]
    # A credit of which nothing is left may wait for its refund; what is below zero is never paid here.
    _settle(sources, [invoice for invoice in issued if invoice.total >= 0], actor, at)


def use_credit_of(accounts: Sequence[Account], *, actor: Actor, at: datetime) -> None:
    """Use the credit of those among the accounts that have some, or an invoice with nothing to be paid.

    For a run, which holds their schedules: two queries where none has.
    """
    keys = [account.pk for account in accounts]
    with_credit = set(
        Payment.objects.filter(account__any_of=keys, left__gt=0).values_list("account_id", flat=True)
    )
    with_credit |= set(
        Invoice.objects.filter(account__any_of=keys, state=InvoiceState.ISSUED, total__lte=0).values_list(
            "account_id", flat=True
        )
    )
    for account in accounts:
        if account.pk in with_credit:
            use_credit(account, actor=actor, at=at)


def credit_toward(note: Invoice, invoice: Invoice, *, actor: Actor, at: datetime) -> None:
    """A credit note goes to the invoice that it corrects, as far as that is open. Call it under `open_books`."""
    _settle([_Source(None, note)], [invoice], actor, at)


def take_credit_back(note: Invoice) -> None:
    """Have a credit note not be used any more, as it is to be void. Call it under `open_books`.

    Raises Refused where an invoice has been paid with it, which stands (INV-1).
    """
    uses = list(note.used_for.select_related("invoice").order_by("pk"))
    paid = next((use.invoice for use in uses if use.invoice.state == InvoiceState.PAID), None)
    if paid is not None:
        raise Refused(f"{paid.number} has been paid with this credit note, so it stands.", rule="INV-1")
    if note.refunds.exclude(state=RefundState.FAILED).exists():
        raise Refused("Money has been given back for this credit note, so it stands.", rule="INV-1")
    for use in uses:
        use.invoice.settled -= use.amount
        use.invoice.save(update_fields=["settled"])
        use.delete()
    note.settled = note.total * 0
    note.save(update_fields=["settled"])


def check_amount(amount: Decimal, currency: str) -> None:
    """Raise Refused for what is no amount of money that somebody could have received."""
    unit = minor_unit(decimals_of(currency))
    if not 0 < amount < MOST or amount != amount.quantize(unit):
        raise Refused(
            f"An amount is above zero, in whole steps of {unit} {currency}.", rule=RULE, field="amount"
        )


def amount_words(amount: Decimal, currency: str) -> str:
    """An amount as the trail keeps it: 12.50 USD."""
    return f"{amount.quantize(minor_unit(decimals_of(currency)))} {currency}"


def _locked(invoice: Invoice) -> Invoice:
    """The invoice as it stands, with its account."""
    return Invoice.objects.select_for_update(of=("self",)).select_related("account").get(pk=invoice.pk)


def _settle(sources: Iterable[_Source], invoices: Iterable[Invoice], actor: Actor, at: datetime) -> None:
    """Cover invoices with credit, both in their order, as far as it goes."""
    waiting = iter([source for source in sources if source.left > 0])
    source = next(waiting, None)
    for invoice in invoices:
        used = "Nothing to pay"
        while source is not None and invoice.state == InvoiceState.ISSUED and invoice.open_amount > 0:
            used = source.words
            _cover(invoice, source, min(source.left, invoice.open_amount), at)
            if source.left == 0:
                source = next(waiting, None)
        if invoice.state == InvoiceState.ISSUED and invoice.open_amount == 0:
            _close(invoice, used, actor, at)


def _cover(invoice: Invoice, source: _Source, amount: Decimal, at: datetime) -> None:
    """Take an amount from a source, and count it to an invoice."""
    on = _day_of(invoice, source, at)
    Settlement.objects.create(
        invoice=invoice, payment=source.payment, credit=source.credit, amount=amount, on=on, at=at
    )
    invoice.settled += amount
    invoice.save(update_fields=["settled"])
    if source.payment is not None:
        source.payment.left -= amount
        source.payment.save(update_fields=["left"])
    elif source.credit is not None:
        source.credit.settled -= amount
        source.credit.save(update_fields=["settled"])


def _day_of(invoice: Invoice, source: _Source, at: datetime) -> date:
    """The account's own day on which a source covers an invoice: no day before there were both."""
    known = source.payment.on if source.payment is not None else invoice.account.local_date(at)
    return max(known, invoice.issued_on)


def _close(invoice: Invoice, reference: str, actor: Actor, at: datetime) -> None:
    """Nothing of it is open any more: it is paid, and the credits that went into it to the last are used."""
    _close_one(invoice, reference, actor, at)
    used = Invoice.objects.filter(used_for__invoice=invoice, state=InvoiceState.ISSUED)
    for credit in used.select_related("account").distinct().order_by("pk"):
        close_credit(credit, f"Used with {invoice.number}", actor=actor, at=at)


def close_credit(credit: Invoice, words: str, *, actor: Actor, at: datetime) -> None:
    """Close a credit of which nothing is left, unless some of it may still come back.

    That is while an invoice that it was used for is open, and while a refund of it may fail.
    """
    if credit.open_amount or credit.state != InvoiceState.ISSUED:
        return
    is_open = credit.used_for.filter(invoice__state=InvoiceState.ISSUED).exists()
    if not is_open and not credit.refunds.filter(state=RefundState.ASKED).exists():
        _close_one(credit, words, actor, at)


def _close_one(invoice: Invoice, reference: str, actor: Actor, at: datetime) -> None:
    days = Settlement.objects.filter(invoice=invoice).values_list("on", flat=True)
    on = max(days, default=invoice.account.local_date(at))
    invoice.settle(on, reference[:80])
    invoice.save(update_fields=["state", "paid_on", "payment_reference"])
    kind = "Credit note" if invoice.kind == InvoiceKind.CREDIT_NOTE else "Invoice"
    record(
        invoice.account,
        "settle-invoice",
        invoice,
        f"{kind} {invoice.number} paid on {on:%b %-d, %Y}: {reference}",
        actor=actor,
        at=at,
        before={"state": InvoiceState.ISSUED.value},
        after={"state": invoice.state, "paid_on": on, "reference": reference},
    )

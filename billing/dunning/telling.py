"""What is written to an account about money that is owed and money that came in (INV-6).

Each message is written in the transaction of what it tells of, so it goes out once, and only if that happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.urls import reverse

from accounts.mail import billing_contacts_of, panel_url, queue_mail
from accounts.models import Account
from accounts.trail import Actor
from billing.models import Collection, Invoice, Payment, Settlement
from billing.payments.due import due_invoices


def pay_url(account: Account) -> str:
    """The page on which an account sees what it owes and pays it, as a link for a mail."""
    return panel_url(reverse("billing:payments", kwargs={"account": account.slug}))


def listed(invoices: Sequence[Invoice]) -> dict[str, Any]:
    """Open invoices for a message: `invoices`, each with number, due day and open amount, and their `total`."""
    rows = [
        {"number": invoice.number, "due_on": invoice.due_on, "amount": invoice.open_amount}
        for invoice in invoices
    ]
    return {"invoices": rows, "total": sum((invoice.open_amount for invoice in invoices), Decimal(0))}


def tell_received(payment: Payment, toward: Invoice | None, actor: Actor, at: datetime) -> None:
    """The receipt of a payment; one for a plan comes with the plan's own message."""
    if toward is not None or payment.kind == Payment.Kind.SIMULATED:
        return
    account = payment.account
    settlements = Settlement.objects.filter(payment=payment).select_related("invoice").order_by("id")
    settled = [{"number": each.invoice.number, "amount": each.amount} for each in settlements]
    facts = {
        "amount": payment.amount,
        "on": payment.on,
        "is_card": payment.kind == Payment.Kind.CARD,
        "reference": payment.reference,
        "settled": settled,
        "credit": payment.left,
        "currency": payment.currency,
        "url": pay_url(account),
    }
    queue_mail(account, "payment-received", billing_contacts_of(account), facts, at=at)


def tell_declined(collection: Collection, actor: Actor, at: datetime) -> None:
    """An invoice that was due could not be collected: why, and when it is tried next."""
    if collection.invoice_id is None or not collection.off_session:
        return
    account = collection.account
    days = collection.chases.values_list("next_try_on", flat=True)
    facts = {
        "card": str(collection.method),
        "amount": collection.amount,
        "currency": collection.currency,
        "code": collection.failure_code,
        "reason": collection.failure,
        "next_try_on": min((day for day in days if day is not None), default=None),
        "url": pay_url(account),
        **listed(due_invoices(account, account.local_date(at))),
    }
    queue_mail(account, "invoice-payment-failed", billing_contacts_of(account), facts, at=at)


def tell_reminder(
    account: Account, invoices: Sequence[Invoice], suspends_on: date | None, at: datetime
) -> None:
    """A reminder of what is overdue, and of the day on which the account is suspended, if it will be."""
    facts = {
        **listed(invoices),
        "currency": account.currency,
        "suspends_on": suspends_on,
        "url": pay_url(account),
    }
    queue_mail(account, "invoice-reminder", billing_contacts_of(account), facts, at=at)


def tell_suspended(account: Account, invoices: Sequence[Invoice], at: datetime) -> None:
    """The account is suspended; `account` says since when and why."""
    facts = {**listed(invoices), "currency": account.currency, "url": pay_url(account)}
    queue_mail(account, "account-suspended", billing_contacts_of(account), facts, at=at)


def tell_restored(account: Account, at: datetime) -> None:
    """The account is suspended no longer."""
    facts = {"url": panel_url(reverse("billing:overview", kwargs={"account": account.slug}))}
    queue_mail(account, "account-restored", billing_contacts_of(account), facts, at=at)

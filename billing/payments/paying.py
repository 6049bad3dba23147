"""Paying what is owed from a saved card, by a person who is there, and whether it is collected by itself (INV-6)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from accounts.models import Account
from accounts.refusals import Refused
from accounts.trail import Actor, record
from billing.models import Collection, Payment, PaymentMethod
from billing.models.payments import LIVE
from billing.payments.collecting import begin_collection
from billing.payments.foreseen import owed_by
from billing.payments.settling import (
    RULE,
    Received,
    amount_words,
    check_amount,
    open_books,
    receive_payment,
)


class Changed(Refused):
    """What is owed is not what the person has seen: it is to be shown again, and nothing is charged."""


def payment_on_its_way(account: Account) -> Collection | None:
    """The collection of what the account owes of which it is not known yet what comes of it; None without one."""
    found = Collection.objects.filter(account=account, plan_order=None, state__in=LIVE)
    return found.select_related("method").first()


def pay_owed(
    account: Account, amount: Decimal, method: PaymentMethod, *, seen: str, actor: Actor, at: datetime
) -> Collection:
    """Begin to take an amount of what is owed from a card; `collecting.drive` brings it on.

    `seen` is the fingerprint of what was owed when the person decided. What is on its way already is returned
    as it is, so asking twice charges once. Raises Changed where something else is owed by now, and Refused for
    more than is owed: credit is not bought with a card.
    """
    with open_books(account):
        live = payment_on_its_way(account)
        if live is not None:
            return live
        owed = owed_by(account)
        if owed.fingerprint != seen:
            raise Changed(
                "What you owe has changed since you saw it. Nothing was charged. Look at it again.", rule=RULE
            )
        check_payable(amount, owed.total, account.currency)
        return begin_collection(account, amount, method, off_session=False, actor=actor, at=at)


def books_seen(account: Account) -> str:
    """How an account's books stand, in a few letters: what is owed, and the last payment that came in."""
    last = Payment.objects.filter(account=account).order_by("-pk").values_list("pk", flat=True).first()
    return f"{owed_by(account).fingerprint}-{last or 0}"


def record_transfer(
    account: Account, received: Received, *, seen: str, actor: Actor, at: datetime
) -> Payment:
    """Take in a transfer that a person records, once for what they have seen: `seen` is what `books_seen` said.

    Raises Changed where something has come in or been invoiced since, so a form that is sent twice records one;
    and Refused as `receive_payment`.
    """
    with open_books(account):
        if books_seen(account) != seen:
            raise Changed(
                "Something has come in or been invoiced since you saw it. Nothing was recorded. Look at it again.",
                rule=RULE,
            )
        return receive_payment(account, received, actor=actor, at=at)


def check_payable(amount: Decimal, owed: Decimal, currency: str) -> None:
    """Raise Refused for what cannot be paid of an amount that is owed."""
    check_amount(amount, currency)
    if amount > owed:
        raise Refused(
            f"You owe {amount_words(owed, currency)}. Pay that, or a part of it.", rule=RULE, field="amount"
        )


def set_collects_by_card(account: Account, on: bool, *, actor: Actor, at: datetime) -> None:
    """Whether invoices are collected from the saved card on the day they are due."""
    with open_books(account):
        found = Account.objects.select_for_update().get(pk=account.pk)
        if found.collects_by_card == on:
            return
        found.collects_by_card = on
        found.save(update_fields=["collects_by_card"])
        record(
            found,
            "collect-by-card",
            found,
            "Invoices are collected from the saved card on their due day"
            if on
            else "Invoices are no longer collected from the saved card",
            actor=actor,
            at=at,
            before={"collects_by_card": not on},
            after={"collects_by_card": on},
        )

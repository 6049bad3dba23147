"""Gives money back: out of the account's credit, by the card it came from or by a bank transfer (INV-6).

What is to be given back is taken out of the credit first, under the account's lock, and put back where it
fails: so nothing is both refunded and used. A card's gateway is asked outside of the transaction, by the
refund's own key, as often as it takes to get an answer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.db.models import QuerySet

from accounts.refusals import Refused
from accounts.trail import Actor, record
from billing.models import Invoice, InvoiceState, Payment, Refund, RefundState
from billing.payments import gateways
from billing.payments.gateways.base import GatewayDown, GatewayRefused, RefundOutcome
from billing.payments.settling import (
    RULE,
    amount_words,
    check_amount,
    close_credit,
    open_books,
    tell_of_credit,
    use_credit,
)

log = logging.getLogger(__name__)

TASK: Final = "payment-refunds"

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Refundable:
    """What of a payment can be given back, in its currency.

    `most`: its amount less what has been or is being refunded. `own`: credit that is left of the payment itself.
    `credits`: credit notes, and invoices below zero, of the account, each with credit that is left.
    """

    most: Decimal
    refunded: Decimal
    own: Decimal
    credits: tuple[Invoice, ...]

    @property
    def now(self) -> Decimal:
        """The most that one refund can come to."""
        return min(self.most, max([self.own, *(-credit.open_amount for credit in self.credits)]))


def refundable(payment: Payment) -> Refundable:
    """What of a payment can be given back. Two queries."""
    amounts = payment.refunds.exclude(state=RefundState.FAILED).values_list("amount", flat=True)
    refunded = sum(amounts, Decimal(0))
    credits_left = Invoice.objects.filter(
        account=payment.account_id, state=InvoiceState.ISSUED, total__lt=0
    ).order_by("issued_on", "id")
    return Refundable(
        Decimal(0) if payment.kind == Payment.Kind.SIMULATED else payment.amount - refunded,
        refunded,
        payment.left,
        tuple(credit for credit in credits_left if credit.open_amount < 0),
    )


def ask_refund(
    payment: Payment,
    amount: Decimal,
    *,
    credit: Invoice | None = None,
    reason: str,
    seen: Decimal | None = None,
    actor: Actor,
    at: datetime,
) -> Refund:
    """Take an amount out of the credit, to be given back; the refund, which nobody has been asked for yet.

    The credit is the payment's own, or that of `credit`: a credit note, or an invoice below zero, of the same
    account. `seen`: how much of the payment had been refunded when the person decided; another refund since
    then refuses this one, so a form that is sent twice refunds once. Raises Refused for more than is left.
    """
    with open_books(payment.account):
        locked = _locked_payment(payment)
        source = None if credit is None else _locked_credit(credit)
        can = refundable(locked)
        if seen is not None and seen != can.refunded:
            raise Refused(
                "Part of this payment has been refunded since you opened the page. Look at what is left, then decide.",
                rule=RULE,
            )
        check_amount(amount, locked.currency)
        _check_left(locked, source, can, amount)
        if source is None:
            locked.left -= amount
            locked.save(update_fields=["left"])
        else:
            source.settled -= amount
            source.save(update_fields=["settled"])
        refund = Refund.objects.create(
            payment=locked,
            credit=source,
            amount=amount,
            reason=reason[:200],
            on=locked.account.local_date(at),
            asked_at=at,
            asked_by=actor.label[:120],
        )
        _tell(refund, "ask-refund", f"to be refunded: {reason}", actor, at)
    return refund


def drive_refund(refund: Refund, *, actor: Actor, clock: Clock) -> Refund:
    """Ask a card's gateway to give a refund back, and book what it says; the refund as it stands then.

    Call it outside of a transaction. It may be called any number of times: the key makes the gateway do it
    once. One that does not answer leaves the refund asked for, to be asked again.
    """
    found = _fresh(refund)
    if found.state != RefundState.ASKED or found.payment.kind != Payment.Kind.CARD:
        return found
    try:
        _book(found, _asked(found), actor, clock())
    except GatewayDown as down:
        log.warning("refund %s: its gateway does not answer: %s", found.pk, down)
    return _fresh(refund)


def ask_again(clock: Clock) -> int:
    """Ask for every refund by card of which nobody has heard: the task behind the page; returns how many."""
    actor = Actor.for_task(TASK)
    waiting = list(_waiting().filter(payment__kind=Payment.Kind.CARD).order_by("pk"))
    for refund in waiting:
        drive_refund(refund, actor=actor, clock=clock)
    return len(waiting)


def finish_by_hand(refund: Refund, reference: str, *, actor: Actor, at: datetime) -> Refund:
    """A refund by bank transfer is on its way: somebody sent it, under a reference. Raises Refused."""
    with open_books(refund.payment.account):
        locked = _by_hand(refund)
        _finish(locked, reference[:80], actor, at)
    return _fresh(refund)


def call_off(refund: Refund, why: str, *, actor: Actor, at: datetime) -> Refund:
    """A refund by bank transfer is not sent after all: its amount is credit again. Raises Refused."""
    with open_books(refund.payment.account):
        locked = _by_hand(refund)
        _fail(locked, why, actor, at)
    return _fresh(refund)


def _waiting() -> QuerySet[Refund]:
    return Refund.objects.filter(state=RefundState.ASKED).select_related("payment__account__brand", "credit")


def _fresh(refund: Refund) -> Refund:
    return Refund.objects.select_related("payment__account__brand", "credit").get(pk=refund.pk)


def _locked_payment(payment: Payment) -> Payment:
    found = Payment.objects.select_for_update(of=("self",)).select_related("account__brand")
    return found.get(pk=payment.pk)


def _locked_credit(credit: Invoice) -> Invoice:
    return Invoice.objects.select_for_update(of=("self",)).select_related("account__brand").get(pk=credit.pk)


def _locked_refund(refund: Refund) -> Refund:
    return Refund.objects.select_for_update(of=("self",)).select_related("payment__account").get(pk=refund.pk)


def _check_left(payment: Payment, source: Invoice | None, can: Refundable, amount: Decimal) -> None:
    if source is not None and source.account_id != payment.account_id:
        raise Refused("This credit is not the account's.", rule=RULE, field="credit")
    if amount > can.most:
        raise Refused(
            f"Of this payment at most {amount_words(can.most, payment.currency)} can be refunded.",
            rule=RULE,
            field="amount",
        )
    left = payment.left if source is None else -source.open_amount
    if amount > left:
        name = "this payment" if source is None else str(source)
        raise Refused(
            f"Only {amount_words(max(left, left * 0), payment.currency)} of {name} is left as credit. "
            "What settles invoices is not refunded: issue a credit note first.",
            rule=RULE,
            field="amount",
        )


def _asked(refund: Refund) -> RefundOutcome:
    """What the gateway says of a refund."""
    gateway = gateways.named(refund.payment.gateway)
    try:
        if refund.gateway_id:
            return gateway.look_up_refund(refund.gateway_id)
        return gateway.refund(
            refund.payment.gateway_id,
            amount=refund.amount,
            currency=refund.payment.currency,
            key=str(refund.key),
        )
    except GatewayRefused as refusal:
        log.warning("refund %s: %s", refund.pk, refusal)
        return RefundOutcome(refund.gateway_id, is_done=False, failure=f"The gateway refused it: {refusal}")


def _book(refund: Refund, outcome: RefundOutcome, actor: Actor, at: datetime) -> None:
    with open_books(refund.payment.account):
        locked = _locked_refund(refund)
        if locked.state != RefundState.ASKED:
            return
        if outcome.is_done:
            _finish(locked, outcome.id, actor, at)
        elif outcome.failure:
            _fail(locked, outcome.failure, actor, at)
        elif outcome.id != locked.gateway_id:
            locked.gateway_id = outcome.id
            locked.save(update_fields=["gateway_id"])


def _by_hand(refund: Refund) -> Refund:
    locked = _locked_refund(refund)
    if locked.payment.kind == Payment.Kind.CARD:
        raise Refused("The card's gateway sees to this refund. Nothing was changed.", rule=RULE)
    if locked.state != RefundState.ASKED:
        state = RefundState(locked.state).label.lower()
        raise Refused(f"This refund is {state} already. Nothing was changed.", rule=RULE)
    return locked


def _finish(locked: Refund, reference: str, actor: Actor, at: datetime) -> None:
    locked.finish(reference, at)
    locked.save()
    _tell(locked, "refund-payment", f"refunded{f': {reference}' if reference else ''}", actor, at)
    if locked.credit_id is not None:
        credit = Invoice.objects.select_related("account").get(pk=locked.credit_id)
        close_credit(credit, f"Refunded with {locked.payment}", actor=actor, at=at)


def _fail(locked: Refund, why: str, actor: Actor, at: datetime) -> None:
    """Put the amount back into the credit that it came from, where what is open finds it."""
    locked.fail(why, at)
    locked.save()
    if locked.credit_id is None:
        payment = _locked_payment(locked.payment)
        payment.left += locked.amount
        payment.save(update_fields=["left"])
    else:
        credit = _locked_credit(Invoice(pk=locked.credit_id))
        credit.settled += locked.amount
        credit.save(update_fields=["settled"])
    account = locked.payment.account
    _tell(locked, "fail-refund", f"not refunded: {why}", actor, at)
    use_credit(account, actor=actor, at=at)
    tell_of_credit(account, actor=actor, at=at)


def _tell(refund: Refund, action: str, what: str, actor: Actor, at: datetime) -> None:
    payment = refund.payment
    record(
        payment.account,
        action,
        refund,
        f"{amount_words(refund.amount, payment.currency)} of {payment} {what}"[:300],
        actor=actor,
        at=at,
        after={"amount": refund.amount, "state": refund.state, "reason": refund.reason},
    )

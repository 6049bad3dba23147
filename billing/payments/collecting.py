"""Takes money from saved cards, once, whatever dies in between (INV-6).

A collection is a row before anything is asked, and `drive` brings it on from wherever it stands: a page does,
a task does for what a page left behind, and a gateway's message does. What has been sent is looked up before
it is ever sent again, and what came in is booked once by the id that the gateway gave it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.urls import reverse

from accounts.mail import panel_url
from accounts.models import Account
from accounts.refusals import Refused
from accounts.trail import Actor, record
from billing.models import (
    Collection,
    CollectionState,
    Invoice,
    InvoiceState,
    Payment,
    PaymentMethod,
    PlanOrder,
    PlanOrderState,
)
from billing.models.payments import LIVE
from billing.payments import gateways
from billing.payments.gateways.base import Ask, Gateway, GatewayDown, GatewayRefused, Outcome, Status
from billing.payments.methods import customer_of
from billing.payments.settling import Received, amount_words, check_amount, open_books, receive_payment
from billing.plans.orders import note_decline, pay_order

log = logging.getLogger(__name__)

TASK: Final = "payment-collection"
RULE: Final = "INV-6"
LEASE: Final = timedelta(minutes=2)
"""So long is whoever takes a collection on alone with it; a gateway answers or not in less."""
PATIENCE: Final = timedelta(hours=1)
"""So long does a payment wait for the person to confirm it; then it is cancelled."""

NOT_BEGUN: Final = "The payment could not be made. Nothing was charged. Try again, or use another card."

Clock = Callable[[], datetime]
Declined = Callable[[Collection, Actor, datetime], None]

_declined: list[Declined] = []


def when_declined(listener: Declined) -> Declined:
    """Have something done for each collection that was declined, once, in the transaction that books it."""
    if listener not in _declined:
        _declined.append(listener)
    return listener


def begin_collection(
    account: Account,
    amount: Decimal,
    method: PaymentMethod,
    *,
    plan_order: PlanOrder | None = None,
    invoice: Invoice | None = None,
    off_session: bool,
    actor: Actor,
    at: datetime,
) -> Collection:
    """Write down that an amount is to be taken from a card; nothing is asked of the gateway yet.

    For a plan's order; for an invoice on its due day; or for what the account owes. What is on its way for
    the same already is returned as it is, so asking twice charges once. Raises Refused where the order has been
    paid meanwhile or is not wanted any more, the card is not the account's any more, or the amount is none.
    """
    with open_books(account):
        live = Collection.objects.filter(account=account, plan_order=plan_order, state__in=LIVE).first()
        if live is not None:
            return live
        if plan_order is not None:
            _check_open(plan_order)
        check_amount(amount, account.currency)
        if method.account_id != account.pk or method.removed_at is not None:
            raise Refused("This card has been removed. Choose another.", rule=RULE, field="method")
        found = Collection.objects.create(
            account=account,
            plan_order=plan_order,
            invoice=invoice,
            method=method,
            amount=amount,
            currency=account.currency,
            off_session=off_session,
            gateway=method.gateway,
            began_at=at,
            began_by=actor.label[:120],
            busy_until=at,
        )
        record(
            account,
            "begin-collection",
            found,
            f"{amount_words(amount, account.currency)} to be taken from {method}",
            actor=actor,
            at=at,
            after={"amount": amount, "method": str(method)},
        )
    return found


def _check_open(order: PlanOrder) -> None:
    """Whoever comes after the payment of somebody else finds it paid, and charges nothing."""
    if not PlanOrder.objects.filter(pk=order.pk, state=PlanOrderState.OPEN).exists():
        raise Refused("This is not to be paid any more. Nothing was charged.", rule="PLN-3")


def drive(collection: Collection, *, actor: Actor, clock: Clock) -> Collection:
    """Bring a collection on, and book what comes of it; the collection as it stands then.

    Call it outside of a transaction: it talks to the gateway. It may be called at any time, any number of
    times and by anybody: one at a time is at work on a collection, and the others find it as it is.
    """
    at = clock()
    ours = Collection.objects.filter(pk=collection.pk, state__in=LIVE, busy_until__lte=at)
    if ours.update(busy_until=at + LEASE):
        found = _fresh(collection)
        try:
            _book(found, _asked(found, gateways.named(found.gateway), clock()), actor, clock())
        except GatewayDown as down:
            log.warning("collection %s: its gateway does not answer: %s", found.pk, down)
        finally:
            Collection.objects.filter(pk=found.pk).update(busy_until=clock())
    return _fresh(collection)


def cancel_collection(collection: Collection, *, actor: Actor, clock: Clock) -> Collection:
    """Have a collection never charge, unless it has by now; the collection as it stands then.

    Raises Refused while the gateway does not say.
    """
    found = _fresh(collection)
    if not found.is_live:
        return found
    try:
        outcome = (
            gateways.named(found.gateway).cancel(found.gateway_id)
            if found.gateway_id
            else Outcome(Status.CANCELLED)
        )
    except (GatewayDown, GatewayRefused) as error:
        raise Refused(
            "The bank has the payment now. Wait until it has answered; you will not be charged twice.",
            rule=RULE,
        ) from error
    _book(found, outcome, actor, clock())
    return _fresh(collection)


def reconcile(clock: Clock) -> int:
    """Bring on every collection of which nobody has heard: the task behind all pages; returns how many."""
    at = clock()
    actor = Actor.for_task(TASK)
    found = list(Collection.objects.filter(state__in=LIVE, busy_until__lte=at).order_by("pk"))
    for collection in found:
        try:
            _reconcile_one(collection, actor, at, clock)
        except Exception:  # one that cannot be worked on never keeps the others from being looked up
            log.exception("collection %s could not be brought on; the others go on", collection.pk)
    return len(found)


def _reconcile_one(collection: Collection, actor: Actor, at: datetime, clock: Clock) -> None:
    now = drive(collection, actor=actor, clock=clock)
    if now.state == CollectionState.ACTION and now.began_at + PATIENCE <= at:
        try:
            cancel_collection(now, actor=actor, clock=clock)
        except Refused:
            log.warning("collection %s could not be cancelled yet", now.pk)


def collection_url(collection: Collection) -> str:
    """The page of a collection: what has become of it, and the way back from the bank."""
    kwargs = {"account": collection.account.slug, "key": collection.key}
    return reverse("billing:collection", kwargs=kwargs)


def _fresh(collection: Collection) -> Collection:
    found = Collection.objects.select_related("account__brand", "method", "plan_order", "invoice")
    return found.get(pk=collection.pk)


def _asked(found: Collection, gateway: Gateway, at: datetime) -> Outcome:
    """What the gateway says of a collection, after it was asked for what comes next."""
    try:
        if not found.gateway_id:
            found.gateway_id = gateway.prepare(_ask(found, gateway))
            Collection.objects.filter(pk=found.pk).update(gateway_id=found.gateway_id)
        if found.state == CollectionState.NEW:
            return _confirmed(found, gateway) if _is_sent(found, at) else Outcome(Status.CANCELLED)
        outcome = gateway.look_up(found.gateway_id)
        # Whoever sent it died before it was asked for.
        return _confirmed(found, gateway) if outcome.status is Status.READY else outcome
    except GatewayRefused as refusal:
        log.warning("collection %s: %s", found.pk, refusal)
        return Outcome(Status.FAILED, failure_code="refused", failure=NOT_BEGUN)


def _ask(found: Collection, gateway: Gateway) -> Ask:
    what = f"Plan of {found.account}" if found.plan_order_id else f"Invoices of {found.account}"
    return Ask(
        key=str(found.key),
        amount=found.amount,
        currency=found.currency,
        customer=customer_of(found.account, gateway),
        card=found.method.gateway_id,
        label=what,
    )


def _is_sent(found: Collection, at: datetime) -> bool:
    """Write down that from here on money may have moved; False where it was cancelled meanwhile.

    What nobody watches is cancelled where so much is not due any more: it was paid in another way.
    """
    with open_books(found.account):
        locked = Collection.objects.select_for_update(of=("self",)).get(pk=found.pk)
        if locked.state != CollectionState.NEW:
            return False
        if locked.off_session and locked.plan_order_id is None and locked.amount > _owed(found.account, at):
            locked.cancel(at)
            locked.save(update_fields=["state", "finished_at"])
            return False
        locked.send()
        locked.save(update_fields=["state"])
    return True


def _owed(account: Account, at: datetime) -> Decimal:
    """What is to be paid by now of the account's invoices; summed here, as SQLite would sum in floats."""
    today = account.local_date(at)
    issued = Invoice.objects.filter(
        account=account, state=InvoiceState.ISSUED, total__gt=0, due_on__lte=today
    )
    return sum((total - settled for total, settled in issued.values_list("total", "settled")), Decimal(0))


def _confirmed(found: Collection, gateway: Gateway) -> Outcome:
    try:
        return gateway.confirm(
            found.gateway_id,
            key=f"{found.key}-confirm",
            off_session=found.off_session,
            # Where nobody is, nobody comes back.
            return_url="" if found.off_session else panel_url(collection_url(found)),
        )
    except GatewayRefused as refusal:
        # What has been confirmed before, and what cannot be at all, are told by where the intent stands.
        outcome = gateway.look_up(found.gateway_id)
        if outcome.status is Status.READY:
            raise
        log.info("collection %s was confirmed before: %s", found.pk, refusal)
        return outcome


def _book(found: Collection, outcome: Outcome, actor: Actor, at: datetime) -> None:
    """Write down what became of a collection, once."""
    with open_books(found.account):
        locked = Collection.objects.select_for_update(of=("self",)).get(pk=found.pk)
        if not locked.is_live:
            return
        locked.account, locked.method = found.account, found.method
        if outcome.status is Status.SUCCEEDED:
            locked.succeed(_received(locked, outcome, actor, at), at)
        elif outcome.status is Status.FAILED:
            locked.fail(outcome.failure_code, outcome.failure or NOT_BEGUN, at)
            _tell_decline(locked, actor, at)
        elif outcome.status is Status.CANCELLED:
            locked.cancel(at)
        elif outcome.status is Status.ACTION and locked.state != CollectionState.ACTION:
            locked.wait(outcome.action_url)
        locked.save()


def _received(locked: Collection, outcome: Outcome, actor: Actor, at: datetime) -> Payment:
    received = Received(
        Payment.Kind.CARD,
        outcome.amount,
        locked.account.local_date(at),
        reference=str(locked.method),
        gateway=locked.gateway,
        gateway_id=locked.gateway_id,
        method=locked.method,
    )
    if locked.plan_order is not None:
        return pay_order(locked.plan_order, received, actor=actor, at=at)
    return receive_payment(locked.account, received, actor=actor, at=at)


def _tell_decline(locked: Collection, actor: Actor, at: datetime) -> None:
    record(
        locked.account,
        "decline-collection",
        locked,
        f"{amount_words(locked.amount, locked.currency)} could not be taken from {locked.method}",
        actor=actor,
        at=at,
        after={"reason": locked.failure},
    )
    if locked.plan_order is not None and locked.off_session:
        note_decline(locked.plan_order, locked.failure, actor=actor, at=at)
    for listener in _declined:
        listener(locked, actor, at)

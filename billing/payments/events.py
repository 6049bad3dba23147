"""What a gateway tells by itself: messages that may come twice, late, in any order, and about anything (INV-6).

A message says only that there is something to be looked up. Each is written down by its id before anything is
done for it, and marked as done afterwards: one whose work fails is answered with an error and sent again, and
since all that is done here may be done any number of times, it begins from the start then.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Final

from accounts.models import User
from accounts.trail import Actor
from billing.models import (
    CardSetup,
    Collection,
    CollectionState,
    GatewayEvent,
    PaymentMethod,
    Refund,
    RefundState,
)
from billing.payments.collecting import Clock, drive
from billing.payments.gateways.base import Event
from billing.payments.methods import finish_card, remove_method
from billing.payments.refunds import drive_refund

log = logging.getLogger(__name__)

TASK: Final = "payment-message"
KEPT_FOR: Final = timedelta(days=90)
"""So long is it known that a message came; gateways send theirs again for some days."""


def receive_event(gateway: str, event: Event, clock: Clock) -> None:
    """Write a message down, and do what it is about; one that was done before is done already.

    Call it outside of a transaction, with a message whose signature has been checked. Raises Refused, or
    whatever else went wrong: the message has to be sent again then.
    """
    found, _ = GatewayEvent.objects.get_or_create(
        gateway=gateway,
        event_id=event.id[:120],
        defaults={
            "kind": event.kind[:80],
            "about": (event.about or event.intent)[:80],
            "received_at": clock(),
        },
    )
    if found.done_at is not None:
        return
    _told(gateway, event, clock)
    GatewayEvent.objects.filter(pk=found.pk).update(done_at=clock())


def forget_events(at: datetime) -> int:
    """Keep messages for ninety days and no longer; returns how many are gone."""
    gone, _ = GatewayEvent.objects.filter(received_at__lt=at - KEPT_FOR).delete()
    return gone


def _told(gateway: str, event: Event, clock: Clock) -> None:
    """Do what the kind of a message asks for. What is of no interest here is kept, and no more."""
    kind = event.kind
    if kind.startswith("payment_intent."):
        _bring_on(gateway, event, clock)
    elif kind == "checkout.session.completed":
        _save_card(gateway, event, clock)
    elif kind == "payment_method.detached":
        _lose_card(gateway, event, clock)
    elif kind.startswith(("refund.", "charge.refund")):
        _refunded(gateway, event, clock)
    elif kind.startswith("charge.dispute."):
        log.error("%s %s: the payment by %s is disputed at %s", kind, event.about, event.intent, gateway)


def _bring_on(gateway: str, event: Event, clock: Clock) -> None:
    """Look up the payment that it tells of. Whoever is at work on it just now goes on with it."""
    found = Collection.objects.filter(gateway=gateway, gateway_id=event.intent).first()
    if found is None:
        log.info("%s %s is about no payment of the panel's: %s", event.kind, event.id, event.intent)
        return
    now = drive(found, actor=Actor.for_task(TASK), clock=clock)
    if event.kind == "payment_intent.succeeded" and now.state in (
        CollectionState.FAILED,
        CollectionState.CANCELLED,
    ):
        log.error(
            "collection %s is %s, yet %s says that %s was paid", now.pk, now.state, gateway, event.intent
        )


def _save_card(gateway: str, event: Event, clock: Clock) -> None:
    """Save the card that was entered, for whoever began it: they may never have come back."""
    setup = CardSetup.objects.select_related("account__brand", "method").filter(
        gateway=gateway, gateway_id=event.about
    )
    found = setup.first()
    if found is not None:
        finish_card(found, actor=_who_began(found), at=clock())


def _who_began(setup: CardSetup) -> Actor:
    user = User.objects.filter(email=setup.began_by).first()
    return Actor(user=user) if user is not None else Actor.for_task(TASK)


def _lose_card(gateway: str, event: Event, clock: Clock) -> None:
    """Remove a card that the gateway does not keep any more."""
    found = (
        PaymentMethod.objects.select_related("account")
        .filter(gateway=gateway, gateway_id=event.about, removed_at=None)
        .first()
    )
    if found is not None:
        remove_method(found, actor=Actor.for_task(TASK), at=clock())


def _refunded(gateway: str, event: Event, clock: Clock) -> None:
    """Bring on the refunds that were asked for here; of others, somebody has to know."""
    ours = Refund.objects.filter(payment__gateway=gateway, payment__gateway_id=event.intent)
    waiting = list(ours.filter(state=RefundState.ASKED))
    for refund in waiting:
        drive_refund(refund, actor=Actor.for_task(TASK), clock=clock)
    is_known = (
        ours.exists() if event.kind == "charge.refunded" else ours.filter(gateway_id=event.about).exists()
    )
    if not waiting and not is_known:
        log.error(
            "%s %s: money of %s was given back at %s, and not by the panel: its books do not have it",
            event.kind,
            event.about,
            event.intent,
            gateway,
        )

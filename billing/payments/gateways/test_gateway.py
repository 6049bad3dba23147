"""The built-in gateway for tests and the demo: its cards succeed, are declined, or ask to be confirmed.

It stands for a real one, with books of its own (`TestIntent`) and pages of its own, on which a card is chosen
by what it does. It is not there in production.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import uuid4

from django.db import transaction
from django.urls import reverse

from accounts.models import Account
from billing.models import CardSetup, TestIntent
from billing.payments.gateways.base import (
    Ask,
    Card,
    Event,
    EventForged,
    GatewayDown,
    GatewayRefused,
    Outcome,
    RefundOutcome,
    Setup,
    Status,
)

NAME: Final = "test"
EXPIRES: Final = (12, 2034)


@dataclass(frozen=True, slots=True)
class TestCard:
    """A card by what it does. `outcome` is what confirming a charge of it comes to."""

    __test__ = False

    code: str
    label: str
    brand: str
    last4: str
    outcome: Status
    failure_code: str = ""


CARDS: Final = {
    card.code: card
    for card in (
        TestCard("succeeds", "Every payment succeeds", "Visa", "4242", Status.SUCCEEDED),
        TestCard("declined", "Every payment is declined", "Visa", "0002", Status.FAILED, "card_declined"),
        TestCard("no-funds", "Too little money on it", "Visa", "9995", Status.FAILED, "insufficient_funds"),
        TestCard("asks", "The bank asks for a confirmation", "Mastercard", "3155", Status.ACTION),
        TestCard("silent", "The bank does not answer", "Mastercard", "0119", Status.PROCESSING),
    )
}
"""The cards that there are, by code. A token is a code and something that makes it one of its own."""

FAILURES: Final = {
    "card_declined": "The card was declined. Use another card, or ask the bank that issued it.",
    "insufficient_funds": "The card was declined: there is too little money on it. Use another card.",
    "authentication_failed": "The payment was not confirmed. Pay again, or use another card.",
    "authentication_required": "The bank wants this payment to be confirmed, and nobody was there. Pay it here.",
}


class TestGateway:
    """See `Gateway`."""

    __test__ = False

    name = NAME
    is_test = True

    def customer(self, *, key: str, name: str, email: str) -> str:
        """Its customers are their keys."""
        return f"customer-{key}"

    def begin_setup(self, customer: str, *, key: str, return_url: str) -> Setup:
        """The page on which a test card is chosen."""
        found = CardSetup.objects.select_related("account").get(key=key)
        return Setup(
            key, reverse("billing:test-bank-card", kwargs={"account": found.account.slug, "key": key})
        )

    def finish_setup(self, setup: str) -> Card | None:
        """The card that was chosen there, which the page has written behind the setup's id."""
        found = CardSetup.objects.get(key=setup.partition(":")[0])
        code = found.gateway_id.partition(":")[2]
        return card_of(f"{code}:{found.key.hex}") if code else None

    def forget(self, token: str) -> None:
        """It keeps no cards."""

    def prepare(self, ask: Ask) -> str:
        """An intent in its books."""
        found, _ = TestIntent.objects.get_or_create(
            key=ask.key, defaults={"amount": ask.amount, "currency": ask.currency, "card": ask.card}
        )
        return found.key

    def confirm(self, intent: str, *, key: str, off_session: bool, return_url: str) -> Outcome:
        """What the card does. Where nobody is there, one that asks to be confirmed is declined."""
        with transaction.atomic():
            found = self._locked(intent)
            if found.status != Status.READY:
                raise GatewayRefused(f"intent {intent} is {found.status}")
            card = CARDS[found.card.partition(":")[0]]
            found.return_url = return_url
            found.status, found.failure_code = card.outcome.value, card.failure_code
            if off_session and card.outcome is Status.ACTION:
                found.status, found.failure_code = Status.FAILED.value, "authentication_required"
            found.save()
        if found.status == Status.PROCESSING:
            raise GatewayDown("the test card's bank does not answer")
        return _outcome(found)

    def look_up(self, intent: str) -> Outcome:
        """How an intent stands. A bank that did not answer has done what was asked by now."""
        with transaction.atomic():
            found = self._locked(intent)
            if found.status == Status.PROCESSING:
                found.status = Status.SUCCEEDED.value
                found.save(update_fields=["status"])
        return _outcome(found)

    def answer(self, intent: str, *, is_confirmed: bool) -> str:
        """What the person says on the bank's page; returns where they go on."""
        with transaction.atomic():
            found = self._locked(intent)
            if found.status == Status.ACTION:
                found.status = Status.SUCCEEDED.value if is_confirmed else Status.FAILED.value
                found.failure_code = "" if is_confirmed else "authentication_failed"
                found.save(update_fields=["status", "failure_code"])
        return found.return_url

    def cancel(self, intent: str) -> Outcome:
        """Nothing is charged any more, unless it has been."""
        with transaction.atomic():
            found = self._locked(intent)
            if found.status in (Status.READY, Status.ACTION, Status.PROCESSING):
                found.status = Status.CANCELLED.value
                found.save(update_fields=["status"])
        return _outcome(found)

    def refund(self, intent: str, *, amount: Decimal, currency: str, key: str) -> RefundOutcome:
        """Given back at once, at most what was paid."""
        with transaction.atomic():
            found = self._locked(intent)
            if found.status != Status.SUCCEEDED or found.refunded + amount > found.amount:
                raise GatewayRefused("more than was paid cannot be given back")
            found.refunded += amount
            found.save(update_fields=["refunded"])
        return RefundOutcome(f"refund-{key}", is_done=True)

    def look_up_refund(self, refund: str) -> RefundOutcome:
        """Whatever it was asked for is done."""
        return RefundOutcome(refund, is_done=True)

    def read_event(self, payload: bytes, headers: Mapping[str, str]) -> Event:
        """It sends no messages."""
        raise EventForged("the test gateway sends no messages")

    def _locked(self, intent: str) -> TestIntent:
        found = TestIntent.objects.select_for_update().filter(key=intent).first()
        if found is None:
            raise GatewayRefused(f"there is no intent {intent}")
        return found


def card_of(token: str) -> Card:
    """The card of a token."""
    card = CARDS[token.partition(":")[0]]
    return Card(token, card.brand, card.last4, *EXPIRES)


def new_card(code: str) -> Card:
    """A card of its own that does what `code` says."""
    return card_of(f"{code}:{uuid4().hex}")


def _outcome(found: TestIntent) -> Outcome:
    status = Status(found.status)
    return Outcome(
        status,
        amount=found.amount,
        currency=found.currency,
        failure_code=found.failure_code,
        failure=FAILURES.get(found.failure_code, ""),
        action_url=_confirm_url(found) if status is Status.ACTION else "",
    )


def _confirm_url(found: TestIntent) -> str:
    account = Account.objects.get(collections__gateway=NAME, collections__gateway_id=found.key)
    return reverse("billing:test-bank-confirm", kwargs={"account": account.slug, "key": found.key})

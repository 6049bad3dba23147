"""What the panel asks of a gateway, in its own words.

A charge has two steps. `prepare` makes an intent and charges nothing; its id is kept before `confirm`, the
one call that charges. Whatever dies in between, `look_up` tells what became of it, and an intent that has
succeeded cannot be confirmed again: so nothing is charged twice, whether or not a gateway knows keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Protocol


class GatewayDown(Exception):
    """The gateway did not answer, or not in a way that says what happened: it may have done what was asked."""


class GatewayRefused(Exception):
    """The gateway does not do what was asked, and nothing has happened. The message is fit for staff."""


class EventForged(Exception):
    """A message that the gateway did not sign."""


class Status(StrEnum):
    """Where an intent stands at its gateway."""

    READY = "ready"
    """Prepared and not confirmed: nothing has been charged."""
    PROCESSING = "processing"
    ACTION = "action"
    """The bank wants the person to confirm."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Card(NamedTuple):
    """A card as it may be kept: `token` is what the gateway knows it by."""

    token: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int


class Setup(NamedTuple):
    """The gateway's page on which a card is entered."""

    id: str
    url: str


@dataclass(frozen=True, slots=True)
class Ask:
    """An amount to be taken from a card: whole minor units of `currency` (ISO 4217).

    `key` is the same however often it is asked; `label` is what the gateway's own books call it.
    """

    key: str
    amount: Decimal
    currency: str
    customer: str
    card: str
    label: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an intent. `failure` is a sentence for the person, `action_url` where they confirm."""

    status: Status
    amount: Decimal = Decimal(0)
    currency: str = ""
    failure_code: str = ""
    failure: str = ""
    action_url: str = ""


@dataclass(frozen=True, slots=True)
class RefundOutcome:
    """What became of a refund; one that is neither done nor failed is on its way."""

    id: str
    is_done: bool
    failure: str = ""


class Event(NamedTuple):
    """A message of a gateway: what it is about is looked up, so that its order and age do not matter.

    `about`: the gateway's id of what it tells of; `intent`: of the payment behind that, "" where there is none.
    """

    id: str
    kind: str
    about: str
    intent: str


class Gateway(Protocol):
    """Takes money from cards. Each call may raise GatewayDown; those that ask for something, GatewayRefused."""

    name: str
    is_test: bool

    def customer(self, *, key: str, name: str, email: str) -> str:
        """The id of a new customer; the same for the same key."""
        ...

    def begin_setup(self, customer: str, *, key: str, return_url: str) -> Setup:
        """Where the customer enters a card. The person comes back to `return_url`."""
        ...

    def finish_setup(self, setup: str) -> Card | None:
        """The card that was entered, kept for later charges; None while none was."""
        ...

    def forget(self, token: str) -> None:
        """Keep a card no longer. One that is gone already is no error."""
        ...

    def prepare(self, ask: Ask) -> str:
        """The id of an intent, not confirmed: nothing is charged. The same for the same key."""
        ...

    def confirm(self, intent: str, *, key: str, off_session: bool, return_url: str) -> Outcome:
        """Charge an intent that is ready. A decline is an outcome, no error."""
        ...

    def look_up(self, intent: str) -> Outcome:
        """How an intent stands."""
        ...

    def cancel(self, intent: str) -> Outcome:
        """Have an intent never charge, unless it has: the outcome says which."""
        ...

    def refund(self, intent: str, *, amount: Decimal, currency: str, key: str) -> RefundOutcome:
        """Give an amount of a payment back; the same for the same key."""
        ...

    def look_up_refund(self, refund: str) -> RefundOutcome:
        """How a refund stands that was on its way, by the gateway's id of it."""
        ...

    def read_event(self, payload: bytes, headers: Mapping[str, str]) -> Event:
        """A message that came in. Raises EventForged where the gateway did not sign it."""
        ...

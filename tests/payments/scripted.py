"""A gateway that does what a test tells it: answers, declines, is silent, or dies at any of its calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

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


@dataclass
class ScriptedGateway:
    """Its books, and what happens on the way to them and back.

    `answer` is what a charge comes to. `silent_before` and `silent_after` name calls of which nobody hears: the
    first are not done, the others are. `charged` counts what each intent has taken.
    """

    name: str = "test"
    is_test: bool = True
    answer: Status = Status.SUCCEEDED
    failure: str = ""
    silent_before: set[str] = field(default_factory=set)
    silent_after: set[str] = field(default_factory=set)
    intents: dict[str, Outcome] = field(default_factory=dict)
    charged: dict[str, int] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    @property
    def taken(self) -> int:
        """How often money was taken in all."""
        return sum(self.charged.values())

    def customer(self, *, key: str, name: str, email: str) -> str:
        return f"customer-{key}"

    def begin_setup(self, customer: str, *, key: str, return_url: str) -> Setup:
        self._called("begin_setup")
        return Setup(f"setup-{key}", "https://bank.example/card")

    def finish_setup(self, setup: str) -> Card | None:
        self._called("finish_setup")
        return Card(f"card-{setup}", "Visa", "4242", 12, 2034)

    def forget(self, token: str) -> None:
        self._called("forget")

    def prepare(self, ask: Ask) -> str:
        self._called("prepare")
        self.intents.setdefault(ask.key, Outcome(Status.READY, ask.amount, ask.currency))
        self._answered("prepare")
        return ask.key

    def confirm(self, intent: str, *, key: str, off_session: bool, return_url: str) -> Outcome:
        self._called("confirm")
        found = self.intents[intent]
        if found.status is not Status.READY:
            raise GatewayRefused(f"{intent} is {found.status}")
        self._come_to(intent, self.answer)
        self._answered("confirm")
        return self.intents[intent]

    def look_up(self, intent: str) -> Outcome:
        self._called("look_up")
        return self.intents[intent]

    def cancel(self, intent: str) -> Outcome:
        self._called("cancel")
        if self.intents[intent].status is not Status.SUCCEEDED:
            self._come_to(intent, Status.CANCELLED)
        return self.intents[intent]

    def refund(self, intent: str, *, amount: Decimal, currency: str, key: str) -> RefundOutcome:
        self._called("refund")
        self._answered("refund")
        return RefundOutcome(f"refund-{key}", is_done=True)

    def look_up_refund(self, refund: str) -> RefundOutcome:
        self._called("look_up_refund")
        return RefundOutcome(refund, is_done=True)

    def read_event(self, payload: bytes, headers: Mapping[str, str]) -> Event:
        raise EventForged("nothing is signed here")

    def confirmed_by_person(self, intent: str) -> None:
        """The person has said yes on the bank's page."""
        self._come_to(intent, Status.SUCCEEDED)

    def _come_to(self, intent: str, status: Status) -> None:
        found = self.intents[intent]
        url = "https://bank.example/confirm" if status is Status.ACTION else ""
        self.intents[intent] = Outcome(status, found.amount, found.currency, "", self.failure, url)
        if status is Status.SUCCEEDED:
            self.charged[intent] = self.charged.get(intent, 0) + 1

    def _called(self, call: str) -> None:
        self.calls.append(call)
        if call in self.silent_before:
            raise GatewayDown(f"{call} was never heard of")

    def _answered(self, call: str) -> None:
        if call in self.silent_after:
            raise GatewayDown(f"the answer to {call} was lost")

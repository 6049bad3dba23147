"""Stripe for tests: a real server on loopback, and what tests ask of it beside Stripe's own API.

    def test_a_charge(stripe_peer: StripePeer) -> None:
        stripe_peer.fail("confirm", "drop", done=True)

`server.py` is the process: localstripe with the gaps closed that the panel would fall into. `tests.services`
starts it, and `conftest` gives each test an empty one.
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any, Final
from urllib.parse import quote, urlsplit

KEY: Final = "sk_test_panel"
"""The one secret key that the peer takes."""
LIMITED_KEY: Final = "sk_test_limited"
"""A key that may not do anything."""

VISA: Final = "4242424242424242"
DECLINED_LATER: Final = "4000000000000341"
"""Can be saved; each charge of it is declined."""
DECLINED_AT_ONCE: Final = "4000000000000002"
"""Cannot even be saved."""
ASKS_WHEN_THERE: Final = "4000002500003155"
"""The bank asks for a confirmation where the person is there, and not where nobody is."""
ASKS_ALWAYS: Final = "4000002760003184"
"""The bank always asks for a confirmation."""

PATIENCE: Final = 30


@dataclass(frozen=True, slots=True)
class StripePeer:
    """The server at `url`, as a test has it."""

    url: str

    def reset(self) -> None:
        """Forget everything."""
        self._ask("DELETE", "/_peer")

    def fail(self, call: str, how: str, *, done: bool = False, times: int = 1) -> None:
        """Have the next calls of a name go wrong: `hang`, `drop`, `half`, `500`, `429`, `409`, or `502`.

        `call` is named as in `Gateway`. With `done` it is done before; else it is as if it had never come.
        """
        self._ask("POST", "/_peer/faults", {"call": call, "how": how, "done": done, "times": times})

    def decline_with(self, code: str) -> None:
        """Have banks give this decline code from now on."""
        self._ask("POST", "/_peer/decline", {"code": code})

    def enter_card(self, session: str, number: str = VISA, brand: str = "visa") -> bool:
        """Enter a card on the page of a Checkout Session, as the person would; False where it is declined."""
        page = f"/_peer/sessions/{quote(session)}/enter"
        return bool(self._ask("POST", page, {"number": number, "brand": brand})["complete"])

    def answer_bank(self, intent: str, *, confirmed: bool) -> None:
        """Say yes or no on the bank's page for a payment."""
        self._ask("POST", f"/_peer/intents/{quote(intent)}/answer", {"confirmed": confirmed})

    def charges(self) -> list[dict[str, Any]]:
        """The charges that took money: `intent`, `amount` in minor units, `currency`, `refunded`."""
        return list(self._ask("GET", "/_peer/charges")["charges"])

    def calls(self, name: str) -> list[dict[str, Any]]:
        """The calls of a name that came in: `params` as they were sent, `key`, `version`, `replayed`."""
        return [call for call in self._ask("GET", "/_peer/calls")["calls"] if call["name"] == name]

    def intents(self) -> list[str]:
        """The ids of all payments, begun or done."""
        return list(self._ask("GET", "/_peer/intents")["intents"])

    def send_to(self, url: str, secret: str, name: str = "panel") -> None:
        """Have localstripe send its messages there, signed with a secret."""
        self._ask("POST", f"/_config/webhooks/{name}", {"url": url, "secret": secret})

    def keep_messages(self, secret: str) -> None:
        """Have localstripe's messages kept by the peer itself, for `messages`."""
        self.send_to(f"{self.url}/_peer/inbox", secret, "inbox")

    def messages(self) -> list[tuple[str, bytes, str]]:
        """The messages that were kept: kind, body, and the header `Stripe-Signature`."""
        kept = self._ask("GET", "/_peer/inbox")["messages"]
        return [(json.loads(body)["type"], body.encode(), signature) for body, signature in kept]

    def send_event(self, kind: str, about: dict[str, Any]) -> None:
        """Have localstripe send a message of a kind, about an object."""
        self._ask("POST", "/_peer/events", {"kind": kind, "about": about})

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        with closing(HTTPConnection(urlsplit(self.url).netloc, timeout=PATIENCE)) as connection:
            sent = None if body is None else json.dumps(body)
            connection.request(method, path, sent, {"Content-Type": "application/json"})
            response = connection.getresponse()
            said = response.read().decode()
        assert response.status < 300, f"{method} {path}: {said}"
        return dict(json.loads(said))

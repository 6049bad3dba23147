"""Stripe, through its own library: cards are entered on Stripe's page, and charged by PaymentIntents.

Amounts go to Stripe in whole minor units. A card comes from a Checkout Session in set-up mode, behind which
a SetupIntent keeps it for charges while nobody is there. A bank that wants a confirmation (3-D Secure) is
visited by its own address, so nothing of Stripe's is loaded into the panel's pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import stripe

from billing.gather import decimals_of
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

NAME: Final = "stripe"
TIMEOUT: Final = 20
"""Seconds that an answer may take; the lease of a collection is longer than all tries of one call."""
RETRIES: Final = 2

_STATUSES: Final = {
    "requires_confirmation": Status.READY,
    "requires_action": Status.ACTION,
    "processing": Status.PROCESSING,
    "requires_capture": Status.PROCESSING,
    "succeeded": Status.SUCCEEDED,
    "canceled": Status.CANCELLED,
    # A card that was declined is taken off its intent.
    "requires_payment_method": Status.FAILED,
}
_WORDS: Final = {
    "card_declined": "The card was declined. Use another card, or ask the bank that issued it.",
    "insufficient_funds": "The card was declined: there is too little money on it. Use another card.",
    "expired_card": "The card has expired. Use another card.",
    "authentication_required": "The bank wants this payment to be confirmed. Pay it here, where you can do that.",
    "payment_intent_authentication_failure": "The payment was not confirmed. Pay again, or use another card.",
}
_OTHERWISE: Final = "The payment was declined. Use another card, or ask the bank that issued this one."


class StripeGateway:
    """See `Gateway`."""

    name = NAME
    is_test = False

    def __init__(self, secret_key: str, webhook_secret: str, api_base: str = "") -> None:
        """`api_base` is another server that speaks Stripe's API, "" for Stripe itself."""
        self._webhook_secret = webhook_secret
        self._client = stripe.StripeClient(
            secret_key,
            max_network_retries=RETRIES,
            http_client=stripe.RequestsClient(timeout=TIMEOUT),
            **({"base_addresses": {"api": api_base}} if api_base else {}),
        )

    def customer(self, *, key: str, name: str, email: str) -> str:
        """A customer of the name."""
        made = self._asked(
            self._client.v1.customers.create,
            {"name": name, "email": email, "metadata": {"panel": key}},
            options={"idempotency_key": f"customer-{key}"},
        )
        return str(made.id)

    def begin_setup(self, customer: str, *, key: str, return_url: str) -> Setup:
        """A Checkout Session in set-up mode."""
        made = self._asked(
            self._client.v1.checkout.sessions.create,
            {
                "mode": "setup",
                "customer": customer,
                "payment_method_types": ["card"],
                "success_url": return_url,
                "cancel_url": return_url,
                "client_reference_id": key,
            },
            options={"idempotency_key": f"setup-{key}"},
        )
        return Setup(str(made.id), str(made.url))

    def finish_setup(self, setup: str) -> Card | None:
        """The card behind the session's SetupIntent, once that has succeeded."""
        found = self._asked(
            self._client.v1.checkout.sessions.retrieve,
            setup,
            params={"expand": ["setup_intent.payment_method"]},
        )
        intent = found.setup_intent
        if intent is None or intent.status != "succeeded" or intent.payment_method is None:
            return None
        method = intent.payment_method
        card = method.card
        return Card(
            str(method.id), str(card.brand).capitalize(), str(card.last4), card.exp_month, card.exp_year
        )

    def forget(self, token: str) -> None:
        """Detach the card from its customer."""
        try:
            self._asked(self._client.v1.payment_methods.detach, token)
        except GatewayRefused:
            return  # it is not attached any more

    def prepare(self, ask: Ask) -> str:
        """A PaymentIntent that waits to be confirmed."""
        made = self._asked(
            self._client.v1.payment_intents.create,
            {
                "amount": _minor(ask.amount, ask.currency),
                "currency": ask.currency.lower(),
                "customer": ask.customer,
                "payment_method": ask.card,
                "payment_method_types": ["card"],
                "description": ask.label,
                "metadata": {"collection": ask.key},
            },
            options={"idempotency_key": ask.key},
        )
        return str(made.id)

    def confirm(self, intent: str, *, key: str, off_session: bool, return_url: str) -> Outcome:
        """Charge; a decline is an outcome."""
        params: dict[str, Any] = {"off_session": True} if off_session else {"return_url": return_url}
        try:
            found = self._asked(
                self._client.v1.payment_intents.confirm, intent, params, options={"idempotency_key": key}
            )
        except stripe.CardError as error:
            return _declined(error)
        return _outcome(found)

    def look_up(self, intent: str) -> Outcome:
        """How it stands at Stripe."""
        return _outcome(self._asked(self._client.v1.payment_intents.retrieve, intent))

    def cancel(self, intent: str) -> Outcome:
        """Cancelled, or what became of it before."""
        try:
            return _outcome(self._asked(self._client.v1.payment_intents.cancel, intent))
        except GatewayRefused:
            return self.look_up(intent)

    def refund(self, intent: str, *, amount: Decimal, currency: str, key: str) -> RefundOutcome:
        """A Refund of the intent's charge."""
        made = self._asked(
            self._client.v1.refunds.create,
            {"payment_intent": intent, "amount": _minor(amount, currency)},
            options={"idempotency_key": key},
        )
        return _refund_outcome(made)

    def look_up_refund(self, refund: str) -> RefundOutcome:
        """How it stands at Stripe."""
        return _refund_outcome(self._asked(self._client.v1.refunds.retrieve, refund))

    def read_event(self, payload: bytes, headers: Mapping[str, str]) -> Event:
        """An event with Stripe's signature, not older than the library allows."""
        try:
            event = stripe.Webhook.construct_event(
                payload, headers.get("Stripe-Signature", ""), self._webhook_secret
            )
        except (ValueError, stripe.SignatureVerificationError) as error:
            raise EventForged(str(error)) from error
        about = event.data.object
        intent = about.id if about.object == "payment_intent" else getattr(about, "payment_intent", None)
        return Event(str(event.id), str(event.type), str(intent or ""))

    def _asked(self, call: Any, *args: Any, **kwargs: Any) -> Any:
        """What Stripe answers; its errors in the panel's words, but for declined cards."""
        try:
            return call(*args, **kwargs)
        except stripe.CardError:
            raise
        except stripe.InvalidRequestError as error:
            raise GatewayRefused(error.user_message or str(error)) from error
        except stripe.StripeError as error:
            # No answer, too many at once, an error of Stripe's, a key that is not taken: nobody knows what happened.
            raise GatewayDown(str(error)) from error


def _minor(amount: Decimal, currency: str) -> int:
    """An amount as Stripe counts it: 29.99 USD is 2999."""
    return int(amount.scaleb(decimals_of(currency)).to_integral_exact())


def _major(amount: int, currency: str) -> Decimal:
    return Decimal(amount).scaleb(-decimals_of(currency))


def _outcome(found: Any) -> Outcome:
    status = _STATUSES.get(found.status, Status.PROCESSING)
    currency = str(found.currency).upper()
    error = found.last_payment_error
    code = str(getattr(error, "decline_code", None) or getattr(error, "code", None) or "") if error else ""
    return Outcome(
        status,
        amount=_major(found.amount, currency),
        currency=currency,
        failure_code=code,
        failure=_WORDS.get(code, _OTHERWISE) if status is Status.FAILED else "",
        action_url=_action(found) if status is Status.ACTION else "",
    )


def _refund_outcome(found: Any) -> RefundOutcome:
    failed = found.status in ("failed", "canceled")
    return RefundOutcome(
        str(found.id), found.status == "succeeded", "The card's bank did not take it." if failed else ""
    )


def _declined(error: stripe.CardError) -> Outcome:
    code = str(getattr(error.error, "decline_code", None) or error.code or "")
    return Outcome(Status.FAILED, failure_code=code, failure=_WORDS.get(code, _OTHERWISE))


def _action(found: Any) -> str:
    """Where the bank is visited; "" where it only can be from a script of Stripe's."""
    action = found.next_action
    redirect = getattr(action, "redirect_to_url", None)
    return str(redirect.url) if redirect else ""

"""Stripe, through its own library: cards are entered on Stripe's page, and charged by PaymentIntents.

Amounts go to Stripe in whole minor units. A card comes from a Checkout Session in set-up mode, behind which
a SetupIntent keeps it for charges while nobody is there. A bank that wants a confirmation (3-D Secure) is
visited by its own address, so nothing of Stripe's is loaded into the panel's pages.

What is asked carries a key, under which Stripe does it once and repeats what came of it, for a day; failures
of its own too. Where such a failure or a changed parameter stands in the way, it is asked anew: a second
customer, set-up page or intent that is not confirmed charges nothing, and an intent is charged once by Stripe
itself. Refunds have no such guard, so they are looked for before they are asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Final, TypeVar
from uuid import uuid4

import stripe
from stripe import PaymentIntent, RequestOptions, SetupIntent
from stripe.params import PaymentIntentConfirmParams

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
from billing.payments.gateways.stripe_values import brand_name, decline_words, to_major, to_minor

log = logging.getLogger(__name__)

NAME: Final = "stripe"
API_VERSION: Final = "2026-10-28.endive"
"""What is sent and read here is written for this version of Stripe's API, whatever the account's own is."""
TIMEOUT: Final = (4.0, 15.0)
"""Seconds for a connection, and for each part of an answer."""
RETRIES: Final = 1
"""With it a call is over after 40 seconds. A collection makes two, or three, within its lease of two minutes."""

_STATUSES: Final = {
    "requires_confirmation": Status.READY,
    "requires_action": Status.ACTION,
    "processing": Status.PROCESSING,
    "requires_capture": Status.PROCESSING,
    "succeeded": Status.SUCCEEDED,
    "canceled": Status.CANCELLED,
    # A card that was declined is taken off its intent; one without a card can never charge either.
    "requires_payment_method": Status.FAILED,
}
_REFUND_FAILED: Final = "The card's bank did not take it."

T = TypeVar("T")


class StripeGateway:
    """See `Gateway`."""

    name = NAME
    is_test = False

    def __init__(
        self,
        secret_key: str,
        webhook_secret: str,
        api_base: str = "",
        timeout: tuple[float, float] = TIMEOUT,
    ) -> None:
        """`api_base` is another server that speaks Stripe's API, "" for Stripe itself."""
        self._webhook_secret = webhook_secret
        self._client = stripe.StripeClient(
            secret_key,
            stripe_version=API_VERSION,
            max_network_retries=RETRIES,
            http_client=stripe.RequestsClient(timeout=timeout),
            base_addresses={"api": api_base} if api_base else None,
        )
        self._v1 = self._client.v1

    def customer(self, *, key: str, name: str, email: str) -> str:
        """A customer of the name."""
        made = _once(
            f"customer-{key}",
            lambda options: self._v1.customers.create(
                {"name": name, "email": email, "metadata": {"panel": key}}, options
            ),
        )
        return made.id

    def begin_setup(self, customer: str, *, key: str, return_url: str) -> Setup:
        """A Checkout Session in set-up mode, whose cards may be charged while nobody is there."""
        made = _once(
            f"setup-{key}",
            lambda options: self._v1.checkout.sessions.create(
                {
                    "mode": "setup",
                    "customer": customer,
                    "allowed_payment_method_types": ["card"],
                    "success_url": return_url,
                    "cancel_url": return_url,
                    "client_reference_id": key,
                    "setup_intent_data": {"metadata": {"card_setup": key}},
                },
                options,
            ),
        )
        return Setup(made.id, made.url or "")

    def finish_setup(self, setup: str) -> Card | None:
        """The card behind the session's SetupIntent, once that has succeeded."""
        with _asking():
            found = self._v1.checkout.sessions.retrieve(setup, {"expand": ["setup_intent.payment_method"]})
            intent = found.setup_intent
            if not isinstance(intent, SetupIntent) or intent.status != "succeeded":
                return None
            method = intent.payment_method
            if not isinstance(method, stripe.PaymentMethod) or method.card is None:
                return None
            card = method.card
            brand = getattr(card, "display_brand", None) or card.brand
            return Card(method.id, brand_name(brand), card.last4, card.exp_month, card.exp_year)

    def forget(self, token: str) -> None:
        """Detach the card from its customer."""
        try:
            with _asking():
                self._v1.payment_methods.detach(token)
        except GatewayRefused:
            return  # it is not attached any more

    def prepare(self, ask: Ask) -> str:
        """A PaymentIntent that waits to be confirmed. Stripe's own pages find it by the collection's key."""
        amount = to_minor(ask.amount, ask.currency)
        made = _once(
            ask.key,
            lambda options: self._v1.payment_intents.create(
                {
                    "amount": amount,
                    "currency": ask.currency.lower(),
                    "customer": ask.customer,
                    "payment_method": ask.card,
                    "allowed_payment_method_types": ["card"],
                    "description": ask.label,
                    "metadata": {"collection": ask.key},
                },
                options,
            ),
        )
        return made.id

    def confirm(self, intent: str, *, key: str, off_session: bool, return_url: str) -> Outcome:
        """Charge; a decline is an outcome."""
        params: PaymentIntentConfirmParams = (
            {"off_session": True} if off_session else {"return_url": return_url}
        )
        try:
            return _outcome(
                _once(key, lambda options: self._v1.payment_intents.confirm(intent, params, options))
            )
        except _Declined as declined:
            return Outcome(Status.FAILED, failure_code=declined.code, failure=decline_words(declined.code))

    def look_up(self, intent: str) -> Outcome:
        """How it stands at Stripe. One that is not there was made under another account's key."""
        try:
            with _asking():
                return _outcome(self._v1.payment_intents.retrieve(intent))
        except GatewayRefused as refusal:
            raise _unknown(intent) from refusal

    def cancel(self, intent: str) -> Outcome:
        """Cancelled, or what became of it before."""
        try:
            with _asking():
                return _outcome(self._v1.payment_intents.cancel(intent))
        except GatewayRefused:
            return self.look_up(intent)

    def refund(self, intent: str, *, amount: Decimal, currency: str, key: str) -> RefundOutcome:
        """A Refund of the intent's charge: the one that was made for the key, if one was."""
        minor = to_minor(amount, currency)
        try:
            with _asking():
                for known in self._v1.refunds.list(
                    {"payment_intent": intent, "limit": 100}
                ).auto_paging_iter():
                    if _is_for(known, key):
                        return _refund_outcome(known)
        except GatewayRefused as refusal:
            raise _unknown(intent) from refusal
        with _asking():
            made = self._v1.refunds.create(
                {"payment_intent": intent, "amount": minor, "metadata": {"refund": key}},
                {"idempotency_key": key},
            )
        return _refund_outcome(made)

    def look_up_refund(self, refund: str) -> RefundOutcome:
        """How it stands at Stripe."""
        try:
            with _asking():
                return _refund_outcome(self._v1.refunds.retrieve(refund))
        except GatewayRefused as refusal:
            raise _unknown(refund) from refusal

    def read_event(self, payload: bytes, headers: Mapping[str, str]) -> Event:
        """An event with Stripe's signature, not older than the library allows."""
        signature = headers.get("Stripe-Signature", "")
        if not signature.isascii():
            raise EventForged("no signature has other letters than ASCII's")
        try:
            event = self._client.construct_event(payload, signature, self._webhook_secret)
        except (ValueError, stripe.SignatureVerificationError) as error:
            raise EventForged(str(error)) from error
        about = event.data.object
        name = str(getattr(about, "id", None) or "")
        is_intent = getattr(about, "object", "") == "payment_intent"
        intent = name if is_intent else str(getattr(about, "payment_intent", None) or "")
        return Event(event.id, event.type, name, intent)


class _Declined(GatewayRefused):
    """A card that was declined, with Stripe's code of why."""

    def __init__(self, error: stripe.CardError) -> None:
        super().__init__(error.user_message or str(error))
        self.code = str(getattr(error.error, "decline_code", None) or error.code or "")


def _unknown(name: str) -> GatewayDown:
    """What was there once is not: as long as that is so, nobody knows what became of it."""
    log.error("Stripe does not know %s: is STRIPE_SECRET_KEY that of another account?", name)
    return GatewayDown(f"Stripe does not know {name}")


def _not_let_in(error: stripe.StripeError) -> GatewayDown:
    log.error("Stripe does not take the key in STRIPE_SECRET_KEY: %s", error)
    return GatewayDown(str(error))


@contextmanager
def _asking() -> Iterator[None]:
    """Stripe's errors in the panel's words, for the calls within.

    What Stripe does not take has not happened. Of all else nobody knows: there was no answer, or none of
    Stripe's; too many calls at once; the same call still under way; an error of Stripe's; a key not taken.
    """
    try:
        yield
    except stripe.CardError as error:
        raise _Declined(error) from error
    except stripe.InvalidRequestError as error:
        raise GatewayRefused(error.user_message or str(error)) from error
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        raise _not_let_in(error) from error
    except stripe.StripeError as error:
        raise GatewayDown(str(error)) from error
    except (AttributeError, TypeError, ValueError) as error:
        raise GatewayDown(f"this is no answer of Stripe's: {error}") from error


def _once(key: str, ask: Callable[[RequestOptions], T]) -> T:
    """What comes of a call under its key, or of one anew where what is kept under the key is of no use."""
    with _asking():
        try:
            return ask({"idempotency_key": key})
        except stripe.StripeError as error:
            if not _is_of_no_use(error):
                raise
            log.warning("what Stripe keeps under the key %s is of no use: %s", key, error)
        return ask({"idempotency_key": f"{key}-{uuid4().hex}"})


def _is_of_no_use(error: stripe.StripeError) -> bool:
    """Whether it is an old failure of Stripe's that it repeats, or the key was used with other words."""
    is_repeated = (error.headers or {}).get("idempotent-replayed") == "true"
    is_failure = (error.http_status or 0) >= 500
    return (is_repeated and is_failure) or (
        isinstance(error, stripe.IdempotencyError) and error.http_status == 400
    )


def _outcome(found: PaymentIntent) -> Outcome:
    status = _STATUSES.get(found.status, Status.PROCESSING)
    currency = found.currency.upper()
    error = found.last_payment_error
    code = str(getattr(error, "decline_code", None) or getattr(error, "code", None) or "") if error else ""
    is_failed = status is Status.FAILED
    amount = found.amount_received if status is Status.SUCCEEDED else found.amount
    return Outcome(
        status,
        amount=to_major(amount, currency),
        currency=currency,
        failure_code=code if is_failed else "",
        failure=decline_words(code) if is_failed and code else "",
        action_url=_action(found) if status is Status.ACTION else "",
    )


def _refund_outcome(found: stripe.Refund) -> RefundOutcome:
    has_failed = found.status in ("failed", "canceled")
    return RefundOutcome(found.id, found.status == "succeeded", _REFUND_FAILED if has_failed else "")


def _is_for(refund: stripe.Refund, key: str) -> bool:
    """Whether it was made for the panel's refund of this key."""
    return getattr(refund.metadata, "refund", None) == key


def _action(found: PaymentIntent) -> str:
    """Where the bank is visited; "" where it only can be from a script of Stripe's."""
    redirect = getattr(found.next_action, "redirect_to_url", None)
    return str(redirect.url) if redirect else ""

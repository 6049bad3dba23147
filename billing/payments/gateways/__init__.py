"""The gateways that take money from cards: one interface, Stripe behind it, and one for tests and the demo.

    gateway = gateways.current()

Which one it is stands in the settings. No card number ever reaches the panel: a card is entered on the
gateway's own page, and known here by a token.
"""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings

from billing.payments.gateways.base import Gateway
from billing.payments.gateways.stripe_gateway import StripeGateway
from billing.payments.gateways.test_gateway import TestGateway


def current() -> Gateway | None:
    """The gateway for new cards; None where the panel takes none."""
    return named(settings.PAYMENT_GATEWAY) if settings.PAYMENT_GATEWAY else None


@lru_cache(maxsize=4)
def named(name: str) -> Gateway:
    """The gateway of a name, as rows keep it. Raises LookupError for one that the panel does not speak to."""
    if name == TestGateway.name:
        return TestGateway()
    if name == StripeGateway.name:
        return StripeGateway(
            settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRET, settings.STRIPE_API_BASE
        )
    raise LookupError(f"no gateway is called {name!r}")

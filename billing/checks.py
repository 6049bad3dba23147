"""What `manage.py check` says of how payments are set up, in words for whoever deploys the panel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register

TEST_KEYS: Final = ("sk_test_", "rk_test_")
LIVE_KEYS: Final = ("sk_live_", "rk_live_")


@register(Tags.security, deploy=True)
def payments_in_production(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """What is missing, or too much, where cards are charged in production (`check --deploy`)."""
    key, base = settings.STRIPE_SECRET_KEY, settings.STRIPE_API_BASE
    found: list[CheckMessage] = []
    if not settings.PRODUCTION or not key:
        return found
    if not settings.STRIPE_WEBHOOK_SECRET:
        found.append(
            Error(
                "STRIPE_SECRET_KEY is set, and STRIPE_WEBHOOK_SECRET is not.",
                hint="Register /webhooks/stripe/ at Stripe, and set the signing secret that Stripe shows for it.",
                id="billing.E001",
            )
        )
    if base:
        found.append(
            Error(
                "STRIPE_API_BASE is set: cards would be charged by another server than Stripe's.",
                hint="Leave it out in production.",
                id="billing.E002",
            )
        )
    if key.startswith(TEST_KEYS):
        found.append(
            checks.Warning(
                "STRIPE_SECRET_KEY is a key for tests: no card is really charged.",
                hint="Set the live key, which begins with sk_live_ or rk_live_.",
                id="billing.W002",
            )
        )
    return found


@register(Tags.security)
def keys_of_payments(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """A key that does not belong where it is, whatever the panel is started for."""
    key = settings.STRIPE_SECRET_KEY
    if not key:
        return []
    if not key.startswith((*TEST_KEYS, *LIVE_KEYS)):
        return [
            Error(
                "STRIPE_SECRET_KEY is not a secret key of Stripe's.",
                hint="It begins with sk_ or rk_; the one that begins with pk_ is public, and of no use here.",
                id="billing.E003",
            )
        ]
    if key.startswith(LIVE_KEYS) and not settings.PRODUCTION:
        return [
            checks.Warning(
                "STRIPE_SECRET_KEY is a live key, and PRODUCTION is off: real cards would be charged.",
                hint="Use a key that begins with sk_test_ here.",
                id="billing.W001",
            )
        ]
    return []

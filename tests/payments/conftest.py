"""An account with a saved card, behind a gateway that does what it is told."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from accounts.models import Account
from billing.models import PaymentMethod
from billing.payments import gateways
from billing.payments.gateways.stripe_gateway import StripeGateway
from tests.factories import AT, AccountFactory
from tests.payments.scripted import ScriptedGateway
from tests.stripe_peer import KEY, StripePeer

WEBHOOK_SECRET = "whsec_for_tests"


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> ScriptedGateway:
    """The gateway of every card."""
    scripted = ScriptedGateway()
    monkeypatch.setattr(gateways, "named", lambda name: scripted)
    monkeypatch.setattr(gateways, "current", lambda: scripted)
    return scripted


@pytest.fixture
def account(db: None) -> Account:
    """Opened on February 10, 2026; the instant of tests is noon or so of March 2."""
    return AccountFactory(opened_on=date(2026, 2, 10), bdom=10)


@pytest.fixture
def card(account: Account) -> PaymentMethod:
    """The account's card."""
    return save_card(account)


def save_card(account: Account, does: str = "succeeds:1", added_at: datetime = AT) -> PaymentMethod:
    """A card that is saved, and the default one if it is the first."""
    return PaymentMethod.objects.create(
        account=account,
        gateway="test",
        gateway_id=does,
        brand="Visa",
        last4="4242",
        exp_month=12,
        exp_year=2034,
        is_default=not PaymentMethod.objects.filter(account=account).exists(),
        added_at=added_at,
    )


@pytest.fixture
def stripe_gateway(stripe_peer: StripePeer, monkeypatch: pytest.MonkeyPatch) -> StripeGateway:
    """Stripe as the gateway of every card, at the server that stands for it, and not as patient."""
    gateway = StripeGateway(KEY, WEBHOOK_SECRET, stripe_peer.url, timeout=(2.0, 1.5))
    monkeypatch.setattr(gateways, "named", lambda name: gateway)
    monkeypatch.setattr(gateways, "current", lambda: gateway)
    return gateway

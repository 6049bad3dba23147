"""Home: the next payment of a plan, and what of it needs somebody (PLN-2, PLN-4)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account
from billing.models import PlanOrder, PlanOrderState
from billing.plans.changes import start_trial, unsubscribe
from billing.plans.renewals import renew_due
from tests.billing_pages.conftest import words_of
from tests.factories import TESTS
from tests.planned import package, registered

HOME = "/a/acme/"
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)

OpensCheaply = Callable[[Client, str], HttpResponseBase]


def needs(client: Client) -> list[tuple[str, str]]:
    """What waits for somebody, and why."""
    return [(need.text, need.hint) for need in client.get(HOME).context["needs"] if need.icon == "gem"]


def test_the_next_payment_stands_under_the_next_invoice(account: Account, owner_client: Client) -> None:
    registered(account, 2, 10, at=NOW - timedelta(days=16))
    words = words_of(owner_client.get(HOME))
    assert "Contact Center 2 × 10 Next plan payment $350.00, Mar 14, 2026 in 12 days" in words
    assert needs(owner_client) == []


def test_without_a_plan_there_is_no_line(account: Account, owner_client: Client) -> None:
    assert owner_client.get(HOME).context["plan"] is None
    start_trial(account, package(1), 1, actor=TESTS, at=NOW - timedelta(days=40))
    renew_due(NOW)
    assert owner_client.get(HOME).context["plan"] is None


def test_an_unpaid_renewal_needs_somebody(account: Account, owner_client: Client) -> None:
    """PLN-4: with the amount, and the way to pay it."""
    registered(account, at=datetime(2026, 1, 28, 15, tzinfo=UTC))
    renew_due(NOW)
    order = PlanOrder.objects.get(state=PlanOrderState.OPEN)
    ((text, hint),) = needs(owner_client)
    assert text == "The renewal of your plan is not paid"
    assert hint == "$350.00, due Feb 28, 2026. Tried again on Mar 2, 2026."
    assert f'href="/a/acme/plans/orders/{order.key}/"' in owner_client.get(HOME).content.decode()


@pytest.mark.parametrize(
    ("days_ago", "told"),
    [(6, []), (7, [("Your trial of Contact Center 2 ends in 7 days", "Register it to keep it.")])],
)
def test_a_trial_that_ends_soon_needs_somebody(
    days_ago: int, told: list[tuple[str, str]], account: Account, owner_client: Client
) -> None:
    """PLN-2: in its last seven days."""
    start_trial(account, package(2), 3, actor=TESTS, at=NOW - timedelta(days=days_ago))
    assert needs(owner_client) == told


def test_a_plan_that_is_left_needs_somebody_at_its_end(account: Account, owner_client: Client) -> None:
    """PLN-4."""
    registered(account, at=NOW - timedelta(days=24))
    unsubscribe(account, actor=TESTS, at=NOW)
    assert needs(owner_client) == [
        ("Your plan Contact Center 2 ends in 4 days", "It is unsubscribed. Keep it if you need it.")
    ]
    assert "Ends on Mar 6, 2026 in 4 days" in words_of(owner_client.get(HOME))


def test_queries(account: Account, owner_client: Client, opens_cheaply: OpensCheaply) -> None:
    registered(account, at=datetime(2026, 1, 28, 15, tzinfo=UTC))
    renew_due(NOW)
    opens_cheaply(owner_client, HOME)

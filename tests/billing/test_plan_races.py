"""Two tabs, a double click and a task at one instant, on real connections: a plan is paid for once (PLN-3, INV-6)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import Account, Role
from billing.models import (
    Collection,
    Invoice,
    Payment,
    Plan,
    PlanOrder,
    PlanOrderState,
    PlanState,
    TestIntent,
)
from billing.payments.collecting import reconcile
from tests.billing_pages.conftest import client_of
from tests.factories import AccountFactory, member
from tests.planned import collection_of, order_of, package, save_card

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
AT_ONCE = 4


@pytest.fixture
def account() -> Account:
    found: Account = AccountFactory(slug="acme", name="Acme")
    return found


def together(*acts: Callable[[], Any]) -> list[Any]:
    """What each comes to, all begun at one instant, each on a connection of its own."""
    barrier = Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def charged() -> Decimal:
    """What the bank has taken."""
    return sum(TestIntent.objects.filter(status="succeeded").values_list("amount", flat=True), Decimal(0))


@pytest.mark.parametrize("go", range(3))
def test_pay_pressed_at_one_instant_charges_once(go: int, account: Account) -> None:
    """PLN-3: whoever is not first finds it paid, or on its way."""
    card, order = save_card(account, at=NOW), order_of(account, at=NOW)
    address = f"/a/acme/plans/orders/{order.key}/"
    with time_machine.travel(NOW, tick=False):
        tabs = [client_of(member(account, Role.ADMIN)) for _ in range(AT_ONCE)]
        seen = tabs[0].get(address).context["seen"]

        def press(tab: Client) -> int:
            return tab.post(address, {"seen": seen, "method": str(card.pk)}).status_code

        statuses = together(*(lambda tab=tab: press(tab) for tab in tabs))
        reconcile(timezone.now)
    assert statuses == [302] * AT_ONCE
    assert charged() == Decimal("350.00")
    assert (Payment.objects.count(), Invoice.objects.count()) == (1, 1)
    assert Payment.objects.get().left == 0
    assert Plan.objects.get().state == PlanState.ACTIVE


def test_next_pressed_at_one_instant_is_one_order(account: Account) -> None:
    """PLN-3: the same choice in several tabs."""
    sent = {"package": package(2).pk, "quantity": "10", "months": "1"}
    with time_machine.travel(NOW, tick=False):
        tabs = [client_of(member(account, Role.ADMIN)) for _ in range(AT_ONCE)]

        def press(tab: Client) -> str:
            return str(tab.post("/a/acme/plans/choose/", sent).headers["Location"])

        leads_to = together(*(lambda tab=tab: press(tab) for tab in tabs))
    assert len(set(leads_to)) == 1
    assert PlanOrder.objects.filter(state=PlanOrderState.OPEN).count() == 1


def test_the_page_and_the_task_ask_the_bank_at_one_instant(account: Account) -> None:
    """INV-6: a payment whose answer was lost is booked once, whoever looks it up."""
    order = order_of(account, at=NOW)
    collection = collection_of(order, save_card(account, "silent", at=NOW), at=NOW)
    address = f"/a/acme/billing/payments/{collection.key}/?ask=1"
    with time_machine.travel(NOW, tick=False):
        tabs = [client_of(member(account, Role.ADMIN)) for _ in range(AT_ONCE - 1)]
        for _ in range(3):
            asks = [lambda tab=tab: tab.get(address).status_code for tab in tabs]
            together(*asks, lambda: reconcile(timezone.now))
    assert Collection.objects.get().state == "succeeded"
    assert (charged(), Payment.objects.count(), Invoice.objects.count()) == (Decimal("350.00"), 1, 1)

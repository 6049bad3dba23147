"""Plans for tests: discounts, saved test cards, and a plan that is registered, by the actions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from accounts.models import Account
from accounts.trail import Actor
from billing.models import (
    CardSetup,
    Collection,
    Payment,
    PaymentMethod,
    Plan,
    PlanDiscount,
    PlanOrder,
    Product,
)
from billing.payments.collecting import begin_collection
from billing.payments.methods import begin_card, finish_card
from billing.payments.settling import Received
from billing.plans.orders import pay_order, place_order
from tests.factories import TESTS

DISCOUNTS = {3: "0.03", 6: "0.05", 12: "0.10", 24: "0.15"}


def package(number: int) -> Product:
    """Contact Center 1, 2 or 3: 19.00, 35.00 and 59.00 USD for an account and month."""
    return Product.objects.get(pk=f"plan-contact-center-{number}")


def give_discounts(discounts: Mapping[int, str] = DISCOUNTS) -> None:
    """What longer cycles are cheaper by, for all brands."""
    for months, share in discounts.items():
        PlanDiscount.objects.create(months=months, discount=Decimal(share), effective_on=date(2020, 1, 1))


def begin_test_card(account: Account, *, next_url: str = "", actor: Actor = TESTS, at: datetime) -> CardSetup:
    """A card that is about to be entered."""
    return begin_card(
        account, return_url=lambda setup: f"/{setup.key}/", next_url=next_url, actor=actor, at=at
    )


def save_card(
    account: Account, code: str = "succeeds", *, actor: Actor = TESTS, at: datetime
) -> PaymentMethod:
    """A saved test card that does what `code` says."""
    setup = begin_test_card(account, actor=actor, at=at)
    setup.gateway_id = f"{setup.key}:{code}"
    setup.save(update_fields=["gateway_id"])
    method = finish_card(setup, actor=actor, at=at)
    assert method is not None
    return method


def order_of(
    account: Account,
    number: int = 2,
    quantity: int = 10,
    months: int | None = 1,
    *,
    actor: Actor = TESTS,
    at: datetime,
) -> PlanOrder:
    """What is to be paid for a choice."""
    return place_order(account, package(number), quantity, months, actor=actor, at=at)


def paid(order: PlanOrder, *, actor: Actor = TESTS, at: datetime) -> PlanOrder:
    """The order with its money received."""
    received = Received(Payment.Kind.TRANSFER, order.amount, order.account.local_date(at))
    pay_order(order, received, actor=actor, at=at)
    return PlanOrder.objects.select_related("account__brand", "product", "invoice").get(pk=order.pk)


def registered(
    account: Account, number: int = 2, quantity: int = 10, months: int = 1, *, at: datetime
) -> Plan:
    """An active plan."""
    paid(order_of(account, number, quantity, months, at=at), at=at)
    return Plan.objects.get(account=account)


def collection_of(order: PlanOrder, card: PaymentMethod, *, at: datetime) -> Collection:
    """A payment of an order that is about to be asked for."""
    return begin_collection(
        order.account, order.amount, card, plan_order=order, off_session=False, actor=TESTS, at=at
    )

"""An account that can have plans, and what is done with them, at noon of its own days."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Account
from billing.models import Payment, Plan, PlanDiscount, PlanOrder, Price, Product
from billing.payments.settling import Received
from billing.plans.orders import pay_order, place_order
from tests.factories import TESTS, AccountFactory

SMALL, MIDDLE, LARGE = (f"plan-contact-center-{size}" for size in (1, 2, 3))


@pytest.fixture
def account(db: None) -> Account:
    """Opened on January 10, 2026; packages for 10, 20 and 40 a month; 12 months are 10% cheaper."""
    account = AccountFactory(opened_on=date(2026, 1, 10), bdom=15)
    for code, amount in ((SMALL, 10), (MIDDLE, 20), (LARGE, 40)):
        Price.objects.create(
            product_id=code,
            brand=account.brand,
            amount=Decimal(amount),
            amount_currency="USD",
            effective_on=date(2026, 1, 1),
        )
    PlanDiscount.objects.create(
        brand=account.brand, months=12, discount=Decimal("0.10"), effective_on=date(2026, 1, 1)
    )
    return account


def noon(account: Account, day: str) -> datetime:
    """Noon of a day of the account's own."""
    return datetime.combine(date.fromisoformat(day), time(12), tzinfo=account.zone)


def on(account: Account, day: str) -> dict[str, Any]:
    """Who acts and when: the last arguments of every action."""
    return {"actor": TESTS, "at": noon(account, day)}


def package(code: str) -> Product:
    """A package by its code."""
    return Product.objects.get(pk=code)


def order(account: Account, code: str, quantity: int, months: int | None, day: str) -> PlanOrder:
    """A choice that is to be paid for."""
    return place_order(account, package(code), quantity, months, **on(account, day))


def paid(placed: PlanOrder, day: str, amount: str | None = None) -> Payment:
    """An order paid with a transfer of an amount, or of just what it costs."""
    received = Received(
        Payment.Kind.TRANSFER,
        placed.amount if amount is None else Decimal(amount),
        date.fromisoformat(day),
        "T",
    )
    return pay_order(placed, received, **on(placed.account, day))


def register(account: Account, code: str, quantity: int, months: int, day: str) -> Plan:
    """A plan, paid for."""
    paid(order(account, code, quantity, months, day), day)
    return plan(account)


def plan(account: Account) -> Plan:
    """The account's plan as it is kept."""
    return Plan.objects.get(account=account)

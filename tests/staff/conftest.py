"""Accounts that are due, and staff at the browser."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import Account, User
from accounts.permissions import FINANCE, SUPPORT
from billing.licences import add_licences
from billing.models import Charge
from tests import factories
from tests.billing.world import an_account, on, price, product


def licensed(name: str, **fields: Any) -> Account:
    """An account with the BDOM 15 and one licence of 31.00, opened on January 2, billed never so far."""
    account = an_account(slug=name.lower(), name=name, **fields)
    add_licences(account, product("uc-licence"), 1, **on(account, account.opened_on.isoformat()))
    return account


@pytest.fixture
def accounts(db: None) -> list[Account]:
    """Three that are due on January 15, each at its own midnight: Auckland, Prague, New York."""
    price("uc-licence", "31.00")
    brand = factories.BrandFactory(invoice_prefix="CP")
    return [
        licensed("Auckland", brand=brand, timezone="Pacific/Auckland"),
        licensed("Prague", brand=brand, timezone="Europe/Prague"),
        licensed("York", brand=brand, timezone="America/New_York"),
    ]


@pytest.fixture
def broken(accounts: list[Account]) -> Account:
    """Prague, whose licence has lost its price."""
    Charge.objects.filter(account=accounts[1]).update(unit_price=None)
    return accounts[1]


@pytest.fixture
def accountant(db: None) -> User:
    return factories.staff(FINANCE, email="fiona@provider.example", full_name="Fiona Finance")


@pytest.fixture
def finance(accountant: User) -> Client:
    client = Client(REMOTE_ADDR="203.0.113.9")
    client.force_login(accountant)
    return client


@pytest.fixture
def support(db: None) -> Client:
    client = Client()
    client.force_login(factories.staff(SUPPORT))
    return client

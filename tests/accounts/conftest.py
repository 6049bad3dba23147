"""An account with people in it, for the tests of its pages and actions."""

import pytest
from django.test import Client

from accounts.models import Account, Role, User
from accounts.trail import Actor
from tests import factories


@pytest.fixture
def account(db: None) -> Account:
    """An account of New York with nobody in it."""
    found: Account = factories.AccountFactory(slug="northwind", name="Northwind")
    return found


@pytest.fixture
def other(db: None) -> Account:
    """Another customer's account."""
    found: Account = factories.AccountFactory(slug="elsewhere", name="Elsewhere")
    return found


@pytest.fixture
def owner(account: Account) -> User:
    return factories.member(account, Role.OWNER, full_name="Olivia Owner")


@pytest.fixture
def actor(owner: User) -> Actor:
    """The owner, from an address."""
    return Actor(user=owner, address="203.0.113.7")


@pytest.fixture
def owner_client(owner: User) -> Client:
    client = Client(REMOTE_ADDR="203.0.113.7")
    client.force_login(owner)
    return client

"""A list that holds nothing says what belongs there, without a search, filters or an export of nothing."""

import pytest
from django.test import Client

from accounts.models import Account, Role
from telephony.numbers import add_number, release_number
from tests import factories
from tests.factories import AT, TESTS

pytestmark = pytest.mark.django_db

LISTS = (
    "users",
    "numbers",
    "numbers/porting",
    "services",
    "devices",
    "locations",
    "billing/charges",
    "billing/invoices",
)


@pytest.fixture
def account() -> Account:
    found: Account = factories.AccountFactory(slug="acme")
    return found


@pytest.fixture
def client(account: Account) -> Client:
    client = Client()
    client.force_login(factories.member(account, Role.OWNER))
    return client


def page(client: Client, name: str, query: str = "") -> str:
    answer = client.get(f"/a/acme/{name}/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("name", LISTS)
def test_nothing_to_search_in_what_is_empty(name: str, client: Client) -> None:
    found = page(client, name)
    assert "empty-title" in found
    assert "list-tools" not in found
    assert "list-count" not in found


@pytest.mark.parametrize("name", LISTS)
def test_a_filter_that_leaves_nothing_stays_in_sight(name: str, client: Client) -> None:
    found = page(client, name, "?q=nobody")
    assert "Nothing matches" in found
    assert "list-tools" in found
    assert "list-count" in found


def test_released_numbers_can_still_be_asked_for(account: Account, client: Client) -> None:
    """They are in the list only where the filter asks for them."""
    release_number(add_number(account, "+12125550100", actor=TESTS, at=AT), actor=TESTS, at=AT)
    assert "list-tools" in page(client, "numbers")

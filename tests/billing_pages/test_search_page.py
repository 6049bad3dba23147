"""The search: end users, numbers however they are written, services and invoices of the account."""

from collections.abc import Callable
from datetime import date

import pytest
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, Role
from billing.licences import add_licences
from billing.models import Product
from telephony.models import ServiceKind
from telephony.numbers import add_number, release_number
from telephony.services import add_service
from tests import factories
from tests.billing_pages.conftest import OPENED, Story
from tests.factories import AT, TESTS

PAGE = "/a/acme/search/"

OpensCheaply = Callable[[Client, str], HttpResponseBase]


def found(client: Client, asked: str) -> dict[str, list[str]]:
    """What is found, by kind."""
    groups = client.get(PAGE, {"q": asked}).context["groups"]
    return {group.title: [hit.label for hit in group.hits] for group in groups}


@pytest.mark.parametrize(
    "asked",
    ["+12125550100", "(212) 555-0100", "212.555.0100", "1 212 555 0100", "2125550100", "555-0100", "0100"],
)
def test_a_number_in_any_form(asked: str, account: Account, owner_client: Client) -> None:
    """NUM-1: a number is itself however it is written."""
    add_number(account, "+12125550100", actor=TESTS, at=AT)
    add_number(account, "+14155559999", actor=TESTS, at=AT)
    assert found(owner_client, asked) == {"Numbers": ["(212) 555-0100"]}


def test_a_number_of_another_country(account: Account, owner_client: Client) -> None:
    add_number(account, "+442079460000", actor=TESTS, at=AT)
    for asked in ("+44 20 7946 0000", "0044 20 7946 0000", "7946 0000"):
        assert found(owner_client, asked) == {"Numbers": ["+44 20 7946 0000"]}


def test_people_services_and_invoices(story: Story, uc: Product, owner_client: Client) -> None:
    story.on(OPENED, lambda by: add_licences(story.account, uc, 1, **by))
    story.play(date(2026, 2, 20))
    factories.EndUserFactory(account=story.account, name="Sally Sales", extension="1007")
    add_service(story.account, ServiceKind.HUNT_GROUP, "Sales", actor=TESTS, at=AT)
    assert found(owner_client, "sales") == {"Users": ["Sally Sales"], "Services": ["Sales"]}
    assert found(owner_client, "1007") == {"Users": ["Sally Sales"]}
    assert list(found(owner_client, f"{story.account.brand.invoice_prefix}-")) == ["Invoices"]


def test_each_hit_is_a_way_in(story: Story, uc: Product, owner_client: Client) -> None:
    story.on(OPENED, lambda by: add_licences(story.account, uc, 1, **by))
    story.play(date(2026, 2, 20))
    factories.EndUserFactory(account=story.account, name="000 User")
    add_service(story.account, ServiceKind.HUNT_GROUP, "000 Service", actor=TESTS, at=AT)
    add_number(story.account, "+12125550001", actor=TESTS, at=AT)
    groups = owner_client.get(PAGE, {"q": "000"}).context["groups"]
    assert [group.title for group in groups] == ["Users", "Numbers", "Services", "Invoices"]
    for group in groups:
        for hit in group.hits:
            assert owner_client.get(hit.url).status_code == 200, hit


def test_what_is_gone_or_elsewhere_is_not_found(
    account: Account, other: Account, owner_client: Client
) -> None:
    """ACC-4: nothing of another account, and no number that was released."""
    release_number(add_number(account, "+12125550100", actor=TESTS, at=AT), actor=TESTS, at=AT)
    add_number(other, "+12125550101", actor=TESTS, at=AT)
    factories.EndUserFactory(account=other, name="Secret")
    assert found(owner_client, "212555") == {}
    assert found(owner_client, "Secret") == {}


def test_many_hits_lead_to_the_list(account: Account, owner_client: Client) -> None:
    for place in range(9):
        factories.EndUserFactory(account=account, name=f"Sam {place}")
    (group,) = owner_client.get(PAGE, {"q": "Sam"}).context["groups"]
    assert len(group.hits) == 8
    assert owner_client.get(group.more_url).status_code == 200


@pytest.mark.parametrize("asked", ["", " ", "\0", "%", "'", "((((", "1" * 5000, "+", "é" * 200])
def test_whatever_is_typed_the_page_opens(asked: str, account: Account, owner_client: Client) -> None:
    assert owner_client.get(PAGE, {"q": asked}).status_code == 200


def test_queries(account: Account, owner_client: Client, opens_cheaply: OpensCheaply) -> None:
    opens_cheaply(owner_client, f"{PAGE}?q=212")


def test_the_billing_role_does_not_search(role_client: Callable[[Role], Client]) -> None:
    assert role_client(Role.BILLING).get(PAGE).status_code == 403

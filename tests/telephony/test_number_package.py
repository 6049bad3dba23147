"""USE-6: the account's toll-free package on the page of a number, where it is changed as under Contact Center."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, EndUser
from billing.models import Charge
from billing.packages import package_charge, set_package
from billing.usage import NewUsage, UsageBook
from telephony.contact_center import install
from telephony.models import Edition, Service, ServiceKind
from telephony.numbers import park_number
from telephony.services import add_service
from tests.factories import AT, TESTS
from tests.telephony.conftest import bought, page, text

TYPED = "+18005550111"


def offers(client: Client, pk: int) -> tuple[bool, int]:
    """Whether the number's page leads to the change, and what the change's own page answers."""
    address = page("number-toll-free", pk)
    return address in text(client.get(page("number", pk))), client.get(address).status_code


@pytest.mark.parametrize(
    "kind", [ServiceKind.AUTO_ATTENDANT, ServiceKind.RESOURCE_LINE, ServiceKind.FAX_LINE]
)
def test_a_number_of_these_services_offers_it(client: Client, account: Account, kind: ServiceKind) -> None:
    service = add_service(account, kind, "One", actor=TESTS, at=AT)
    assert offers(client, bought(account, TYPED, service).pk) == (True, 200)


def test_a_number_of_an_end_user_offers_it_until_it_is_parked(
    client: Client, account: Account, dana: EndUser
) -> None:
    number = bought(account, TYPED, dana)
    assert offers(client, number.pk) == (True, 200)
    park_number(number, actor=TESTS, at=AT)
    assert offers(client, number.pk) == (False, 404)


@pytest.mark.parametrize("kind", [ServiceKind.HUNT_GROUP, ServiceKind.WEBFAX])
def test_a_number_of_other_services_does_not(client: Client, account: Account, kind: ServiceKind) -> None:
    service = add_service(account, kind, "One", actor=TESTS, at=AT)
    assert offers(client, bought(account, TYPED, service).pk) == (False, 404)


def test_a_local_number_does_not(client: Client, account: Account, dana: EndUser) -> None:
    assert offers(client, bought(account, "+12125550111", dana).pk) == (False, 404)


def test_an_account_without_contact_center_changes_it_there(
    client: Client, account: Account, lobby: Service
) -> None:
    """USE-4: from the start of the same day, at the price that stands beside it before."""
    number = bought(account, TYPED, lobby)
    address = page("number-toll-free", number.pk)
    assert "Next invoice" in text(client.get(address, {"package": "toll-free-500"}))
    answer = client.post(address, {"package": "toll-free-500"})
    assert answer["Location"] == page("number", number.pk)
    charge = package_charge(account)
    assert charge is not None
    assert (charge.product_id, charge.billing_starts_on) == ("toll-free-500", account.local_date(AT))
    seen = text(client.get(page("number", number.pk)))
    # Opened on February 20 and billed on the 10th: 8 of 28 days are left, of 500 minutes 143.
    assert "143 min in this period" in seen
    assert "Of 500 in a whole one" in seen
    assert client.post(address, {"package": "pay-per-use"}).status_code == 302
    assert package_charge(account) is None


def test_says_what_of_it_is_used(client: Client, account: Account, lobby: Service) -> None:
    number = bought(account, TYPED, lobby)
    set_package(account, "toll-free-500", actor=TESTS, at=AT)
    calls = [NewUsage(account, str(place), "toll-free-inbound", AT, 61, number=TYPED) for place in range(5)]
    before = NewUsage(account, "before", "toll-free-inbound", AT - timedelta(days=1), 600, number=TYPED)
    UsageBook(TESTS, "tests").take([*calls, before], AT)
    seen = text(client.get(page("number", number.pk)))
    assert "10 of 143 min" in seen, "what came before the package is not held against it"


def test_onboarding_refuses_more_minutes_there_too(client: Client, account: Account, lobby: Service) -> None:
    """ONB-5: whatever the way in."""
    number = bought(account, TYPED, lobby)
    install(account, Edition.PRO, actor=TESTS, at=AT)
    answer = client.post(page("number-toll-free", number.pk), {"package": "toll-free-500"})
    assert answer.status_code == 400
    assert "ONB-5" in text(answer)
    assert not Charge.objects.filter(product="toll-free-500").exists()


def test_who_may_only_look_sees_it_and_changes_nothing(
    reader: Client, account: Account, lobby: Service
) -> None:
    """ACC-4."""
    number = bought(account, TYPED, lobby)
    assert offers(reader, number.pk) == (True, 200)
    assert reader.post(page("number-toll-free", number.pk), {"package": "toll-free-500"}).status_code == 403


def test_queries_of_the_page(
    client: Client, account: Account, lobby: Service, opens_cheaply: Callable[[Client, str], HttpResponseBase]
) -> None:
    number = bought(account, TYPED, lobby)
    set_package(account, "toll-free-500", actor=TESTS, at=AT)
    opens_cheaply(client, page("number", number.pk))

"""Parking a number: what it does and costs is said first."""

import pytest
from django.test import Client

from accounts.models import Account, EndUser
from telephony.models import Number, Service
from telephony.numbers import release_number
from tests.factories import AT, TESTS
from tests.telephony.conftest import Snapshot, bought, fresh, last_action, page, running, text


def test_parks(client: Client, account: Account, dana: EndUser) -> None:
    """NUM-2, BIL-3: thirty days are free."""
    held = bought(account, "+12125550101", dana)
    response = client.post(page("number-park", held.pk), follow=True)
    assert "(212) 555-0101 is parked." in text(response)
    charge = running(held)
    assert fresh(held).holder is None
    assert charge is not None
    assert str(charge.billing_starts_on) == "2026-04-01"
    assert last_action() == "park-number"


def test_says_what_it_does_and_costs(
    client: Client, account: Account, dana: EndUser, everything: Snapshot
) -> None:
    """NUM-3, BIL-3: looking changes nothing."""
    first = bought(account, "+12125550101", dana)
    bought(account, "+12125550102", dana)
    before = everything()
    response = client.get(page("number-park", first.pk))
    assert response.context["consequences"] == [
        "Dana Whitfield no longer has it.",
        "(212) 555-0102 becomes the included number of Dana Whitfield, at no charge.",
    ]
    assert str(response.context["cost"].box["begins_on"]) == "2026-04-01"
    assert everything() == before


def test_says_who_is_left_without(client: Client, account: Account, lobby: Service) -> None:
    """NUM-3."""
    held = bought(account, "+12125550101", lobby)
    response = client.get(page("number-park", held.pk))
    assert "Lobby is left without a number." in response.context["consequences"]


def test_of_a_parked_one_leads_back(client: Client, number: Number) -> None:
    response = client.get(page("number-park", number.pk), follow=True)
    assert "is parked already" in text(response)


def test_of_a_released_one_is_refused(client: Client, number: Number, everything: Snapshot) -> None:
    """NUM-2."""
    release_number(number, actor=TESTS, at=AT)
    before = everything()
    response = client.post(page("number-park", number.pk))
    assert response.status_code == 400
    assert "was released" in text(response)
    assert everything() == before


@pytest.mark.parametrize("method", ["get", "post"])
def test_is_not_for_readers(
    reader: Client, account: Account, dana: EndUser, everything: Snapshot, method: str
) -> None:
    """ACC-4."""
    held = bought(account, "+12125550101", dana)
    before = everything()
    assert getattr(reader, method)(page("number-park", held.pk)).status_code == 403
    assert everything() == before


def test_is_not_there_for_others(client: Client, elsewhere: Account, everything: Snapshot) -> None:
    """ACC-4."""
    theirs = bought(elsewhere, "+12125550199")
    before = everything()
    assert client.post(page("number-park", theirs.pk)).status_code == 404
    assert everything() == before

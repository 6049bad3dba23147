"""Giving a number up: the name is typed first."""

import pytest
from django.test import Client

from accounts.models import Account, EndUser
from telephony.inventory import add_block
from telephony.models import InventoryNumber, Number
from tests.factories import AT, TESTS
from tests.telephony.conftest import Snapshot, bought, fresh, last_action, page, running, text


@pytest.mark.parametrize("typed", ["(212) 555-0100", " 212-555-0100 ", "+12125550100", "1 212 555 0100"])
def test_releases(client: Client, number: Number, typed: str) -> None:
    """NUM-2: for good, once its name is typed, in any written form."""
    response = client.post(page("number-release", number.pk), {"confirm_name": typed})
    assert response.status_code == 302
    assert fresh(number).state == "released"
    assert running(number) is None
    assert last_action() == "release-number"


@pytest.mark.parametrize("typed", ["", "yes", "555-0100", "(212) 555-0101", "0"])
def test_asks_for_the_name(client: Client, number: Number, typed: str, everything: Snapshot) -> None:
    before = everything()
    response = client.post(page("number-release", number.pk), {"confirm_name": typed})
    assert response.status_code == 400
    assert "Type (212) 555-0100 to confirm. Nothing was changed." in text(response)
    assert everything() == before


def test_puts_it_back_on_the_shelf(client: Client, account: Account) -> None:
    """NUM-1: what came from the stock can be picked again."""
    add_block(account.brand, "+12125550100", 1, actor=TESTS, at=AT)
    number = bought(account, "+12125550100")
    assert InventoryNumber.objects.get().taken_by == account
    client.post(page("number-release", number.pk), {"confirm_name": "(212) 555-0100"})
    assert InventoryNumber.objects.get().taken_by is None


def test_says_what_it_does(client: Client, account: Account, dana: EndUser, everything: Snapshot) -> None:
    """NUM-3: looking changes nothing."""
    first = bought(account, "+12125550101", dana)
    bought(account, "+12125550102", dana)
    before = everything()
    response = client.get(page("number-release", first.pk))
    assert "(212) 555-0102 becomes the included number" in text(response)
    assert response.context["cost"].box is not None
    assert everything() == before


def test_twice_is_refused(client: Client, number: Number, everything: Snapshot) -> None:
    """NUM-2."""
    sent = {"confirm_name": "(212) 555-0100"}
    client.post(page("number-release", number.pk), sent)
    before = everything()
    response = client.post(page("number-release", number.pk), sent)
    assert response.status_code == 400
    assert "was released" in text(response)
    assert everything() == before


def test_is_not_for_readers(reader: Client, number: Number, everything: Snapshot) -> None:
    """ACC-4."""
    before = everything()
    sent = {"confirm_name": "(212) 555-0100"}
    assert reader.post(page("number-release", number.pk), sent).status_code == 403
    assert everything() == before


def test_is_not_there_for_others(client: Client, elsewhere: Account, everything: Snapshot) -> None:
    """ACC-4."""
    theirs = bought(elsewhere, "+12125550199")
    before = everything()
    sent = {"confirm_name": "(212) 555-0199"}
    assert client.post(page("number-release", theirs.pk), sent).status_code == 404
    assert everything() == before

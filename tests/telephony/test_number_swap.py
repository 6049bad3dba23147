"""Two numbers change places."""

from collections.abc import Callable

import pytest
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, EndUser
from telephony.models import Number, Service
from tests.telephony.conftest import Snapshot, bought, fresh, last_action, page, running, text


def swap(client: Client, number: Number, sent: object) -> HttpResponseBase:
    return client.post(page("number-swap", number.pk), {"number": str(sent)})


def test_changes_places(client: Client, account: Account, dana: EndUser, lobby: Service) -> None:
    """NUM-2: a single action."""
    first, second = bought(account, "+12125550101", dana), bought(account, "+12125550102", lobby)
    assert swap(client, first, second.pk).status_code == 302
    first = fresh(first)
    second = fresh(second)
    assert (first.service, second.end_user) == (lobby, dana)
    assert last_action() == "swap-numbers"


def test_parks_the_one_that_comes_off(
    client: Client, account: Account, number: Number, dana: EndUser
) -> None:
    """NUM-2, BIL-3: a parked number takes the place of an assigned one."""
    held = bought(account, "+12125550101", dana)
    swap(client, held, number.pk)
    held = fresh(held)
    charge = running(held)
    assert held.state == "parked"
    assert charge is not None
    assert str(charge.billing_starts_on) == "2026-04-01"


def test_offers_the_others(client: Client, account: Account, number: Number, dana: EndUser) -> None:
    held = bought(account, "+12125550101", dana)
    bought(account, "+12125550102")
    groups = client.get(page("number-swap", held.pk)).context["chooser"].groups
    assert [choice.label for choice in groups[0].choices] == ["(212) 555-0100", "(212) 555-0102"]
    groups = client.get(page("number-swap", number.pk)).context["chooser"].groups
    assert [choice.label for choice in groups[0].choices] == ["(212) 555-0101"], (
        "two parked ones are not swapped"
    )


def test_says_what_changes(
    client: Client, account: Account, number: Number, dana: EndUser, everything: Snapshot
) -> None:
    """BIL-3: looking changes nothing."""
    held = bought(account, "+12125550101", dana)
    before = everything()
    response = client.get(page("number-swap", held.pk), {"number": str(number.pk)})
    assert str(response.context["chooser"].cost.box["begins_on"]) == "2026-04-01"
    assert everything() == before


def test_says_what_is_wrong(client: Client, account: Account, number: Number, everything: Snapshot) -> None:
    other = bought(account, "+12125550101")
    before = everything()
    for sent, words in (
        ("", "Choose a number."),
        ("x", "Choose a number of the list."),
        (number.pk, "Choose another number"),
        (other.pk, "in the same place already"),
    ):
        response = client.post(page("number-swap", number.pk), {"number": str(sent)})
        assert words in str(response.context["form"].errors["number"]), sent
    assert everything() == before


def test_knows_no_numbers_of_others(
    client: Client, elsewhere: Account, account: Account, dana: EndUser, everything: Snapshot
) -> None:
    """ACC-4: neither as the one nor as the other."""
    own, theirs = bought(account, "+12125550101", dana), bought(elsewhere, "+12125550199")
    before = everything()
    response = client.post(page("number-swap", own.pk), {"number": str(theirs.pk)})
    assert response.context["form"].errors["number"] == ["Choose a number of the list."]
    assert "0199" not in text(response)
    assert swap(client, theirs, own.pk).status_code == 404
    assert everything() == before


def test_is_not_for_readers(
    reader: Client, account: Account, number: Number, dana: EndUser, everything: Snapshot
) -> None:
    """ACC-4."""
    held = bought(account, "+12125550101", dana)
    before = everything()
    assert swap(reader, held, number.pk).status_code == 403
    assert everything() == before


@pytest.mark.parametrize("count", [1, 60])
def test_asks_no_more_for_more_numbers(
    client: Client,
    account: Account,
    dana: EndUser,
    count: int,
    opens_cheaply: Callable[[Client, str], HttpResponseBase],
) -> None:
    held = bought(account, "+12125550101", dana)
    for place in range(count):
        bought(account, f"+1212556{place:04d}")
    response = opens_cheaply(client, page("number-swap", held.pk))
    assert ("There are more than these" in text(response)) is (count == 60)

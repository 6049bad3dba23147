"""Parking and releasing several numbers at once: asked first, then all of them or none."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import Account, EndUser
from telephony.models import Number, Service
from telephony.numbers import release_number
from tests.factories import AT, TESTS
from tests.telephony.conftest import Snapshot, bought, fresh, page, running, text


def send(client: Client, action: str, *numbers: Number, **more: str) -> Any:
    keys = [str(number.pk) for number in numbers]
    return client.post(page("numbers-bulk"), {"action": action, "selected": keys, **more}, follow=True)


@pytest.fixture
def held(account: Account, dana: EndUser) -> list[Number]:
    """Three numbers of one end user; the first is included."""
    return [bought(account, f"+1212555020{place}", dana) for place in range(3)]


def test_asks_first(client: Client, held: list[Number], number: Number, everything: Snapshot) -> None:
    """BIL-3: what parking them costs, together; those parked already are left out."""
    before = everything()
    response = send(client, "park", *held[1:], number)
    assert response.context["count"] == "2 numbers"
    assert response.context["skipped"] == 1
    # Additional ones, billed from today on, become parked ones that are free for thirty days.
    assert str(response.context["cost"].box["begins_on"]) == "2026-04-01"
    assert everything() == before


def test_sums_what_would_be_too_long(client: Client, account: Account, ring: Service) -> None:
    """NUM-4, BIL-3: of many numbers one line for each kind and for what happens to it."""
    many = [bought(account, f"+1212555030{place}", ring) for place in range(9)]
    lines = send(client, "park", *many).context["cost"].box["lines"]
    assert [(line["label"], str(line["amount"])) for line in lines] == [("9 × Local number", "22.50")]


def test_parks(client: Client, held: list[Number]) -> None:
    """NUM-2."""
    response = send(client, "park", *held, confirmed="1")
    assert "3 numbers parked." in text(response)
    for number in held:
        charge = running(number)
        assert fresh(number).state == "parked"
        assert charge is not None
        assert str(charge.billing_starts_on) == "2026-04-01"


def test_releases_once_the_count_is_typed(client: Client, held: list[Number], everything: Snapshot) -> None:
    before = everything()
    response = send(client, "release", *held, confirmed="1", confirm_name="3")
    assert response.status_code == 400
    assert "Type “3 numbers” to confirm" in text(response)
    assert everything() == before
    response = send(client, "release", *held, confirmed="1", confirm_name="3 numbers")
    assert "3 numbers released." in text(response)
    assert {fresh(number).state for number in held} == {"released"}


def test_does_all_or_none(client: Client, held: list[Number], everything: Snapshot) -> None:
    """NUM-2: one of them was released meanwhile."""
    release_number(held[0], actor=TESTS, at=AT)
    before = everything()
    response = send(client, "park", *held, confirmed="1")
    assert response.status_code == 400
    assert "was released" in text(response)
    assert everything() == before


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"action": "park"}, "Choose at least one number first."),
        ({"action": "park", "selected": ["x"]}, "Choose at least one number first."),
        ({"action": "sell", "selected": ["1"]}, "Choose what to do."),
        ({"action": "park", "selected": [str(key) for key in range(101)]}, "at most 100 numbers"),
    ],
)
def test_says_what_is_wrong(
    client: Client, number: Number, everything: Snapshot, sent: dict[str, Any], words: str
) -> None:
    before = everything()
    response = client.post(page("numbers-bulk"), sent, follow=True)
    assert words in text(response)
    assert everything() == before


def test_says_that_nothing_is_to_do(client: Client, number: Number) -> None:
    assert "parked already" in text(send(client, "park", number))


def test_knows_no_numbers_of_others(
    client: Client, number: Number, elsewhere: Account, everything: Snapshot
) -> None:
    """ACC-4: one of another account among them, and nothing is done."""
    theirs = bought(elsewhere, "+12125550199")
    before = everything()
    sent = {"confirmed": "1", "confirm_name": "2 numbers"}
    assert send(client, "release", number, theirs, **sent).status_code == 404
    assert everything() == before


def test_is_not_for_readers(reader: Client, held: list[Number], everything: Snapshot) -> None:
    """ACC-4."""
    before = everything()
    assert send(reader, "park", *held, confirmed="1").status_code == 403
    assert everything() == before

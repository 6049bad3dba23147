"""The page of one number: what it costs, who has it and who had it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, EndUser
from telephony.models import Number, Service
from telephony.numbers import assign_number, park_number, release_number
from tests.factories import AT, TESTS
from tests.telephony.conftest import bought, page, text


def test_tells_its_history(client: Client, number: Number, dana: EndUser, lobby: Service) -> None:
    """NUM-2: who held the number when."""
    assign_number(number, to=dana, actor=TESTS, at=AT)
    assign_number(number, to=lobby, actor=TESTS, at=AT + timedelta(hours=1))
    park_number(number, actor=TESTS, at=AT + timedelta(hours=2))
    response = client.get(page("number", number.pk))
    held = [(row.holder, row.to_at is None) for row in response.context["history"]]
    assert held == [("Parked", True), ("Lobby", False), ("Dana Whitfield", False), ("Parked", False)]
    assert "11:00 AM" in text(response), "times are the account's"


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("+12125550111", ("Free while parked", "Apr 1, 2026", "$2.50")),
        ("+18005550111", ("Billed since", "$4.00")),
    ],
)
def test_says_what_a_parked_number_costs(
    client: Client, account: Account, typed: str, words: tuple[str, ...]
) -> None:
    """BIL-3: thirty free days for a local number, none for a toll-free one."""
    seen = text(client.get(page("number", bought(account, typed).pk)))
    for word in words:
        assert word in seen


def test_says_which_is_included(client: Client, account: Account, dana: EndUser) -> None:
    """NUM-3."""
    first, second = bought(account, "+12125550101", dana), bought(account, "+12125550102", dana)
    assert "Included, at no charge" in text(client.get(page("number", first.pk)))
    assert "Additional number" in text(client.get(page("number", second.pk)))


def test_offers_nothing_once_released(client: Client, number: Number) -> None:
    release_number(number, actor=TESTS, at=AT)
    seen = text(client.get(page("number", number.pk)))
    assert "It is no longer in your account." in seen
    for name in ("number-assign", "number-park", "number-swap", "number-release"):
        assert page(name, number.pk) not in seen


@pytest.mark.parametrize("moves", [1, 60])
def test_asks_no_more_for_a_longer_history(
    client: Client,
    number: Number,
    dana: EndUser,
    lobby: Service,
    moves: int,
    opens_cheaply: Callable[[Client, str], HttpResponseBase],
) -> None:
    for move in range(moves):
        assign_number(number, to=dana if move % 2 else lobby, actor=TESTS, at=AT + timedelta(minutes=move))
    opens_cheaply(client, page("number", number.pk))


def test_is_not_there_for_others(client: Client, elsewhere: Account) -> None:
    """ACC-4."""
    theirs = bought(elsewhere, "+12125550199")
    assert client.get(page("number", theirs.pk)).status_code == 404
    assert client.get(page("number", theirs.pk, account="elsewhere")).status_code == 404

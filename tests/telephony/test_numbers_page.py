"""The list of numbers: what it shows, and how it is searched, filtered, sorted, turned and taken along."""

import csv
from collections.abc import Callable

import pytest
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, EndUser
from telephony.models import Number, Service
from telephony.numbers import release_number
from tests.factories import AT, TESTS
from tests.telephony.conftest import bought, page, text

OpensCheaply = Callable[[Client, str], HttpResponseBase]


def shown(client: Client, **query: str) -> list[str]:
    """The numbers that the list shows, in its order."""
    response = client.get(page("numbers"), query)
    assert response.status_code == 200
    return [row.number.e164 for row in response.context["rows"]]


@pytest.fixture
def numbers(account: Account, dana: EndUser, lobby: Service, ring: Service) -> dict[str, Number]:
    held = {
        "included": bought(account, "+12125550101", dana),
        "additional": bought(account, "+12125550102", dana),
        "lobby": bought(account, "+13125550103", lobby),
        "ring": bought(account, "+18005550104", ring),
        "parked": bought(account, "+12125550105"),
        "toll-free": bought(account, "+18335550106"),
        "released": bought(account, "+12125550107"),
    }
    release_number(held["released"], actor=TESTS, at=AT)
    return held


class TestList:
    def test_says_how_to_begin(self, client: Client) -> None:
        assert "No numbers yet" in text(client.get(page("numbers")))

    def test_shows_holder_state_and_cost(self, client: Client, numbers: dict[str, Number]) -> None:
        """NUM-3, NUM-4, BIL-3: included, additional, on what needs none, parked and free, parked and billed."""
        costs = {
            row.number.e164: (row.cost.kind.value, row.cost.monthly, str(row.cost.starts_on))
            for row in client.get(page("numbers")).context["rows"]
        }
        assert {e164: (kind, str(monthly), starts) for e164, (kind, monthly, starts) in costs.items()} == {
            "+12125550101": ("included", "None", "None"),
            "+12125550102": ("additional", "2.50000000", "2026-03-02"),
            "+13125550103": ("included", "None", "None"),
            "+18005550104": ("additional", "4.00000000", "2026-03-02"),
            "+12125550105": ("free", "2.50000000", "2026-04-01"),
            "+18335550106": ("parked", "4.00000000", "2026-03-02"),
        }
        seen = text(client.get(page("numbers")))
        for words in (
            "(212) 555-0102",
            "Dana Whitfield",
            "Resource line",
            "Additional",
            "Apr 1, 2026",
            "$2.50",
        ):
            assert words in seen

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"q": "(212) 555-0102"}, ["+12125550102"]),
            ({"q": "+1 312 555"}, ["+13125550103"]),
            ({"q": "1-800-555-0104"}, ["+18005550104"]),
            ({"q": "whitfield dana"}, ["+12125550101", "+12125550102"]),
            ({"q": "lobby"}, ["+13125550103"]),
            ({"q": "nobody of this name"}, []),
            ({"state": "released"}, ["+12125550107"]),
            ({"state": "parked"}, ["+12125550105", "+18335550106"]),
            ({"kind": "toll-free"}, ["+18005550104", "+18335550106"]),
            ({"cost": "included"}, ["+12125550101", "+13125550103"]),
            ({"cost": "additional"}, ["+12125550102", "+18005550104"]),
            ({"cost": "free"}, ["+12125550105"]),
            ({"cost": "parked"}, ["+18335550106"]),
            (
                {"state": "assigned", "sort": "-number"},
                ["+18005550104", "+13125550103", "+12125550102", "+12125550101"],
            ),
            (
                {"state": "assigned", "sort": "holder"},
                ["+12125550101", "+12125550102", "+13125550103", "+18005550104"],
            ),
            ({"state": "nonsense", "kind": "toll-free"}, ["+18005550104", "+18335550106"]),
        ],
    )
    def test_finds(
        self, client: Client, numbers: dict[str, Number], query: dict[str, str], found: list[str]
    ) -> None:
        """A number in any written form, words of the holder's name, each filter, either way round."""
        assert shown(client, **query) == found

    @pytest.mark.parametrize("count", [1, 60])
    def test_asks_no_more_for_more_rows(
        self, client: Client, account: Account, dana: EndUser, count: int, opens_cheaply: OpensCheaply
    ) -> None:
        for place in range(count):
            bought(account, f"+1212556{place:04d}", dana if place % 2 else None)
        opens_cheaply(client, page("numbers"))
        opens_cheaply(client, page("numbers") + "?cost=free&q=212&sort=-holder")

    def test_turns_pages(self, client: Client, account: Account) -> None:
        for place in range(55):
            bought(account, f"+1212556{place:04d}")
        first = client.get(page("numbers"))
        assert first.context["page"].total == 55
        second = shown(client, after=first.context["page"].next)
        assert second == [f"+1212556{place:04d}" for place in range(50, 55)]

    def test_offers_no_action_to_readers(self, reader: Client, number: Number) -> None:
        """ACC-1: what a role may not do is not on its page."""
        seen = text(reader.get(page("numbers")))
        assert "(212) 555-0100" in seen
        for name in ("number-assign", "number-release"):
            assert page(name, number.pk) not in seen
        assert page("number-add") not in seen
        assert page("numbers-bulk") not in seen

    def test_shows_no_numbers_of_others(self, client: Client, elsewhere: Account) -> None:
        """ACC-4: another account's numbers are not in the list, and its list is not there."""
        bought(elsewhere, "+12125550199")
        assert shown(client) == []
        assert client.get(page("numbers", account="elsewhere")).status_code == 404


class TestExport:
    def test_holds_what_the_list_is_filtered_to(self, client: Client, numbers: dict[str, Number]) -> None:
        response = client.get(page("numbers-csv"), {"q": "Dana"})
        rows = list(csv.DictReader(response.getvalue().decode().splitlines()))
        assert [(row["number"], row["holder"], row["cost"], row["monthly"]) for row in rows] == [
            ("+12125550101", "Dana Whitfield", "included", ""),
            ("+12125550102", "Dana Whitfield", "additional", "2.50000000"),
        ]

    def test_is_not_there_for_others(self, client: Client, elsewhere: Account) -> None:
        """ACC-4."""
        assert client.get(page("numbers-csv", account="elsewhere")).status_code == 404

"""The list of services and the page of one."""

import csv
from collections.abc import Callable

import pytest
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account
from telephony.models import Service, ServiceKind
from telephony.services import add_service, remove_service
from tests.factories import AT, TESTS
from tests.telephony.conftest import bought, page, text

OpensCheaply = Callable[[Client, str], HttpResponseBase]


def shown(client: Client, **query: str) -> list[str]:
    response = client.get(page("services"), query)
    assert response.status_code == 200
    return [row.service.name for row in response.context["rows"]]


@pytest.fixture
def services(account: Account, lobby: Service, ring: Service) -> dict[str, Service]:
    def add(kind: ServiceKind, name: str, extension: str = "") -> Service:
        return add_service(account, kind, name, extension=extension, actor=TESTS, at=AT)

    made = [
        lobby,
        ring,
        add(ServiceKind.AUTO_ATTENDANT, "Menu", "2001"),
        add(ServiceKind.AUTO_ATTENDANT, "After hours", "2002"),
        add(ServiceKind.FAX_LINE, "Fax"),
    ]
    bought(account, "+12125550101", lobby)
    bought(account, "+12125550102", lobby)
    return {service.name: service for service in made}


class TestList:
    def test_says_how_to_begin(self, client: Client) -> None:
        assert "No services yet" in text(client.get(page("services")))

    def test_shows_numbers_and_cost(self, client: Client, services: dict[str, Service]) -> None:
        """NUM-5: the earliest auto attendant is complimentary; a hunt group costs nothing."""
        rows = {row.service.name: row for row in client.get(page("services")).context["rows"]}
        assert {name: str(row.monthly) for name, row in rows.items()} == {
            "After hours": "9.99000000",
            "Fax": "14.99000000",
            "Lobby": "12.99000000",
            "Menu": "None",
            "Ring all": "None",
        }
        assert [name for name, row in rows.items() if row.is_complimentary] == ["Menu"]
        assert rows["Lobby"].numbers == ["+12125550101", "+12125550102"]
        seen = text(client.get(page("services")))
        for words in ("Complimentary", "and 1 more", "No charge", "$12.99"):
            assert words in seen

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"q": "after"}, ["After hours"]),
            ({"q": "2001"}, ["Menu"]),
            ({"q": "(212) 555-0102"}, ["Lobby"]),
            ({"q": "nothing of the kind"}, []),
            ({"kind": "auto-attendant"}, ["After hours", "Menu"]),
            ({"kind": "auto-attendant", "sort": "-extension"}, ["After hours", "Menu"]),
            ({"sort": "-name"}, ["Ring all", "Menu", "Lobby", "Fax", "After hours"]),
            ({"kind": "nonsense", "q": "fax"}, ["Fax"]),
        ],
    )
    def test_finds(
        self, client: Client, services: dict[str, Service], query: dict[str, str], found: list[str]
    ) -> None:
        assert shown(client, **query) == found

    def test_leaves_out_what_was_removed(self, client: Client, services: dict[str, Service]) -> None:
        remove_service(services["Fax"], actor=TESTS, at=AT)
        assert "Fax" not in shown(client)
        assert client.get(page("service", services["Fax"].pk)).status_code == 404

    @pytest.mark.parametrize("count", [1, 60])
    def test_asks_no_more_for_more_rows(
        self, client: Client, account: Account, count: int, opens_cheaply: OpensCheaply
    ) -> None:
        for place in range(count):
            add_service(account, ServiceKind.WEBFAX, f"Fax {place:02d}", actor=TESTS, at=AT)
        opens_cheaply(client, page("services"))

    def test_turns_pages(self, client: Client, account: Account) -> None:
        for place in range(55):
            add_service(account, ServiceKind.HUNT_GROUP, f"Ring {place:02d}", actor=TESTS, at=AT)
        first = client.get(page("services")).context["page"]
        assert first.total == 55
        assert shown(client, after=first.next) == [f"Ring {place:02d}" for place in range(50, 55)]

    def test_offers_no_action_to_readers(self, reader: Client, services: dict[str, Service]) -> None:
        """ACC-1."""
        seen = text(reader.get(page("services")))
        assert page("service-add") not in seen
        assert page("service-edit", services["Fax"].pk) not in seen

    def test_shows_nothing_of_others(self, client: Client, elsewhere: Account) -> None:
        """ACC-4."""
        theirs = add_service(elsewhere, ServiceKind.FAX_LINE, "Theirs", actor=TESTS, at=AT)
        assert shown(client) == []
        assert client.get(page("services", account="elsewhere")).status_code == 404
        assert client.get(page("service", theirs.pk)).status_code == 404

    def test_is_taken_along(self, client: Client, services: dict[str, Service]) -> None:
        response = client.get(page("services-csv"), {"q": "lobby"})
        rows = list(csv.DictReader(response.getvalue().decode().splitlines()))
        assert [(row["name"], row["numbers"], row["monthly"]) for row in rows] == [
            ("Lobby", "+12125550101; +12125550102", "12.99000000")
        ]
        assert client.get(page("services-csv", account="elsewhere")).status_code == 404


class TestService:
    def test_says_which_number_is_included(self, client: Client, services: dict[str, Service]) -> None:
        """NUM-3."""
        response = client.get(page("service", services["Lobby"].pk))
        costs = [(row.number.e164, row.cost.kind.value) for row in response.context["numbers"]]
        assert costs == [("+12125550101", "included"), ("+12125550102", "additional")]

    def test_marks_the_complimentary_one(self, client: Client, services: dict[str, Service]) -> None:
        """NUM-5."""
        assert "Complimentary" in text(client.get(page("service", services["Menu"].pk)))
        assert "Complimentary" not in text(client.get(page("service", services["After hours"].pk)))

    def test_says_that_none_is_needed(self, client: Client, services: dict[str, Service]) -> None:
        """NUM-4."""
        assert "each one is additional" in text(client.get(page("service", services["Ring all"].pk)))

    @pytest.mark.parametrize("count", [1, 60])
    def test_asks_no_more_for_more_numbers(
        self, client: Client, account: Account, ring: Service, count: int, opens_cheaply: OpensCheaply
    ) -> None:
        for place in range(count):
            bought(account, f"+1212556{place:04d}", ring)
        opens_cheaply(client, page("service", ring.pk))

"""Adding numbers: from the stock by area code, or one that is typed."""

from collections.abc import Callable

import pytest
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, Brand
from telephony.inventory import add_block
from telephony.models import InventoryNumber, Number
from telephony.numbers import release_number
from tests import factories
from tests.factories import AT, TESTS
from tests.telephony.conftest import Snapshot, bought, last_action, page, text


@pytest.fixture
def stock(account: Account) -> list[str]:
    add_block(account.brand, "+12125550110", 3, actor=TESTS, at=AT)
    add_block(account.brand, "+14155550120", 3, actor=TESTS, at=AT)
    add_block(account.brand, "+18005550130", 1, actor=TESTS, at=AT)
    return list(InventoryNumber.objects.values_list("e164", flat=True))


def offered(client: Client, **query: str | list[str]) -> list[str]:
    """What is in stock, as the page offers it."""
    groups = client.get(page("number-add"), query).context["groups"]
    return [choice.value for choice in groups[1].choices]


class TestStock:
    @pytest.mark.parametrize(
        ("area", "found"),
        [
            ("415", ["+14155550120", "+14155550121", "+14155550122"]),
            ("(415)", ["+14155550120", "+14155550121", "+14155550122"]),
            ("1 800", ["+18005550130"]),
            ("4", ["+14155550120", "+14155550121", "+14155550122"]),
            ("999", []),
        ],
    )
    def test_is_searched_by_area_code(
        self, client: Client, stock: list[str], area: str, found: list[str]
    ) -> None:
        """NUM-1."""
        assert offered(client, area=area) == found

    def test_shows_all_without_a_search(self, client: Client, stock: list[str]) -> None:
        assert offered(client) == stock

    def test_begins_with_the_area_codes_that_the_account_has(
        self, client: Client, account: Account, stock: list[str]
    ) -> None:
        """The most frequent first; the rest of the stock follows."""
        for typed in ("+18005550199", "+14155550198", "+14155550199"):
            bought(account, typed)
        assert offered(client) == [*stock[3:], *stock[:3]]
        assert offered(client, area="2") == stock[:3]

    def test_does_not_begin_with_what_was_released(
        self, client: Client, account: Account, stock: list[str]
    ) -> None:
        release_number(bought(account, "+14155550199"), actor=TESTS, at=AT)
        assert offered(client) == stock

    def test_says_what_an_area_code_is(self, client: Client, stock: list[str]) -> None:
        response = client.get(page("number-add"), {"area": "Boston"})
        assert "An area code has three digits" in text(response)
        assert 'value="Boston"' in text(response)

    def test_keeps_what_was_picked_elsewhere(self, client: Client, stock: list[str]) -> None:
        groups = client.get(page("number-add"), {"area": "415", "picks": ["+12125550111"]}).context["groups"]
        assert [(choice.value, choice.is_chosen) for choice in groups[0].choices] == [("+12125550111", True)]

    def test_is_the_own_brands(self, client: Client, db: None) -> None:
        other: Brand = factories.BrandFactory()
        add_block(other, "+12125550110", 3, actor=TESTS, at=AT)
        assert offered(client) == []

    def test_stops_at_a_page(self, client: Client, account: Account) -> None:
        add_block(account.brand, "+12125550000", 60, actor=TESTS, at=AT)
        response = client.get(page("number-add"))
        assert len(response.context["groups"][1].choices) == 40
        assert "There are more than these" in text(response)


class TestCost:
    def test_is_said_before_the_button(self, client: Client, stock: list[str], everything: Snapshot) -> None:
        """BIL-3: a local number is free while parked, a toll-free one is not; looking changes nothing."""
        before = everything()
        box = client.get(page("number-add"), {"picks": ["+12125550110"]}).context["cost"].box
        assert (str(box["monthly"]), str(box["begins_on"])) == ("2.50", "2026-04-01")
        box = client.get(page("number-add"), {"picks": ["+12125550110", "+18005550130"]}).context["cost"].box
        assert str(box["monthly"]) == "6.50"
        assert [line["note"] for line in box["lines"]] == ["billed from 2026-04-01", "billed from 2026-03-02"]
        assert everything() == before

    def test_is_shown_without_script_too(self, client: Client, everything: Snapshot) -> None:
        before = everything()
        response = client.post(page("number-add"), {"number": "(800) 555-0199", "preview": "1"})
        assert response.status_code == 200
        assert "$4.00" in text(response)
        assert 'value="(800) 555-0199"' in text(response)
        assert everything() == before

    def test_stays_cheap(
        self, client: Client, account: Account, opens_cheaply: Callable[[Client, str], HttpResponseBase]
    ) -> None:
        add_block(account.brand, "+12125550000", 60, actor=TESTS, at=AT)
        opens_cheaply(client, page("number-add"))


class TestAdd:
    def test_takes_what_was_picked(self, client: Client, stock: list[str], account: Account) -> None:
        """NUM-1: picked numbers come off the shelf, parked."""
        response = client.post(page("number-add"), {"picks": ["+12125550110", "+18005550130"]})
        assert response.status_code == 302
        taken = InventoryNumber.objects.filter(taken_by=account).values_list("e164", flat=True)
        assert list(taken) == ["+12125550110", "+18005550130"]
        assert list(Number.objects.values_list("e164", "state")) == [
            ("+12125550110", "parked"),
            ("+18005550130", "parked"),
        ]
        assert last_action() == "add-number"

    def test_takes_a_typed_one(self, client: Client, account: Account) -> None:
        """NUM-1: in any written form, kept in E.164."""
        response = client.post(page("number-add"), {"number": "(312) 555-0147"}, follow=True)
        assert Number.objects.get().e164 == "+13125550147"
        assert "(312) 555-0147 is yours" in text(response)

    @pytest.mark.parametrize(
        ("sent", "field", "words"),
        [
            ({}, None, "Pick a number from the stock"),
            ({"number": "call me"}, "number", "is not a phone number"),
            ({"number": "+12125550199"}, "number", "is in use already"),
            ({"picks": ["+12125550199"]}, "picks", "is in use already"),
            ({"picks": ["<script>"]}, "picks", "is not a phone number"),
            ({"number": "1" * 41}, "number", "at most 40"),
            ({"picks": [f"+1212555{place:04d}" for place in range(101)]}, "picks", "at most 100"),
        ],
    )
    def test_says_what_is_wrong(
        self,
        client: Client,
        elsewhere: Account,
        everything: Snapshot,
        sent: dict[str, str | list[str]],
        field: str | None,
        words: str,
    ) -> None:
        """NUM-1: by its field, with what was typed kept, and nothing changed; the limit too."""
        bought(elsewhere, "+12125550199")
        before = everything()
        response = client.post(page("number-add"), sent)
        assert response.status_code == 200
        errors = response.context["form"].errors
        assert words in str(errors.get(field or "__all__"))
        assert "Elsewhere" not in text(response)
        if field == "number":
            assert response.context["form"]["number"].value() == sent["number"]
        assert everything() == before

    def test_takes_all_or_none(self, client: Client, stock: list[str], everything: Snapshot) -> None:
        before = everything()
        client.post(page("number-add"), {"picks": ["+12125550110"], "number": "nonsense"})
        assert everything() == before

    def test_is_not_for_readers(self, reader: Client, stock: list[str], everything: Snapshot) -> None:
        """ACC-4."""
        before = everything()
        assert reader.post(page("number-add"), {"picks": ["+12125550110"]}).status_code == 403
        assert reader.get(page("number-add")).status_code == 403
        assert everything() == before

    def test_is_not_there_for_others(self, client: Client, elsewhere: Account, everything: Snapshot) -> None:
        """ACC-4."""
        before = everything()
        address = page("number-add", account="elsewhere")
        assert client.post(address, {"number": "+12125550101"}).status_code == 404
        assert everything() == before

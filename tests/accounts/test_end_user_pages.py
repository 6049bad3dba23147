"""The pages of end users: list, export, one person, adding, editing, removing."""

import csv
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import reverse

from accounts.models import Account, AuditEntry, EndUser, Role
from billing.licences import add_licences, assign_licence
from billing.models import LicenceAssignment, Product
from telephony.models import Number, NumberState
from telephony.numbers import add_number, assign_number, park_number, swap_numbers
from tests import factories
from tests.factories import AT, TESTS

OpensCheaply = Callable[[Client, str], HttpResponseBase]


def address(name: str, *args: object) -> str:
    return reverse(f"accounts:{name}", args=["northwind", *args])


def equip(account: Account, end_user: EndUser, *numbers: str) -> None:
    """Give an end user a UC licence and numbers."""
    product = Product.objects.get(pk="uc-licence")
    add_licences(account, product, 1, actor=TESTS, at=AT)
    assign_licence(end_user, product, actor=TESTS, at=AT)
    for typed in numbers:
        assign_number(add_number(account, typed, actor=TESTS, at=AT), to=end_user, actor=TESTS, at=AT)


def names(client: Client, **query: str) -> list[str]:
    """Whom the list shows, in its order."""
    response = client.get(address("end-users"), query)
    assert response.status_code == 200
    return [person.end_user.name for person in response.context["people"]]


@pytest.fixture
def people(account: Account) -> dict[str, EndUser]:
    site = factories.LocationFactory(account=account, name="Harbour")
    made = [
        factories.EndUserFactory(
            account=account, name="Ann Field", email="ann@n.example", extension="1003", department="Sales"
        ),
        factories.EndUserFactory(account=account, name="Ben Stone", extension="1001", location=site),
        factories.EndUserFactory(account=account, name="Cleo Marsh", extension="1002", department="Support"),
    ]
    return {end_user.name.split()[0]: end_user for end_user in made}


class TestList:
    def test_says_how_to_begin(self, owner_client: Client) -> None:
        page = owner_client.get(address("end-users")).content.decode()
        assert "No users yet" in page
        assert address("end-user-add") in page

    def test_offers_no_button_to_readers(self, account: Account) -> None:
        """ACC-1: what a role may not do is not on its page."""
        client = Client()
        client.force_login(factories.member(account, Role.READ_ONLY))
        assert address("end-user-add") not in client.get(address("end-users")).content.decode()

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"q": "ann"}, ["Ann Field"]),
            ({"q": "STONE ben"}, ["Ben Stone"]),
            ({"q": "n.example"}, ["Ann Field"]),
            ({"q": "1002"}, ["Cleo Marsh"]),
            ({"q": "support"}, ["Cleo Marsh"]),
            ({"department": "Sales"}, ["Ann Field"]),
            ({"q": "zz"}, []),
            ({"sort": "extension"}, ["Ben Stone", "Cleo Marsh", "Ann Field"]),
            ({"sort": "-name"}, ["Cleo Marsh", "Ben Stone", "Ann Field"]),
            ({"sort": "location"}, ["Ann Field", "Cleo Marsh", "Ben Stone"]),
            ({"licence": "none"}, ["Ann Field", "Ben Stone", "Cleo Marsh"]),
            ({"licence": "uc-licence"}, []),
        ],
    )
    def test_search_filter_and_order(
        self, owner_client: Client, people: dict[str, EndUser], query: dict[str, str], found: list[str]
    ) -> None:
        assert names(owner_client, **query) == found

    def test_location_is_one_of_the_account_s(
        self, owner_client: Client, people: dict[str, EndUser], other: Account
    ) -> None:
        """ACC-4: another account's location filters nothing and names nothing."""
        own, foreign = people["Ben"].location, factories.LocationFactory(account=other, name="Secret site")
        assert own is not None
        assert names(owner_client, location=str(own.pk)) == ["Ben Stone"]
        response = owner_client.get(address("end-users"), {"location": foreign.pk})
        assert "Secret site" not in response.content.decode()

    def test_shows_licences_and_the_included_number_first(
        self, owner_client: Client, account: Account, people: dict[str, EndUser]
    ) -> None:
        """NUM-3: the earliest assigned is the included one."""
        equip(account, people["Ann"], "+12125550199", "+12125550101")
        response = owner_client.get(address("end-users"), {"licence": "uc-licence"})
        (person,) = response.context["people"]
        assert (person.licences, person.numbers) == (["UC licence"], ["+12125550199", "+12125550101"])
        assert "and 1 more" in response.content.decode()

    def test_leaves_out_the_removed_and_the_others(
        self, owner_client: Client, people: dict[str, EndUser], other: Account
    ) -> None:
        factories.EndUserFactory(account=other, name="Stranger")
        owner_client.post(address("end-user-remove", people["Ben"].pk))
        assert names(owner_client) == ["Ann Field", "Cleo Marsh"]

    def test_turns_pages_by_key(self, owner_client: Client, account: Account) -> None:
        """Every row is on exactly one page, forwards and back, though all have one name."""
        made = [factories.EndUserFactory(account=account, name="Same").pk for _ in range(120)]
        seen: list[int] = []
        query: dict[str, str] = {}
        sizes = []
        while True:
            page = owner_client.get(address("end-users"), query).context["page"]
            sizes.append(len(page.rows))
            seen += [row.pk for row in page.rows]
            if page.next is None:
                break
            query = {"after": page.next}
        assert (seen, sizes) == (made, [50, 50, 20])
        back = owner_client.get(address("end-users"), {"before": page.previous}).context["page"]
        assert [row.pk for row in back.rows] == made[50:100]
        first = owner_client.get(address("end-users"), {"before": back.previous}).context["page"]
        assert ([row.pk for row in first.rows], first.previous) == (made[:50], None)

    @pytest.mark.parametrize("rows", [1, 50])
    def test_costs_the_same_for_many(
        self, owner_client: Client, account: Account, opens_cheaply: OpensCheaply, rows: int
    ) -> None:
        location = factories.LocationFactory(account=account)
        for end_user in factories.EndUserFactory.create_batch(rows, account=account, location=location):
            LicenceAssignment.objects.create(
                account=account, end_user=end_user, product_id="uc-licence", assigned_on=AT.date()
            )
        opens_cheaply(owner_client, address("end-users"))

    def test_export_has_every_row_of_the_filter(
        self, owner_client: Client, account: Account, people: dict[str, EndUser]
    ) -> None:
        equip(account, people["Ann"], "+12125550101")
        factories.EndUserFactory(account=account, name="=1+1", department="Sales")
        response = owner_client.get(address("end-users-csv"), {"department": "Sales"})
        assert response.headers["Content-Disposition"] == 'attachment; filename="northwind-users.csv"'
        rows = list(csv.DictReader(response.getvalue().decode().splitlines()))
        assert [row["name"] for row in rows] == ["'=1+1", "Ann Field"]
        assert (rows[1]["licences"], rows[1]["numbers"]) == ("UC licence", "+12125550101")


class TestAdding:
    def test_works(self, owner_client: Client, account: Account) -> None:
        response = owner_client.post(
            address("end-user-add"),
            {"name": "Ann", "email": "ann@n.example", "extension": "1001"},
            follow=True,
        )
        added = EndUser.objects.get()
        assert response.request["PATH_INFO"] == address("end-user", added.pk)
        assert "Ann added" in response.content.decode()
        assert (added.account, added.extension) == (account, "1001")
        assert AuditEntry.objects.get(action="add-end-user").address == "203.0.113.7"

    def test_offers_a_free_extension(self, owner_client: Client, people: dict[str, EndUser]) -> None:
        """NUM-6."""
        assert 'value="1004"' in owner_client.get(address("end-user-add")).content.decode()

    @pytest.mark.parametrize(
        ("typed", "field", "message"),
        [
            ({"name": ""}, "name", "Enter the person"),
            ({"name": "Ann", "email": "nope"}, "email", "name@example.com"),
            ({"name": "Ann", "extension": "12"}, "extension", "4 digits"),
            ({"name": "Ann", "extension": "1001"}, "extension", "taken by Ben Stone"),
            ({"name": "Ann", "email": "ANN@n.example"}, "email", "belongs to Ann Field"),
            ({"name": "A" * 121}, "name", "120"),
            ({"name": "Ann", "location": "999999"}, "location", "valid choice"),
        ],
    )
    def test_says_what_is_wrong_by_its_field(
        self,
        owner_client: Client,
        people: dict[str, EndUser],
        typed: dict[str, str],
        field: str,
        message: str,
    ) -> None:
        response = owner_client.post(address("end-user-add"), {"department": "Kept", **typed})
        assert response.status_code == 200
        assert message in str(response.context["form"].errors[field])
        assert 'value="Kept"' in response.content.decode()
        assert EndUser.objects.count() == 3

    def test_refusal_links_to_its_rule(self, owner_client: Client, people: dict[str, EndUser]) -> None:
        """NUM-6: the message names its rule and leads to the sentence in help."""
        page = owner_client.post(
            address("end-user-add"), {"name": "Ann", "extension": "1001"}
        ).content.decode()
        assert "/help/numbers/#NUM-6" in page


class TestPerson:
    def test_shows_what_the_person_has(
        self, owner_client: Client, account: Account, people: dict[str, EndUser]
    ) -> None:
        equip(account, people["Ann"], "+12125550101", "+12125550102")
        page = owner_client.get(address("end-user", people["Ann"].pk)).content.decode()
        for shown in (
            "ann@n.example",
            "1003",
            "Sales",
            "UC licence",
            "(212) 555-0101",
            "Included",
            "Additional",
        ):
            assert shown in page

    def test_costs_the_same_for_many_numbers(
        self, owner_client: Client, account: Account, people: dict[str, EndUser], opens_cheaply: OpensCheaply
    ) -> None:
        equip(account, people["Ann"], *(f"+121255501{n:02}" for n in range(20)))
        opens_cheaply(owner_client, address("end-user", people["Ann"].pk))

    def test_lately_has_the_numbers_that_came_and_went(
        self, owner_client: Client, account: Account, people: dict[str, EndUser]
    ) -> None:
        """ACC-5: also where the number is with somebody else by now, and of a swap both sides; nothing of others."""
        equip(account, people["Ann"], "+12125550101")
        equip(account, people["Ben"], "+12125550102")
        first, second = Number.objects.order_by("e164")
        later = [AT + timedelta(days=day) for day in range(1, 4)]
        swap_numbers(first, second, actor=TESTS, at=later[0])
        park_number(Number.objects.get(pk=first.pk), actor=TESTS, at=later[1])
        assign_number(Number.objects.get(pk=first.pk), to=people["Ann"], actor=TESTS, at=later[2])

        def lately(name: str) -> list[str]:
            found = owner_client.get(address("end-user", people[name].pk)).context["lately"]
            return [entry.action for entry in found]

        assert lately("Ann")[:3] == ["assign-number", "swap-numbers", "assign-number"]
        assert lately("Ben")[:3] == ["park-number", "swap-numbers", "assign-number"]
        assert lately("Cleo") == ["add-end-user"]

    def test_removed_person_is_not_found(self, owner_client: Client, people: dict[str, EndUser]) -> None:
        pk = people["Ann"].pk
        owner_client.post(address("end-user-remove", pk))
        for name in ("end-user", "end-user-edit", "end-user-remove"):
            assert owner_client.get(address(name, pk)).status_code == 404

    def test_trail_is_for_those_who_may_read_it(self, account: Account, people: dict[str, EndUser]) -> None:
        """ACC-5: admins read the trail, readers do not, on this page either."""
        client = Client()
        client.force_login(factories.member(account, Role.READ_ONLY))
        assert not client.get(address("end-user", people["Ann"].pk)).context["lately"]


class TestEditing:
    def test_works(self, owner_client: Client, people: dict[str, EndUser]) -> None:
        ann = people["Ann"]
        response = owner_client.post(
            address("end-user-edit", ann.pk), {"name": "Ann Hill", "extension": "1009"}
        )
        assert response.headers["Location"] == address("end-user", ann.pk)
        ann.refresh_from_db()
        assert (ann.name, ann.extension, ann.email) == ("Ann Hill", "1009", "")

    def test_starts_with_what_is_there(self, owner_client: Client, people: dict[str, EndUser]) -> None:
        page = owner_client.get(address("end-user-edit", people["Ann"].pk)).content.decode()
        assert 'value="Ann Field"' in page
        assert 'value="1003"' in page

    def test_refusal_changes_nothing(self, owner_client: Client, people: dict[str, EndUser]) -> None:
        """NUM-6."""
        ann = people["Ann"]
        response = owner_client.post(address("end-user-edit", ann.pk), {"name": "Anna", "extension": "1001"})
        assert "taken by Ben Stone" in response.content.decode()
        ann.refresh_from_db()
        assert (ann.name, ann.extension) == ("Ann Field", "1003")


class TestRemoving:
    def test_says_first_what_will_happen(
        self, owner_client: Client, account: Account, people: dict[str, EndUser]
    ) -> None:
        """BIL-3: what parking costs and from when is on the page before the button."""
        equip(account, people["Ann"], "+12125550101", "+18005550102")
        page = owner_client.get(address("end-user-remove", people["Ann"].pk)).content.decode()
        assert "(212) 555-0101 is parked: free until" in page
        assert "a month" in page
        assert "(800) 555-0102 is parked, at" in page
        assert "UC licence: free for somebody else" in page
        assert "Extension 1003 is free" in page
        assert EndUser.objects.get(pk=people["Ann"].pk).removed_on is None

    def test_frees_licences_and_parks_numbers(
        self, owner_client: Client, account: Account, people: dict[str, EndUser]
    ) -> None:
        """NUM-8: a number stays with nobody who is gone."""
        equip(account, people["Ann"], "+12125550101")
        response = owner_client.post(address("end-user-remove", people["Ann"].pk), follow=True)
        assert "Ann Field was removed" in response.content.decode()
        assert Number.objects.get().state == NumberState.PARKED
        assert not LicenceAssignment.objects.filter(unassigned_on=None).exists()

    def test_says_it_cheaply(
        self, owner_client: Client, account: Account, people: dict[str, EndUser], opens_cheaply: OpensCheaply
    ) -> None:
        equip(account, people["Ann"], *(f"+121255501{n:02}" for n in range(20)))
        opens_cheaply(owner_client, address("end-user-remove", people["Ann"].pk))

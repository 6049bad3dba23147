"""Locations: actions, the address's rules, the pages."""

from collections.abc import Callable

import pytest
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import reverse

from accounts import locations
from accounts.addresses import Address, faults_of, tidy
from accounts.locations import Present, Use, add_location, edit_location, register_use, remove_location
from accounts.models import Account, AuditEntry, Location, Role
from accounts.refusals import Refused
from tests import factories
from tests.factories import AT, TESTS

OpensCheaply = Callable[[Client, str], HttpResponseBase]

BOSTON = Address("1 Main Street", "Boston", "MA", "02110")
TYPED = {
    "name": "Harbour",
    "street": "48 Rowes Wharf",
    "city": "Boston",
    "region": "MA",
    "postal_code": "02110",
    "country": "US",
}


def url(name: str, *args: object) -> str:
    return reverse(f"accounts:{name}", args=["northwind", *args])


@pytest.fixture
def harbour(account: Account) -> Location:
    return add_location(account, name="Harbour", address=BOSTON, actor=TESTS, at=AT)


class TestAddress:
    @pytest.mark.parametrize(
        ("typed", "kept"),
        [
            (BOSTON, "1 Main Street, Boston, MA 02110"),
            (
                Address(" 1  Main St ", "Boston", "massachusetts", "021101234"),
                "1 Main St, Boston, MA 02110-1234",
            ),
            (Address("1 Main St", "San Juan", "pr", "00901"), "1 Main St, San Juan, PR 00901"),
            (
                Address("80 Elgin St", "Ottawa", "Ontario", "k1p5e7", "ca"),
                "80 Elgin St, Ottawa, ON K1P 5E7, Canada",
            ),
            (Address("Dam 1", "Amsterdam", "", "1012 js", "NL"), "Dam 1, Amsterdam, 1012 JS, Netherlands"),
            (Address("The Lodge", "Dingle", "", "", "IE"), "The Lodge, Dingle, Ireland"),
        ],
    )
    def test_is_tidied_and_taken(self, typed: Address, kept: str) -> None:
        assert faults_of(tidy(typed)) == []
        assert tidy(typed).words == kept

    @pytest.mark.parametrize(
        ("typed", "fields"),
        [
            (Address("", "", "", ""), ["street", "city", "region", "postal_code"]),
            (Address("Main Street", "Boston", "MA", "02110"), ["street"]),
            (Address("P.O. Box 12", "Boston", "MA", "02110"), ["street"]),
            (Address("1 Main St", "Boston", "XX", "02110"), ["region"]),
            (Address("1 Main St", "Toronto", "ON", "02110"), ["region"]),
            (Address("1 Main St", "Boston", "MA", "2110"), ["postal_code"]),
            (Address("1 Main St", "Boston", "MA", "K1P 5E7"), ["postal_code"]),
            (Address("80 Elgin St", "Ottawa", "ON", "D1P 5E7", "CA"), ["postal_code"]),
            (Address("80 Elgin St", "Ottawa", "MA", "K1P 5E7", "CA"), ["region"]),
            (Address("Dam 1", "Amsterdam", "", "1012?", "NL"), ["postal_code"]),
            (Address("Dam 1", "Amsterdam", "", "1012 JS", "XX"), ["country"]),
            (Address("Dam 1", "Amsterdam", "", "1012 JS", "PR"), ["country"]),
        ],
    )
    def test_is_refused_by_its_fields(self, typed: Address, fields: list[str]) -> None:
        assert [fault.field for fault in faults_of(tidy(typed))] == fields

    @pytest.mark.parametrize(
        ("fields", "complete"),
        [
            ({}, True),
            ({"street": ""}, False),
            ({"city": ""}, False),
            ({"region": ""}, False),
            ({"postal_code": ""}, False),
            ({"country": "NL", "region": "", "postal_code": ""}, True),
        ],
    )
    def test_is_complete(self, account: Account, fields: dict[str, str], complete: bool) -> None:
        """The row and the list's filter say the same."""
        located = factories.LocationFactory(account=account, **fields)
        assert located.is_complete is complete
        assert list(locations.locations_of(account, is_complete=complete)) == [located]
        assert not locations.locations_of(account, is_complete=not complete).exists()


class TestActions:
    def test_adding_is_in_the_trail(self, harbour: Location) -> None:
        """ACC-5"""
        entry = AuditEntry.objects.get(action="add-location")
        assert entry.after == {"name": "Harbour", "address": "1 Main Street, Boston, MA 02110"}

    @pytest.mark.parametrize("name", ["", "  ", "harbour"])
    def test_a_name_is_there_and_nobody_elses(self, account: Account, harbour: Location, name: str) -> None:
        with pytest.raises(Refused) as refused:
            add_location(account, name=name, address=BOSTON, actor=TESTS, at=AT)
        assert refused.value.field == "name"
        assert account.locations.count() == 1

    def test_another_account_may_have_the_name(self, other: Account, harbour: Location) -> None:
        assert add_location(other, name="Harbour", address=BOSTON, actor=TESTS, at=AT).pk

    def test_a_bad_address_changes_nothing(self, harbour: Location) -> None:
        bad = Address("", "Boston", "MA", "02110")
        with pytest.raises(Refused) as refused:
            edit_location(harbour, name="Quay", address=bad, actor=TESTS, at=AT)
        assert refused.value.field == "street"
        harbour.refresh_from_db()
        assert harbour.name == "Harbour"

    def test_the_trail_says_whom_an_address_concerned(self, account: Account, harbour: Location) -> None:
        """ACC-5"""
        factories.EndUserFactory(account=account, location=harbour)
        new = Address("2 Main Street", "Boston", "MA", "02110")
        edit_location(harbour, name="Harbour", address=new, actor=TESTS, at=AT)
        entry = AuditEntry.objects.get(action="edit-location")
        assert entry.summary == "Emergency address of Harbour changed, for 1 user"
        assert entry.before == {"address": "1 Main Street, Boston, MA 02110"}

    def test_what_is_as_before_leaves_no_trace(self, harbour: Location) -> None:
        edit_location(harbour, name=" Harbour ", address=BOSTON, actor=TESTS, at=AT)
        assert not AuditEntry.objects.filter(action="edit-location").exists()

    def test_removing_asks_for_an_empty_place(self, account: Account, harbour: Location) -> None:
        end_user = factories.EndUserFactory(account=account, location=harbour)
        with pytest.raises(Refused, match="1 user is at Harbour"):
            remove_location(harbour, actor=TESTS, at=AT)
        end_user.location = None
        end_user.save()
        remove_location(harbour, actor=TESTS, at=AT)
        assert not Location.objects.exists()
        with pytest.raises(Refused, match="was removed"):
            remove_location(harbour, actor=TESTS, at=AT)


class TestUses:
    @pytest.fixture
    def phones(self, monkeypatch: pytest.MonkeyPatch) -> Use:
        """A room above that has two phones at every location."""
        monkeypatch.setattr(locations, "_uses", [*locations._uses])
        use = Use(
            "phone",
            "phones",
            count=lambda keys: dict.fromkeys(keys, 2),
            present=lambda location, most: [Present("T54W", "00:15", "")][:most],
        )
        return register_use(register_use(use))

    def test_what_rooms_above_keep_there_counts(
        self, owner_client: Client, harbour: Location, phones: Use
    ) -> None:
        with pytest.raises(Refused, match="2 phones are at Harbour"):
            remove_location(harbour, actor=TESTS, at=AT)
        assert "2 phones" in owner_client.get(url("locations")).content.decode()
        page = owner_client.get(url("location", harbour.pk)).content.decode()
        assert "T54W" in page
        assert "and 1 more" in owner_client.get(url("location-edit", harbour.pk)).content.decode()


class TestPages:
    def test_list_search_filter_and_order(
        self, owner_client: Client, account: Account, harbour: Location
    ) -> None:
        factories.LocationFactory(
            account=account, name="Annex", city="Austin", region="TX", postal_code="78701"
        )
        factories.LocationFactory(account=account, name="Zeppelin", street="")
        for query, found in (
            ({}, ["Annex", "Harbour", "Zeppelin"]),
            ({"sort": "-name"}, ["Zeppelin", "Harbour", "Annex"]),
            ({"sort": "city"}, ["Annex", "Harbour", "Zeppelin"]),
            ({"q": "austin"}, ["Annex"]),
            ({"q": "021 main"}, ["Harbour"]),
            ({"q": "tx"}, ["Annex"]),
            ({"address": "incomplete"}, ["Zeppelin"]),
            ({"address": "complete"}, ["Annex", "Harbour"]),
        ):
            rows = owner_client.get(url("locations"), query).context["rows"]
            assert [location.name for location, _ in rows] == found, query

    def test_list_is_cheap_and_names_no_other_account(
        self, owner_client: Client, account: Account, other: Account, opens_cheaply: OpensCheaply
    ) -> None:
        """ACC-4"""
        factories.LocationFactory(account=other, name="Secret site")
        for _ in range(60):
            factories.EndUserFactory(account=account, location=factories.LocationFactory(account=account))
        response = opens_cheaply(owner_client, url("locations"))
        assert isinstance(response, HttpResponse)
        assert "Secret site" not in response.content.decode()

    def test_export(self, owner_client: Client, account: Account, harbour: Location) -> None:
        factories.EndUserFactory(account=account, location=harbour)
        lines = b"".join(owner_client.get(url("locations-csv"))).decode().splitlines()
        assert lines[1] == "Harbour,1 Main Street,Boston,MA,02110,US,complete,1 user"

    def test_add(self, owner_client: Client, account: Account) -> None:
        response = owner_client.post(url("location-add"), TYPED)
        assert response.status_code == 302
        assert account.locations.get().address.words == "48 Rowes Wharf, Boston, MA 02110"

    def test_add_says_all_faults_by_their_fields_and_keeps_what_was_typed(
        self, owner_client: Client, account: Account
    ) -> None:
        response = owner_client.post(
            url("location-add"), TYPED | {"street": "PO Box 1", "region": "Nowhere", "postal_code": "x"}
        )
        assert response.status_code == 400
        assert set(response.context["form"].errors) == {"street", "region", "postal_code"}
        assert 'value="PO Box 1"' in response.content.decode()
        assert not account.locations.exists()

    def test_a_name_is_saved_at_once(self, owner_client: Client, account: Account, harbour: Location) -> None:
        factories.EndUserFactory(account=account, location=harbour)
        typed = TYPED | {"name": "Quay", "street": "1 Main Street"}
        assert owner_client.post(url("location-edit", harbour.pk), typed).status_code == 302
        harbour.refresh_from_db()
        assert harbour.name == "Quay"

    def test_an_address_that_concerns_nobody_is_saved_at_once(
        self, owner_client: Client, harbour: Location
    ) -> None:
        assert owner_client.post(url("location-edit", harbour.pk), TYPED).status_code == 302

    def test_an_address_that_concerns_somebody_is_asked_about(
        self, owner_client: Client, account: Account, harbour: Location
    ) -> None:
        """Nothing changes before the person has seen whom it concerns; somebody more is shown again."""
        factories.EndUserFactory(account=account, name="Ann Field", location=harbour)
        asked = owner_client.post(url("location-edit", harbour.pk), TYPED)
        page = asked.content.decode()
        assert "1 user: Ann Field" in page
        assert "48 Rowes Wharf, Boston, MA 02110" in page
        harbour.refresh_from_db()
        assert harbour.street == "1 Main Street"
        sent = dict(asked.context["kept"])
        factories.EndUserFactory(account=account, name="Ben Stone", location=harbour)
        again = owner_client.post(url("location-edit", harbour.pk), sent)
        assert "2 users" in again.content.decode()
        response = owner_client.post(url("location-edit", harbour.pk), dict(again.context["kept"]))
        assert response.status_code == 302
        harbour.refresh_from_db()
        assert harbour.street == "48 Rowes Wharf"

    def test_remove(self, owner_client: Client, account: Account, harbour: Location) -> None:
        end_user = factories.EndUserFactory(account=account, name="Ann Field", location=harbour)
        assert "Ann Field" in owner_client.get(url("location-remove", harbour.pk)).content.decode()
        assert owner_client.post(url("location-remove", harbour.pk)).status_code == 400
        end_user.location = None
        end_user.save()
        assert owner_client.post(url("location-remove", harbour.pk)).status_code == 302
        assert not account.locations.exists()

    @pytest.mark.parametrize("role", [Role.READ_ONLY, Role.OWNER])
    def test_who_may_change_is_shown_how(self, account: Account, harbour: Location, role: Role) -> None:
        """ACC-1"""
        client = Client()
        client.force_login(factories.member(account, role))
        page = client.get(url("location", harbour.pk)).content.decode()
        assert (url("location-edit", harbour.pk) in page) is (role == Role.OWNER)
        assert (url("location-add") in client.get(url("locations")).content.decode()) is (role == Role.OWNER)

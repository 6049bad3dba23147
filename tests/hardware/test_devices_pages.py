"""The list of devices, the page of one, and what is done there (ORD-6)."""

import csv
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import reverse

from accounts.addresses import Address
from accounts.locations import edit_location
from accounts.models import Account, EndUser, Location
from hardware.devices import MOST_DEVICES, retire_device
from hardware.models import Device
from hardware.provisioning import check_in, secret_of, server_address
from telephony.models import Service
from tests import factories
from tests.factories import AT
from tests.hardware.conftest import (
    BY,
    CONFERENCE,
    A,
    B,
    C,
    Snapshot,
    a_phone,
    fresh,
    handed,
    page,
    text,
    trail,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_today")]

OpensCheaply = Callable[[Client, str], HttpResponseBase]


def shown(client: Client, **query: str) -> list[str]:
    """The MACs in the list."""
    response = client.get(page("devices"), query)
    assert response.status_code == 200
    return [row.device.mac for row in response.context["rows"]]


@pytest.fixture
def devices(
    northwind: Account, phone: Device, other: Device, dana: EndUser, lobby: Service, office: Location
) -> dict[str, Device]:
    """Dana's desk phone, active; the lobby's, not connected; a conference phone that nobody has."""
    handed(phone, dana, office, at=AT - timedelta(hours=2))
    check_in(phone, starts=True, at=AT - timedelta(hours=1))
    handed(other, lobby, factories.LocationFactory(account=northwind, name="Depot"))
    spare = a_phone(northwind, C, CONFERENCE, serial="SN-77")
    return {"dana": fresh(phone), "lobby": fresh(other), "spare": spare}


class TestList:
    def test_says_what_belongs_there(self, client: Client) -> None:
        assert "No devices yet" in text(client.get(page("devices")))

    def test_says_who_has_what_and_how_it_stands(self, client: Client, devices: dict[str, Device]) -> None:
        """ORD-6."""
        rows = {row.device.mac: row.standing.label for row in client.get(page("devices")).context["rows"]}
        assert rows == {A: "Active", B: "Not connected", C: "Not assigned"}

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"q": "0004f2"}, [C]),
            ({"q": "00-15-65-00-00-0a"}, [A]),
            ({"q": "sn-7"}, [C]),
            ({"q": "whitfield"}, [A]),
            ({"q": "desk lobby"}, [B]),
            ({"q": "nobody of the kind"}, []),
            ({"state": "active"}, [A]),
            ({"state": "inactive"}, [C, B]),
            ({"state": "retired"}, []),
            ({"missing": "assigned"}, [C]),
            ({"missing": "connected"}, [C, B]),
            ({"missing": "rebooted"}, [C, B]),
            ({"model": CONFERENCE}, [C]),
            ({"state": "nonsense", "missing": "?", "model": "x", "location": "y"}, [C, A, B]),
            ({"sort": "-mac"}, [B, A, C]),
            ({"sort": "holder"}, [C, A, B]),
            ({"sort": "-seen"}, [A, C, B]),
            ({"sort": "location"}, [C, B, A]),
        ],
    )
    def test_finds(
        self, client: Client, devices: dict[str, Device], query: dict[str, str], found: list[str]
    ) -> None:
        names = shown(client, **query)
        assert sorted(names) == sorted(found) if query.get("sort") == "-seen" else names == found

    def test_finds_by_location(self, client: Client, devices: dict[str, Device], office: Location) -> None:
        assert shown(client, location=str(office.pk)) == [A]

    def test_shows_retired_ones_where_they_are_asked_for(
        self, client: Client, devices: dict[str, Device]
    ) -> None:
        for each in devices.values():
            retire_device(each, **BY)
        assert shown(client) == []
        assert "list-tools" in text(client.get(page("devices")))
        assert shown(client, state="retired") == [C, A, B]

    @pytest.mark.parametrize("count", [1, 60])
    def test_asks_no_more_for_more_rows(
        self,
        client: Client,
        northwind: Account,
        dana: EndUser,
        lobby: Service,
        office: Location,
        count: int,
        opens_cheaply: OpensCheaply,
    ) -> None:
        for place in range(count):
            handed(a_phone(northwind, f"00:15:65:00:01:{place:02X}"), lobby, office)
        opens_cheaply(client, page("devices"))

    def test_turns_pages(self, client: Client, northwind: Account) -> None:
        for place in range(55):
            a_phone(northwind, f"00:15:65:00:01:{place:02X}")
        first = client.get(page("devices")).context["page"]
        assert first.total == 55
        assert shown(client, after=first.next) == [f"00:15:65:00:01:{place:02X}" for place in range(50, 55)]

    def test_is_taken_along(self, client: Client, devices: dict[str, Device]) -> None:
        response: Any = client.get(page("devices-csv"), {"missing": "connected"})
        rows = list(csv.DictReader(response.getvalue().decode().splitlines()))
        assert [(row["MAC"], row["state"], row["missing"], row["holder"]) for row in rows] == [
            (C, "unassigned", "assigned; connected; rebooted", ""),
            (B, "not-connected", "connected; rebooted", "Lobby"),
        ]

    def test_shows_nothing_of_others(self, client: Client, elsewhere: Account) -> None:
        """ACC-4."""
        theirs = a_phone(elsewhere, A)
        assert shown(client) == []
        assert client.get(page("device", theirs.pk)).status_code == 404
        assert client.get(page("devices", account="elsewhere")).status_code == 404


class TestDevice:
    def test_says_what_is_missing_and_what_to_do(self, client: Client, devices: dict[str, Device]) -> None:
        """ORD-6."""
        active = text(client.get(page("device", devices["dana"].pk)))
        assert "It is active." in active
        assert active.count("checklist-done") == 3
        waiting = text(client.get(page("device", devices["lobby"].pk)))
        assert "Connect it to power and network" in waiting
        assert "Start it again" in waiting
        assert waiting.count("checklist-done") == 1
        spare = text(client.get(page("device", devices["spare"].pk)))
        assert "Assign it to a user" in spare
        assert "Emergency location" not in spare

    def test_shows_the_address_to_admins_alone(
        self, client: Client, reader: Client, devices: dict[str, Device]
    ) -> None:
        """ORD-6: whoever reads it can read the phone's settings."""
        url = page("device", devices["dana"].pk)
        assert server_address(devices["dana"]) in text(client.get(url))
        assert secret_of(devices["dana"]) not in text(reader.get(url))
        assert "History" not in text(reader.get(url))

    def test_says_that_the_address_has_changed(
        self, client: Client, devices: dict[str, Device], office: Location
    ) -> None:
        """ORD-6: and lets it be acknowledged again."""
        url = page("device", devices["dana"].pk)
        assert "Acknowledge again" not in text(client.get(url))
        edit_location(office, name="HQ", address=Address("2 Elm Street", "Boston", "MA", "02110"), **BY)
        assert "Acknowledge again" in text(client.get(url))
        sent = {"location": str(office.pk)}
        answer = client.post(page("device-location", devices["dana"].pk), sent)
        assert "Confirm that emergency services" in str(answer.context["form"].errors["is_acknowledged"])
        client.post(page("device-location", devices["dana"].pk), {**sent, "is_acknowledged": "on"})
        assert "Acknowledge again" not in text(client.get(url))

    def test_tells_its_history(self, client: Client, devices: dict[str, Device]) -> None:
        assert "assigned to Dana Whitfield at Head office" in text(
            client.get(page("device", devices["dana"].pk))
        )

    def test_a_retired_one_is_looked_at(self, client: Client, devices: dict[str, Device]) -> None:
        retire_device(devices["dana"], **BY)
        seen = text(client.get(page("device", devices["dana"].pk)))
        assert "Retired" in seen
        assert secret_of(devices["dana"]) not in seen
        assert client.get(page("device-assign", devices["dana"].pk)).status_code == 404

    def test_asks_little(
        self, client: Client, devices: dict[str, Device], opens_cheaply: OpensCheaply
    ) -> None:
        for name in ("device", "device-assign", "device-swap", "device-replace", "device-location"):
            opens_cheaply(client, page(name, devices["dana"].pk))


class TestAssign:
    def sent(self, dana: EndUser, office: Location, **changes: str) -> dict[str, str]:
        found = {"to": f"end-user:{dana.pk}", "location": str(office.pk), "is_acknowledged": "on"}
        return {**found, **changes}

    def test_assigns(self, client: Client, phone: Device, dana: EndUser, office: Location) -> None:
        """ORD-6."""
        response = client.post(page("device-assign", phone.pk), self.sent(dana, office), follow=True)
        found = fresh(phone)
        assert (found.holder, found.location) == (dana, office)
        assert found.e911_acknowledged_by == "olivia@northwind.example"
        assert "is with Dana Whitfield. Start it again" in text(response)

    @pytest.mark.parametrize(
        ("changes", "field", "words"),
        [
            ({"to": ""}, "to", "Choose who gets the device."),
            ({"to": "end-user:999999"}, "to", "Choose somebody of the list."),
            ({"to": "service:x"}, "to", "Choose somebody of the list."),
            ({"location": ""}, "location", "Choose where the device is"),
            ({"location": "999999"}, "location", "Choose a location of the list."),
            ({"is_acknowledged": ""}, "is_acknowledged", "Confirm that emergency services"),
        ],
    )
    def test_says_what_is_wrong(
        self,
        client: Client,
        phone: Device,
        dana: EndUser,
        office: Location,
        everything: Snapshot,
        changes: dict[str, str],
        field: str,
        words: str,
    ) -> None:
        """ORD-6: by its field, what was chosen kept, nothing changed."""
        before = everything()
        response = client.post(page("device-assign", phone.pk), self.sent(dana, office, **changes))
        form = response.context["form"]
        assert words in str(form.errors[field])
        if field != "to":
            assert f'value="end-user:{dana.pk}" checked' in text(response)
        assert everything() == before

    def test_refuses_the_sixth(
        self, client: Client, northwind: Account, phone: Device, dana: EndUser, office: Location
    ) -> None:
        """ORD-6."""
        for place in range(MOST_DEVICES):
            handed(a_phone(northwind, f"00:15:65:00:01:{place:02X}"), dana, office)
        response = client.post(page("device-assign", phone.pk), self.sent(dana, office))
        assert "5 devices already" in str(response.context["form"].errors["to"])
        assert "has 5 devices, which is the most" in text(response)

    def test_needs_a_location_first(self, client: Client, phone: Device, dana: EndUser) -> None:
        """ORD-6: and leads there."""
        seen = text(client.get(page("device-assign", phone.pk)))
        assert reverse("accounts:location-add", args=["northwind"]) in seen

    def test_proposes_where_the_user_is(
        self, client: Client, northwind: Account, phone: Device, office: Location
    ) -> None:
        depot = factories.LocationFactory(account=northwind, name="Depot")
        ann = factories.EndUserFactory(account=northwind, location=depot)
        url = page("device-assign-to")
        for response in (
            client.get(page("device-assign", phone.pk), {"to": f"end-user:{ann.pk}"}),
            client.get(url, {"to": f"end-user:{ann.pk}"}),
        ):
            assert response.context["form"]["location"].value() == depot.pk

    def test_gives_somebody_one_that_nobody_has(
        self, client: Client, phone: Device, dana: EndUser, office: Location
    ) -> None:
        """ORD-6: from the user's own page."""
        url = page("device-assign-to")
        sent = {**self.sent(dana, office), "device": str(phone.pk)}
        response = client.post(url, sent)
        assert response.headers["Location"] == reverse("accounts:end-user", args=["northwind", dana.pk])
        assert fresh(phone).holder == dana
        again = client.post(url, sent)
        assert "Choose a device of the list." in str(again.context["form"].errors["device"])
        assert phone.mac in text(client.get(reverse("accounts:end-user", args=["northwind", dana.pk])))

    def test_a_line_shows_its_devices(
        self, client: Client, phone: Device, lobby: Service, office: Location
    ) -> None:
        url = reverse("telephony:service", args=["northwind", lobby.pk])
        assert f"{page('device-assign-to')}?to=service:{lobby.pk}" in text(client.get(url))
        handed(phone, lobby, office)
        assert phone.mac in text(client.get(url))

    def test_searches(
        self, client: Client, phone: Device, dana: EndUser, lobby: Service, office: Location
    ) -> None:
        groups = client.get(page("device-assign", phone.pk), {"q": "lob"}).context["choosing"].groups
        assert [choice.label for group in groups for choice in group.choices] == ["Lobby"]


class TestChanges:
    def test_swaps(self, client: Client, devices: dict[str, Device], dana: EndUser, lobby: Service) -> None:
        """ORD-6."""
        sent = {"device": str(devices["lobby"].pk)}
        client.post(page("device-swap", devices["dana"].pk), sent)
        assert (fresh(devices["dana"]).holder, fresh(devices["lobby"]).holder) == (lobby, dana)

    def test_replaces(self, client: Client, devices: dict[str, Device], dana: EndUser) -> None:
        """ORD-6: and retires the broken one only where that is asked for."""
        url = page("device-replace", devices["dana"].pk)
        assert not client.get(url).context["form"]["retires"].value()
        client.post(url, {"device": str(devices["spare"].pk)})
        assert fresh(devices["spare"]).holder == dana
        assert fresh(devices["dana"]).retired_on is None

    @pytest.mark.parametrize("name", ["device-swap", "device-replace"])
    @pytest.mark.parametrize("chosen", ["", "999999", "x", "9" * 30, "theirs", "itself"])
    def test_says_that_there_is_no_such_device(
        self,
        client: Client,
        elsewhere: Account,
        devices: dict[str, Device],
        everything: Snapshot,
        name: str,
        chosen: str,
    ) -> None:
        """ACC-4: another account's is none."""
        theirs = a_phone(elsewhere, "00:15:65:00:00:0D")
        chosen = {"theirs": str(theirs.pk), "itself": str(devices["dana"].pk)}.get(chosen, chosen)
        before = everything()
        response = client.post(page(name, devices["dana"].pk), {"device": chosen})
        assert response.context["form"].errors["device"]
        assert everything() == before

    def test_takes_back(self, client: Client, devices: dict[str, Device]) -> None:
        """ORD-6: once it is confirmed."""
        url = page("device-unassign", devices["dana"].pk)
        assert "Dana Whitfield no longer has it." in text(client.get(url))
        client.post(url)
        assert fresh(devices["dana"]).holder is None
        assert "with nobody already" in text(client.get(url, follow=True))

    def test_makes_a_new_address(self, client: Client, devices: dict[str, Device]) -> None:
        before = secret_of(devices["dana"])
        client.post(page("device-secret", devices["dana"].pk))
        assert secret_of(fresh(devices["dana"])) != before

    def test_retires_once_the_mac_is_typed(self, client: Client, devices: dict[str, Device]) -> None:
        """ORD-6."""
        url = page("device-retire", devices["dana"].pk)
        for typed in ("", "yes", B):
            response = client.post(url, {"confirm_name": typed})
            assert response.status_code == 400
            assert f"Type {A} to confirm" in text(response)
        client.post(url, {"confirm_name": "00156500000a"})
        assert fresh(devices["dana"]).retired_on == AT.date()
        assert trail(devices["dana"])[-2:] == ["unassign-device", "retire-device"]

    @pytest.mark.parametrize(
        "name", ["assign", "swap", "replace", "unassign", "location", "secret", "retire"]
    )
    def test_is_not_for_readers_nor_others(
        self, reader: Client, client: Client, elsewhere: Account, devices: dict[str, Device], name: str
    ) -> None:
        """ACC-1, ACC-4."""
        assert reader.post(page(f"device-{name}", devices["dana"].pk)).status_code == 403
        theirs = a_phone(elsewhere, "00:15:65:00:00:0D")
        assert client.post(page(f"device-{name}", theirs.pk)).status_code == 404
        assert page(f"device-{name}", devices["dana"].pk) not in text(reader.get(page("devices")))


def test_the_panel_s_search_finds_devices(client: Client, devices: dict[str, Device]) -> None:
    seen = text(client.get(reverse("search", args=["northwind"]), {"q": "0004f2"}))
    assert page("device", devices["spare"].pk) in seen


def test_removing_a_user_says_what_becomes_of_the_devices(
    client: Client, devices: dict[str, Device], dana: EndUser
) -> None:
    """ORD-6."""
    seen = text(client.get(reverse("accounts:end-user-remove", args=["northwind", dana.pk])))
    assert f"Desk phone, basic {A} stays yours, with nobody." in seen

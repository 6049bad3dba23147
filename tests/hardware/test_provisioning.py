"""ORD-6: phones fetch their configuration behind a secret of their own, and the check-in is recorded."""

import re
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from xml.parsers import expat

import pytest
import time_machine
from django.conf import LazySettings
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import Account, AuditEntry, EndUser, Location
from hardware import provisioning
from hardware.devices import renew_secret, retire_device
from hardware.facts import standing_of
from hardware.models import Device, ProductFamily, RefusedCheckIns, SipServer
from hardware.provisioning import secret_of, server_address
from telephony.models import Service
from tests import factories
from tests.factories import AT
from tests.hardware.conftest import BY, CONFERENCE, C, Snapshot, a_phone, fresh, handed, trail

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_today")]

YEALINK = "Yealink SIP-T46S 66.86.0.15 00:15:65:00:00:0a"
POLY_STARTING = "FileTransport PolycomVVX-VVX_411-UA/5.9.5 (SN:0004f200000c) Type/Updater"
POLY_RUNNING = "FileTransport PolycomVVX-VVX_411-UA/5.9.5 (SN:0004f200000c) Type/Application"
WRONG = "a" * provisioning.SECRET_CHARACTERS
LATER = AT + timedelta(hours=1)


def address(device: Device, query: str = "") -> str:
    return f"/provision/{device.mac.replace(':', '').lower()}.cfg{query}"


def fetch(device: Device, query: str = "", **headers: str) -> Any:
    """What a phone gets that comes with its secret."""
    return Client().get(address(device, f"?key={secret_of(fresh(device))}{query}"), headers=headers)


def settings_of(response: Any) -> dict[str, str]:
    """The keys and values of Yealink's form; each stands once, and no line is anything else."""
    lines = [line for line in response.content.decode().splitlines() if line and not line.startswith("#")]
    pairs = [re.fullmatch(r"([a-z0-9_.]+) =(?: (.*))?", line) for line in lines]
    found = {pair[1]: pair[2] or "" for pair in pairs if pair}
    assert len(found) == len(lines)
    return found


def elements(response: Any) -> list[tuple[str, dict[str, str]]]:
    """The elements of Poly's form with their attributes; fails where it is no XML."""
    found: list[tuple[str, dict[str, str]]] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda name, attributes: found.append((name, attributes))
    parser.Parse(response.content, True)
    return found


@pytest.fixture
def danas(phone: Device, dana: EndUser, office: Location) -> Device:
    """A desk phone of Dana's."""
    return handed(phone, dana, office)


@pytest.fixture
def conference(northwind: Account, lobby: Service, office: Location) -> Device:
    """A conference phone, of the other family, in the lobby."""
    return handed(a_phone(northwind, C, CONFERENCE), lobby, office)


# --- what is handed out ------------------------------------------------------------------------------


def test_yealink_gets_keys_and_values(danas: Device, settings: LazySettings) -> None:
    """ORD-6: label, extension, server and emergency location."""
    settings.SIP_SERVER = "sip.provider.example:5071"
    response = fetch(danas)
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.content.startswith(b"#!version:1.0.0.1\n")
    assert b"Emergency location: Head office, 1 Main Street, Boston, MA 02110" in response.content
    found = settings_of(response)
    assert found["account.1.enable"] == "1"
    assert found["account.1.label"] == "Dana Whitfield"
    assert found["account.1.user_name"] == found["account.1.auth_name"] == "1001"
    assert found["account.1.sip_server.1.address"] == "sip.provider.example"
    assert found["account.1.sip_server.1.port"] == "5071"
    assert found["auto_provision.server.url"] == server_address(danas)
    assert found["action_url.setup_completed"] == f"{server_address(danas)}00156500000a.cfg?boot=1"


def test_poly_gets_a_file_that_names_another(conference: Device) -> None:
    """ORD-6."""
    response = fetch(conference)
    assert response.headers["Content-Type"] == "text/xml; charset=utf-8"
    assert elements(response)[0][0] == "APPLICATION"
    named = elements(response)[0][1]["CONFIG_FILES"]
    assert named == "0004f200000c-line.cfg"
    line = Client().get(f"/provision/{secret_of(conference)}/{named}")
    (_, (_, found)) = elements(line)
    assert found["reg.1.label"] == "Lobby"
    assert found["reg.1.address"] == "2001"
    assert found["reg.1.server.1.address"] == "sip.example.com"
    assert found["panel.emergency.location"] == "Head office, 1 Main Street, Boston, MA 02110"


def test_a_brand_has_a_server_of_its_own(danas: Device) -> None:
    SipServer.objects.create(brand=danas.account.brand, host="sip.brand.example", port=5062)
    found = settings_of(fetch(danas))
    assert found["account.1.sip_server.1.address"] == "sip.brand.example"
    assert found["account.1.sip_server.1.port"] == "5062"


def test_who_has_no_extension_is_known_by_the_device(
    northwind: Account, phone: Device, office: Location
) -> None:
    handed(phone, factories.EndUserFactory(account=northwind), office)
    assert settings_of(fetch(phone))["account.1.user_name"] == "00156500000a"


def test_nobody_s_phone_gets_no_line(phone: Device, northwind: Account) -> None:
    """ORD-6: it is connected all the same."""
    found = settings_of(fetch(phone))
    assert (found["account.1.enable"], found["account.1.label"], found["account.1.user_name"]) == (
        "0",
        "",
        "",
    )
    assert fresh(phone).connected_at == AT
    nobodys = a_phone(northwind, C, CONFERENCE)
    line = Client().get(f"/provision/{secret_of(nobodys)}/0004f200000c-line.cfg")
    assert elements(line)[1][1]["reg.1.address"] == ""


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Eve\naccount.1.enable = 0", "Eve account.1.enable = 0"),
        ("Eve\r\n\x0b\u2028\x85x", "Eve x"),
        ('Ann & <Bob> "C"', 'Ann & <Bob> "C"'),
        ("O'Brien--x]]>", "O'Brien--x]]>"),
        ("Zoë Łukasz 安", "Zoë Łukasz 安"),
        ("{{ server }} {% debug %}", "{{ server }} {% debug %}"),
        ("x" * 120, "x" * 60),
    ],
)
def test_names_stay_names(northwind: Account, phone: Device, office: Location, name: str, shown: str) -> None:
    """ORD-6: no name adds a line, a key or an element, in either form."""
    person = factories.EndUserFactory(account=northwind)
    EndUser.objects.filter(pk=person.pk).update(name=name)
    Location.objects.filter(pk=office.pk).update(name=name[:80])
    office.refresh_from_db()
    handed(phone, person, office)
    conference = handed(a_phone(northwind, C, CONFERENCE), person, office)
    assert settings_of(fetch(phone))["account.1.label"] == shown
    response = Client().get(f"/provision/{secret_of(conference)}/0004f200000c-line.cfg")
    (first, _), (second, attributes) = elements(response)
    assert (first, second) == ("PHONE_CONFIG", "ALL")
    assert attributes["reg.1.label"] == shown
    assert len(attributes) == 11


# --- who gets it -------------------------------------------------------------------------------------


def basic(password: str) -> str:
    return f"Basic {b64encode(f'phone:{password}'.encode()).decode()}"


def test_the_secret_comes_in_three_ways(danas: Device) -> None:
    """ORD-6: in the address, behind it, and as a password; the MAC in any case and form."""
    secret = secret_of(danas)
    client = Client()
    for response in (
        client.get(f"/provision/{secret}/00156500000a.cfg"),
        client.get(f"/provision/{secret.upper()}/00156500000A.cfg"),
        client.get(address(danas, f"?key={secret}")),
        client.get(f"/provision/00:15:65:00:00:0A.cfg?key={secret}"),
        client.get(address(danas), headers={"Authorization": basic(secret)}),
    ):
        assert response.status_code == 200
        assert settings_of(response)["account.1.label"] == "Dana Whitfield"


@pytest.mark.parametrize("authorization", ["", "Basic", "Basic ???", "Basic /w==", "Bearer x", basic(WRONG)])
@pytest.mark.parametrize("query", ["", "?key=", f"?key={WRONG}", "?key=%00é"])
def test_what_is_not_right_is_not_found(
    danas: Device, everything: Snapshot, query: str, authorization: str
) -> None:
    """ORD-6: an unknown MAC and a wrong secret answer alike, byte for byte, and are counted."""
    headers = {"Authorization": authorization} if authorization else {}
    before = everything()
    wrong = Client().get(address(danas, query), headers=headers)
    unknown = Client().get(f"/provision/001565ffffff.cfg{query}", headers=headers)
    assert wrong.status_code == unknown.status_code == 404
    assert wrong.content == unknown.content
    assert wrong.headers == unknown.headers
    counted = RefusedCheckIns.objects.get()
    assert (counted.day, counted.unknown_mac, counted.wrong_secret) == (AT.date(), 1, 1)
    counted.delete()
    assert everything() == before


def test_another_device_s_secret_opens_nothing(danas: Device, other: Device) -> None:
    """ORD-6: it is each device's own."""
    assert Client().get(address(danas, f"?key={secret_of(other)}")).status_code == 404
    assert secret_of(danas) != secret_of(other)


def test_a_new_secret_shuts_the_old_one_out(danas: Device) -> None:
    """ORD-6."""
    old = secret_of(danas)
    renew_secret(danas, **BY)
    assert Client().get(address(danas, f"?key={old}")).status_code == 404
    assert fetch(danas).status_code == 200


def test_a_secret_of_the_key_before_goes_on_working(danas: Device, settings: LazySettings) -> None:
    """A new key of the panel need not be carried to every phone at once."""
    old = secret_of(danas)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another one that is long enough for Django to be content with it"
    assert secret_of(danas) != old
    for secret in (old, secret_of(danas)):
        assert Client().get(address(danas, f"?key={secret}")).status_code == 200
    settings.SECRET_KEY_FALLBACKS = []
    assert Client().get(address(danas, f"?key={old}")).status_code == 404


def test_a_retired_device_is_unknown(danas: Device) -> None:
    """ORD-6."""
    secret = secret_of(danas)
    retire_device(danas, **BY)
    assert Client().get(address(danas, f"?key={secret}")).status_code == 404
    assert RefusedCheckIns.objects.get().unknown_mac == 1


def test_a_model_without_a_family_has_no_configuration(danas: Device, conference: Device) -> None:
    assert Client().get(f"/provision/{secret_of(danas)}/00156500000a-line.cfg").status_code == 404
    ProductFamily.objects.all().delete()
    assert fetch(danas).status_code == 404
    assert fresh(danas).connected_at is None


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_nothing_is_sent_there(danas: Device, method: str) -> None:
    client = Client(enforce_csrf_checks=True)
    send: Callable[..., Any] = getattr(client, method)
    assert send(address(danas, f"?key={secret_of(danas)}")).status_code == 405


def test_there_is_no_session_and_nothing_is_kept(danas: Device, client: Client) -> None:
    """ORD-6: no cookie goes out, and none that comes in is read."""
    response = client.get(address(danas, f"?key={secret_of(danas)}"))
    assert response.status_code == 200
    assert not response.cookies
    assert "Cookie" not in response.headers.get("Vary", "")
    assert response.headers["Cache-Control"] == "no-store"


def test_production_answers_over_https_alone(danas: Device, settings: LazySettings) -> None:
    """ORD-6."""
    settings.PRODUCTION = True
    query = f"?key={secret_of(danas)}"
    assert Client().get(address(danas, query)).status_code == 404
    assert not RefusedCheckIns.objects.exists()
    assert Client().get(address(danas, query), secure=True).status_code == 200


# --- what is recorded --------------------------------------------------------------------------------


def test_a_check_in_connects_and_a_start_activates(danas: Device) -> None:
    """ORD-6: the one that makes it active is in the trail, once."""
    with time_machine.travel(LATER, tick=False):
        fetch(danas, **{"User-Agent": YEALINK})
        found = fresh(danas)
        assert (found.connected_at, found.rebooted_at) == (LATER, None)
        assert standing_of(found).missing == ("rebooted",)
        fetch(danas, "&boot=1", **{"User-Agent": YEALINK})
        found = fresh(danas)
        assert (found.connected_at, found.rebooted_at) == (LATER, LATER)
        assert standing_of(found).is_active
    with time_machine.travel(LATER + timedelta(hours=1), tick=False):
        fetch(danas, "&boot=1")
    assert trail(danas) == ["add-device", "assign-device", "activate-device"]
    entry = AuditEntry.objects.get(action="activate-device")
    assert (entry.by, entry.is_task, entry.account) == ("check-in of a phone", True, danas.account)


@pytest.mark.parametrize(("agent", "starts"), [(POLY_STARTING, True), (POLY_RUNNING, False), ("", False)])
def test_poly_says_of_itself_that_it_starts(conference: Device, agent: str, starts: bool) -> None:
    """ORD-6."""
    with time_machine.travel(LATER, tick=False):
        fetch(conference, **{"User-Agent": agent})
    assert standing_of(fresh(conference)).is_active == starts


@pytest.mark.parametrize("query", ["&boot=0", "&boot=", "&boot=yes"])
def test_only_one_word_means_a_start(danas: Device, query: str) -> None:
    with time_machine.travel(LATER, tick=False):
        fetch(danas, query)
    assert fresh(danas).rebooted_at is None


def test_looking_whether_it_is_there_is_no_check_in(danas: Device) -> None:
    assert Client().head(address(danas, f"?key={secret_of(danas)}")).status_code == 200
    assert fresh(danas).connected_at is None


def test_a_phone_that_asks_all_the_time_is_written_once_a_minute(
    danas: Device, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    """ORD-6: unless it is assigned anew in between."""
    with time_machine.travel(LATER, tick=False):
        fetch(danas, "&boot=1")
    soon = LATER + timedelta(seconds=59)
    with time_machine.travel(soon, tick=False):
        query = f"?key={secret_of(fresh(danas))}&boot=1"
        with django_assert_max_num_queries(3) as queries:
            Client().get(address(danas, query))
        assert all(each["sql"].startswith("SELECT") for each in queries.captured_queries)
        assert fresh(danas).connected_at == LATER
        person = factories.EndUserFactory(account=danas.account)
        assert danas.location is not None
        handed(danas, person, danas.location, at=soon - timedelta(seconds=1))
        fetch(danas, "&boot=1")
        assert standing_of(fresh(danas)).is_active
    with time_machine.travel(soon + timedelta(minutes=1), tick=False):
        fetch(danas)
        assert fresh(danas).connected_at == soon + timedelta(minutes=1)


def test_refused_check_ins_are_counted_up_to_a_bound(danas: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """ORD-6: one row a day, no more than so many, and old days go."""
    monkeypatch.setattr(provisioning, "MOST_REFUSED", 2)
    RefusedCheckIns.objects.create(day=AT.date() - timedelta(days=provisioning.KEPT_DAYS + 1))
    for _ in range(4):
        Client().get("/provision/001565ffffff.cfg")
    Client().get(address(danas))
    counted = RefusedCheckIns.objects.get()
    assert (counted.unknown_mac, counted.wrong_secret) == (2, 1)

"""ORD-6: who has a device, where it is in an emergency, and when it is active."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.addresses import Address
from accounts.locations import edit_location, remove_location
from accounts.models import Account, AuditEntry, EndUser, Location
from accounts.refusals import Refused
from billing.models import Charge, Product
from hardware.devices import (
    MOST_DEVICES,
    acknowledge_location,
    add_device,
    assign_device,
    renew_secret,
    replace_device,
    retire_device,
    swap_devices,
    unassign_device,
)
from hardware.facts import ACTIVE, HOLDS, Fact, State, standing_of
from hardware.models import Device
from hardware.provisioning import secret_of
from telephony.end_users import remove_end_user
from telephony.models import Service, ServiceKind
from telephony.services import add_service, remove_service
from tests import factories
from tests.factories import AT
from tests.hardware.conftest import BY, CONFERENCE, DESK, A, Snapshot, a_phone, fresh, handed, trail

pytestmark = pytest.mark.django_db

LATER = AT + timedelta(hours=1)


# --- the three facts -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("assigned", "connected", "rebooted", "missing", "state"),
    [
        (None, None, None, "assigned connected rebooted", State.UNASSIGNED),
        (None, 5, 5, "assigned rebooted", State.UNASSIGNED),
        (3, None, None, "connected rebooted", State.NOT_CONNECTED),
        (3, 5, None, "rebooted", State.NOT_REBOOTED),
        (3, 2, 2, "rebooted", State.NOT_REBOOTED),
        (3, 5, 2, "rebooted", State.NOT_REBOOTED),
        (3, 3, 3, "rebooted", State.NOT_REBOOTED),
        (3, 5, 4, "", State.ACTIVE),
        (3, 4, 4, "", State.ACTIVE),
    ],
)
def test_a_device_is_active_when_three_facts_hold(
    phone: Device,
    dana: EndUser,
    office: Location,
    assigned: int | None,
    connected: int | None,
    rebooted: int | None,
    missing: str,
    state: State,
) -> None:
    """ORD-6: assigned, connected, and rebooted after the assignment; the database finds it as Python says it."""

    def hour(number: int | None) -> datetime | None:
        return None if number is None else AT + timedelta(hours=number)

    at = hour(assigned)
    if at is not None:
        handed(phone, dana, office, at=at)
    Device.objects.update(connected_at=hour(connected), rebooted_at=hour(rebooted))
    standing = standing_of(fresh(phone))
    assert " ".join(standing.missing) == missing
    assert standing.state == state
    assert standing.is_active == (state == State.ACTIVE)
    assert Device.objects.filter(ACTIVE).exists() == standing.is_active
    for fact in Fact:
        assert Device.objects.filter(HOLDS[fact]).exists() == (fact not in standing.missing), fact


def test_a_retired_device_is_retired_whatever_it_did(phone: Device) -> None:
    """ORD-6."""
    Device.objects.update(connected_at=AT, rebooted_at=AT)
    retire_device(phone, **BY)
    assert standing_of(fresh(phone)).state == State.RETIRED


# --- assigning -----------------------------------------------------------------------------------


def test_is_assigned_with_its_location_acknowledged(phone: Device, dana: EndUser, office: Location) -> None:
    """ORD-6: to exactly one holder; who acknowledged what, and when, is kept."""
    handed(phone, dana, office)
    found = fresh(phone)
    assert (found.holder, found.assigned_at, found.location) == (dana, AT, office)
    assert (found.e911_acknowledged_at, found.e911_acknowledged_by) == (AT, "manage.py tests")
    assert found.e911_address == "1 Main Street, Boston, MA 02110"
    assert trail(phone) == ["add-device", "assign-device"]
    assert not Charge.objects.exists()


def test_moves_from_one_holder_to_another(
    phone: Device, dana: EndUser, lobby: Service, office: Location
) -> None:
    """ORD-6: it has to be rebooted anew."""
    handed(phone, dana, office)
    Device.objects.update(connected_at=LATER, rebooted_at=LATER)
    assert standing_of(fresh(phone)).is_active
    handed(phone, lobby, office, at=LATER + timedelta(hours=1))
    found = fresh(phone)
    assert (found.end_user, found.service) == (None, lobby)
    assert standing_of(found).missing == (Fact.REBOOTED,)


def test_assigning_it_to_who_has_it_changes_nothing(
    phone: Device, dana: EndUser, office: Location, everything: Snapshot
) -> None:
    handed(phone, dana, office)
    before = everything()
    handed(phone, dana, office, at=LATER)
    assert everything() == before


def test_another_location_of_the_same_holder_needs_no_reboot(
    phone: Device, dana: EndUser, office: Location, northwind: Account
) -> None:
    """ORD-6: who has it has not changed."""
    handed(phone, dana, office)
    handed(phone, dana, factories.LocationFactory(account=northwind, name="Depot"), at=LATER)
    found = fresh(phone)
    assert (str(found.location), found.assigned_at, found.e911_acknowledged_at) == ("Depot", AT, LATER)


Refusing = Callable[[Account, EndUser, Location], dict[str, Any]]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (lambda account, dana, office: {"location": None}, "location"),
        (lambda account, dana, office: {"is_acknowledged": False}, "is_acknowledged"),
        (lambda account, dana, office: {"location": factories.LocationFactory()}, "location"),
        (
            lambda account, dana, office: {"location": factories.LocationFactory(account=account, street="")},
            "location",
        ),
        (lambda account, dana, office: {"to": factories.EndUserFactory()}, "to"),
        (
            lambda account, dana, office: {
                "to": add_service(account, ServiceKind.AUTO_ATTENDANT, "Menu", **BY)
            },
            "to",
        ),
    ],
    ids=["no location", "not acknowledged", "another's location", "no street", "another's user", "no line"],
)
def test_assigning_is_refused_by_name(
    northwind: Account,
    phone: Device,
    dana: EndUser,
    office: Location,
    everything: Snapshot,
    wrong: Refusing,
    field: str,
) -> None:
    """ORD-6: without an acknowledged location, or to whom a device cannot go; nothing is changed."""
    asked = {"to": dana, "location": office, "is_acknowledged": True, **wrong(northwind, dana, office)}
    before = everything()
    with pytest.raises(Refused) as refusal:
        assign_device(phone, **asked, **BY)
    assert refusal.value.field == field
    assert refusal.value.rule in {"ORD-6", "ACC-4"}
    assert everything() == before


def test_who_was_removed_gets_none(phone: Device, dana: EndUser, office: Location) -> None:
    """ORD-6."""
    remove_end_user(dana, **BY)
    with pytest.raises(Refused, match="removed"):
        handed(phone, dana, office)


def test_an_end_user_has_at_most_five(
    northwind: Account, dana: EndUser, lobby: Service, office: Location
) -> None:
    """ORD-6: a line has no such bound, and what an end user has already can be given again."""
    phones = [a_phone(northwind, f"00:15:65:00:01:{place:02X}") for place in range(MOST_DEVICES + 1)]
    for each in phones[:MOST_DEVICES]:
        handed(each, dana, office)
    with pytest.raises(Refused, match="5 devices already") as refusal:
        handed(phones[-1], dana, office)
    assert (refusal.value.rule, refusal.value.field) == ("ORD-6", "to")
    handed(phones[0], dana, factories.LocationFactory(account=northwind))
    for each in phones:
        handed(each, lobby, office)
    assert lobby.devices.count() == MOST_DEVICES + 1


def test_the_database_knows_one_holder(
    phone: Device, dana: EndUser, lobby: Service, office: Location
) -> None:
    """ORD-6: not two, and none without a location or an instant."""
    handed(phone, dana, office)
    for wrong in (
        {"service": lobby},
        {"end_user": None},
        {"location": None},
        {"assigned_at": None},
        {"e911_acknowledged_at": None},
        {"retired_on": AT.date()},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Device.objects.filter(pk=phone.pk).update(**wrong)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_the_fifth_place_is_given_once() -> None:
    """ORD-6: of several that are assigned at the same moment, no more than there is room for."""
    account = factories.AccountFactory()
    dana = factories.EndUserFactory(account=account)
    office = factories.LocationFactory(account=account)
    phones = [a_phone(account, f"00:15:65:00:01:{place:02X}") for place in range(MOST_DEVICES + 3)]
    for each in phones[: MOST_DEVICES - 1]:
        handed(each, dana, office)
    late = phones[MOST_DEVICES - 1 :]
    gate = threading.Barrier(len(late))
    answers: list[str] = []

    def take(device: Device) -> None:
        try:
            gate.wait()
            handed(device, dana, office)
            answers.append("assigned")
        except Refused as refused:
            answers.append(refused.rule)
        finally:
            connection.close()

    crew = [threading.Thread(target=take, args=[device]) for device in late]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    assert sorted(answers) == ["ORD-6", "ORD-6", "ORD-6", "assigned"]
    assert dana.devices.count() == MOST_DEVICES


# --- taking back, swapping, replacing, retiring ----------------------------------------------------


def test_is_taken_back(phone: Device, dana: EndUser, office: Location, everything: Snapshot) -> None:
    """ORD-6: with it goes the location, which is acknowledged anew the next time."""
    handed(phone, dana, office)
    unassign_device(phone, **BY)
    found = fresh(phone)
    assert (found.holder, found.location, found.e911_address, found.assigned_at) == (None, None, "", None)
    before = everything()
    unassign_device(phone, **BY)
    assert everything() == before


def test_goes_when_its_holder_goes(
    phone: Device, other: Device, dana: EndUser, lobby: Service, office: Location
) -> None:
    """ORD-6: the devices of who is removed are with nobody."""
    handed(phone, dana, office)
    handed(other, lobby, office)
    remove_end_user(dana, **BY)
    remove_service(lobby, **BY)
    for each in (phone, other):
        assert fresh(each).holder is None
        assert trail(each)[-1] == "unassign-device"


def test_two_change_places(
    northwind: Account, phone: Device, other: Device, dana: EndUser, lobby: Service, office: Location
) -> None:
    """ORD-6: holders and locations, as one action; both have to be rebooted."""
    depot = factories.LocationFactory(account=northwind, name="Depot")
    handed(phone, dana, office)
    handed(other, lobby, depot)
    Device.objects.update(connected_at=LATER, rebooted_at=LATER)
    swap_devices(phone, other, **{**BY, "at": LATER + timedelta(hours=1)})
    first, second = fresh(phone), fresh(other)
    assert (first.holder, first.location) == (lobby, depot)
    assert (second.holder, second.location) == (dana, office)
    assert standing_of(first).missing == standing_of(second).missing == (Fact.REBOOTED,)
    assert trail(phone)[-1] == trail(other)[-1] == "swap-devices"


def test_one_that_nobody_has_swaps_too(phone: Device, other: Device, dana: EndUser, office: Location) -> None:
    handed(phone, dana, office)
    swap_devices(phone, other, **BY)
    assert (fresh(phone).holder, fresh(other).holder) == (None, dana)


@pytest.mark.parametrize("case", ["itself", "another account's", "both with nobody", "retired"])
def test_swapping_is_refused(
    elsewhere: Account,
    phone: Device,
    other: Device,
    dana: EndUser,
    office: Location,
    everything: Snapshot,
    case: str,
) -> None:
    """ORD-6: nothing is changed."""
    second = {"itself": phone, "another account's": a_phone(elsewhere, "00:15:65:00:00:0D")}.get(case, other)
    if case != "both with nobody":
        handed(phone, dana, office)
    if case == "retired":
        retire_device(other, **BY)
    before = everything()
    with pytest.raises(Refused):
        swap_devices(phone, second, **BY)
    assert everything() == before


@pytest.mark.parametrize("retires", [True, False])
def test_one_takes_the_place_of_a_broken_one(
    phone: Device, other: Device, dana: EndUser, office: Location, retires: bool
) -> None:
    """ORD-6: holder and location, acknowledgement included."""
    handed(phone, dana, office)
    replace_device(phone, other, retires=retires, **{**BY, "at": LATER})
    old, new = fresh(phone), fresh(other)
    assert (new.holder, new.location, new.e911_acknowledged_at, new.assigned_at) == (dana, office, AT, LATER)
    assert old.holder is None
    assert (old.retired_on is not None) == retires


def test_a_full_end_user_can_have_one_replaced(northwind: Account, dana: EndUser, office: Location) -> None:
    """ORD-6: five stay five."""
    phones = [a_phone(northwind, f"00:15:65:00:01:{place:02X}") for place in range(MOST_DEVICES + 1)]
    for each in phones[:MOST_DEVICES]:
        handed(each, dana, office)
    replace_device(phones[0], phones[-1], retires=True, **BY)
    assert dana.devices.count() == MOST_DEVICES


def test_replacing_is_refused(
    phone: Device, other: Device, dana: EndUser, lobby: Service, office: Location, elsewhere: Account
) -> None:
    """ORD-6: where there is nothing to take over, or the other one is taken."""
    theirs = a_phone(elsewhere, "00:15:65:00:00:0D")
    for pair in ((phone, other), (phone, phone), (phone, theirs)):
        with pytest.raises(Refused):
            replace_device(*pair, retires=True, **BY)
    handed(phone, dana, office)
    handed(other, lobby, office)
    with pytest.raises(Refused, match="is with Lobby"):
        replace_device(phone, other, retires=True, **BY)


def test_a_retired_device_is_out_of_use_and_its_mac_is_free(
    northwind: Account, elsewhere: Account, phone: Device, dana: EndUser, office: Location
) -> None:
    """ORD-6: for good, and once."""
    handed(phone, dana, office)
    retire_device(phone, **BY)
    assert fresh(phone).holder is None
    for action in (
        lambda: retire_device(phone, **BY),
        lambda: unassign_device(phone, **BY),
        lambda: renew_secret(phone, **BY),
        lambda: handed(phone, dana, office),
    ):
        with pytest.raises(Refused, match="was retired"):
            action()
    assert a_phone(elsewhere, A).mac == A


def test_another_secret_takes_a_new_start(phone: Device, dana: EndUser, office: Location) -> None:
    """ORD-6: it is no longer connected with what it has."""
    handed(phone, dana, office)
    Device.objects.update(connected_at=LATER, rebooted_at=LATER)
    before = secret_of(fresh(phone))
    renew_secret(phone, **BY)
    assert secret_of(fresh(phone)) != before
    assert standing_of(fresh(phone)).missing == (Fact.CONNECTED, Fact.REBOOTED)


# --- emergency locations ---------------------------------------------------------------------------


def test_an_address_that_changed_is_acknowledged_again(
    phone: Device, dana: EndUser, office: Location
) -> None:
    """ORD-6: what was acknowledged is kept, until somebody acknowledges the new one."""
    handed(phone, dana, office)
    moved = edit_location(
        office, name="Head office", address=Address("2 Elm Street", "Boston", "MA", "02110"), **BY
    )
    assert fresh(phone).e911_address == "1 Main Street, Boston, MA 02110"
    acknowledge_location(phone, moved, is_acknowledged=True, **{**BY, "at": LATER})
    found = fresh(phone)
    assert (found.e911_address, found.e911_acknowledged_at) == ("2 Elm Street, Boston, MA 02110", LATER)
    assert found.assigned_at == AT
    assert trail(phone)[-1] == "acknowledge-location"
    with pytest.raises(Refused):
        acknowledge_location(phone, moved, is_acknowledged=False, **BY)


def test_who_has_no_holder_has_no_location(phone: Device, office: Location) -> None:
    """ORD-6."""
    with pytest.raises(Refused, match="with nobody"):
        acknowledge_location(phone, office, is_acknowledged=True, **BY)


def test_a_location_with_a_device_stays(phone: Device, dana: EndUser, office: Location) -> None:
    """ORD-6: it can go once nothing is there."""
    handed(phone, dana, office)
    with pytest.raises(Refused, match="1 device is at Head office"):
        remove_location(office, **BY)
    unassign_device(phone, **BY)
    remove_location(office, **BY)


# --- units that no shipment brought ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("product", "mac", "words"),
    [
        (DESK, A, "is a device already"),
        (DESK, "00-15-65-00-00-0a", "is a device already"),
        (DESK, "nonsense", "is not a MAC address"),
        ("headset", "00:15:65:00:00:0D", "Headset is no phone"),
    ],
)
def test_a_unit_that_cannot_be_taken_in(
    elsewhere: Account, phone: Device, everything: Snapshot, product: str, mac: str, words: str
) -> None:
    """ORD-6: a MAC is one device's, whatever the account, and what is no phone has none."""
    before = everything()
    with pytest.raises(Refused, match=words) as refusal:
        add_device(elsewhere, Product.objects.get(pk=product), mac, **BY)
    assert refusal.value.field == "mac"
    assert everything() == before


def test_a_unit_of_ones_own_costs_nothing(northwind: Account) -> None:
    added = a_phone(northwind, A, CONFERENCE, serial=" SN7 ")
    assert (added.serial, added.units) == ("SN7", None)
    assert not Charge.objects.exists()
    entry = AuditEntry.objects.get(action="add-device")
    assert entry.after == {"mac": A, "serial": "SN7", "model": "Conference phone"}

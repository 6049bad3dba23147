"""Actions on devices: assign, take back, swap, replace, retire, and where they are in an emergency (ORD-6)."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from accounts.addresses import faults_of
from accounts.end_users import when_retired
from accounts.models import Account, EndUser, Location
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.charges import Ledger, open_ledger
from billing.models import Product
from hardware.macs import check_is_phone, check_unknown, written_mac
from hardware.models import Device, new_salt
from telephony.models import Service, ServiceKind
from telephony.services import when_removed

Holder = EndUser | Service

MOST_DEVICES = 5
"""How many devices one end user has at most. Lines have no such bound."""
LINES = (ServiceKind.RESOURCE_LINE, ServiceKind.FAX_LINE)
"""The services that a device can be assigned to."""
NOBODY = "Nobody"


def add_device(
    account: Account, product: Product, mac: str, *, serial: str = "", actor: Actor, at: datetime
) -> Device:
    """Take in a unit that no shipment brought: one that the customer owns. Nothing is charged for it.

    Raises Refused where the MAC is none or a device's already, or the product is no phone.
    """
    written = written_mac(mac)
    with open_ledger(account, actor=actor, at=at) as ledger:
        check_is_phone(product)
        check_unknown([written])
        device = Device(
            account=account, product=product, mac=written, serial=serial.strip(), added_on=ledger.on
        )
        try:
            # The constraint decides between two accounts that ask at once.
            with transaction.atomic():
                device.save()
        except IntegrityError:
            check_unknown([written])
            raise
        after = {"mac": device.mac, "serial": device.serial, "model": product.name}
        ledger.record("add-device", device, f"{device} added", after=after)
    return device


def assign_device(
    device: Device,
    *,
    to: Holder,
    location: Location | None,
    is_acknowledged: bool,
    actor: Actor,
    at: datetime,
) -> Device:
    """Assign a device, whoever has it now, at an emergency location that is acknowledged with it.

    It is active once it has started again afterwards. Nothing if it is there already. Raises Refused where the
    device is retired, the holder is gone, of another account, no line or has 5 devices already, or the location
    is missing, incomplete or not acknowledged.
    """
    with open_ledger(device.account, actor=actor, at=at) as ledger:
        device = _locked(device)
        to = _checked_holder(device, to)
        place = _checked_location(device, location, is_acknowledged=is_acknowledged)
        before = device.holder
        if (before, device.location, device.e911_address) == (to, place, place.address.words):
            return device
        if before != to:
            _check_room(to)
            _hand_over(device, to, at)
        _acknowledge(device, place, ledger)
        device.save()
        ledger.record(
            "assign-device",
            device,
            f"{device} assigned to {to} at {place}",
            before={"holder": before or NOBODY},
            after={"holder": to, "emergency location": f"{place}, {device.e911_address}"},
        )
    return device


def acknowledge_location(
    device: Device, location: Location | None, *, is_acknowledged: bool, actor: Actor, at: datetime
) -> Device:
    """Set where an assigned device is in an emergency, or acknowledge an address that has changed.

    Raises Refused as `assign_device` does, and where nobody has the device.
    """
    with open_ledger(device.account, actor=actor, at=at) as ledger:
        device = _locked(device)
        if device.holder is None:
            raise Refused(
                f"{device} is with nobody. Assign it, and choose the location there. Nothing was changed.",
                rule="ORD-6",
            )
        place = _checked_location(device, location, is_acknowledged=is_acknowledged)
        before = _where(device)
        _acknowledge(device, place, ledger)
        device.save()
        ledger.record(
            "acknowledge-location",
            device,
            f"Emergency location of {device} acknowledged: {place}",
            before={"emergency location": before},
            after={"emergency location": _where(device)},
        )
    return device


def unassign_device(device: Device, *, actor: Actor, at: datetime) -> Device:
    """Take a device from its holder and keep it; nothing if nobody has it. Raises Refused where it is retired."""
    with open_ledger(device.account, actor=actor, at=at) as ledger:
        device = _locked(device)
        _take_back(ledger, device)
    return device


def swap_devices(first: Device, second: Device, *, actor: Actor, at: datetime) -> None:
    """Two devices of one account change holders; the emergency locations stay with the holders.

    Raises Refused where they are one and the same, of two accounts, with the same holder, both with nobody, or
    one is retired.
    """
    with open_ledger(first.account, actor=actor, at=at) as ledger:
        if first.pk == second.pk or first.account_id != second.account_id:
            raise Refused("Choose another device of this account to swap with.", rule="ORD-6", field="device")
        first, second = _locked(first), _locked(second)
        if first.holder == second.holder:
            raise Refused(
                f"{first} and {second} are with the same holder already. Nothing was changed.",
                rule="ORD-6",
                field="device",
            )
        places = {first.pk: _place(first), second.pk: _place(second)}
        for device, other in ((first, second), (second, first)):
            before = device.holder
            _put(device, places[other.pk], at)
            device.save()
            ledger.record(
                "swap-devices",
                device,
                f"{first} and {second} changed places",
                before={"holder": before or NOBODY},
                after={"holder": device.holder or NOBODY},
            )


def replace_device(broken: Device, by: Device, *, retires: bool, actor: Actor, at: datetime) -> Device:
    """A device takes the place of one that is broken, its emergency location included; returns the new one.

    The broken one is with nobody afterwards, and with `retires` it is retired. Raises Refused where nobody has
    the broken one, somebody has the other, they are of two accounts, or one is retired.
    """
    with open_ledger(broken.account, actor=actor, at=at) as ledger:
        if broken.pk == by.pk or broken.account_id != by.account_id:
            raise Refused("Choose another device of this account in its place.", rule="ORD-6", field="device")
        broken, by = _locked(broken), _locked(by)
        if broken.holder is None:
            raise Refused(
                f"{broken} is with nobody, so nothing can take its place. Nothing was changed.",
                rule="ORD-6",
                field="device",
            )
        if by.holder is not None:
            raise Refused(
                f"{by} is with {by.holder}. Choose one that is with nobody. Nothing was changed.",
                rule="ORD-6",
                field="device",
            )
        holder, place = broken.holder, _place(broken)
        _clear(broken)
        broken.save()
        _put(by, place, at)
        by.save()
        for device in (broken, by):
            ledger.record(
                "replace-device",
                device,
                f"{by} took the place of {broken} with {holder}",
                before={"holder": holder if device is broken else NOBODY},
                after={"holder": device.holder or NOBODY},
            )
        if retires:
            _retire(ledger, broken)
    return by


def retire_device(device: Device, *, actor: Actor, at: datetime) -> Device:
    """Take a device out of use for good: it is with nobody, checks in no more, and its MAC is free.

    Raises Refused where it was retired before.
    """
    with open_ledger(device.account, actor=actor, at=at) as ledger:
        device = _locked(device)
        _take_back(ledger, device)
        _retire(ledger, device)
    return device


def renew_secret(device: Device, *, actor: Actor, at: datetime) -> Device:
    """Give a device another secret; the one before opens nothing, so the device has to connect and start anew.

    Raises Refused where it is retired.
    """
    with open_ledger(device.account, actor=actor, at=at) as ledger:
        device = _locked(device)
        device.salt = new_salt()
        device.connected_at = device.rebooted_at = None
        device.save()
        ledger.record("renew-device-secret", device, f"{device} has a new provisioning address")
    return device


@when_retired
def _end_user_leaves(end_user: EndUser, actor: Actor, at: datetime) -> None:
    """An end user is removed: the devices are with nobody."""
    _take_all_back(end_user, actor=actor, at=at)


@when_removed
def _service_goes(service: Service, actor: Actor, at: datetime) -> None:
    """A service is removed: its devices are with nobody."""
    _take_all_back(service, actor=actor, at=at)


def _take_all_back(holder: Holder, *, actor: Actor, at: datetime) -> None:
    with open_ledger(holder.account, actor=actor, at=at) as ledger:
        for device in holder.devices.order_by("pk"):
            _take_back(ledger, _locked(device))


def _locked(device: Device) -> Device:
    """The device as it stands under the account's lock. Raises Refused where it was retired."""
    fresh = (
        Device.objects.select_related("account", "product", "end_user", "service", "location")
        .select_for_update(of=("self",))
        .get(pk=device.pk)
    )
    if fresh.retired_on is not None:
        raise Refused(f"{fresh} was retired. Nothing was changed.", rule="ORD-6")
    return fresh


def _checked_holder(device: Device, holder: Holder) -> Holder:
    """The holder as it stands now."""
    if holder.account_id != device.account_id:
        raise Refused("Choose somebody of this account.", rule="ACC-4", field="to")
    fresh: Holder | None = type(holder)._default_manager.filter(pk=holder.pk, removed_on=None).first()
    if fresh is None:
        raise Refused(f"{holder} was removed. Choose somebody else. Nothing was changed.", field="to")
    if isinstance(fresh, Service) and fresh.kind not in LINES:
        raise Refused(
            f"{fresh} is no line: devices go to end users, resource lines and fax lines. Nothing was changed.",
            rule="ORD-6",
            field="to",
        )
    return fresh


def _check_room(holder: Holder) -> None:
    if isinstance(holder, EndUser) and holder.devices.count() >= MOST_DEVICES:
        raise Refused(
            f"{holder} has {MOST_DEVICES} devices already, which is the most. Take one away first. "
            "Nothing was changed.",
            rule="ORD-6",
            field="to",
        )


def _checked_location(device: Device, location: Location | None, *, is_acknowledged: bool) -> Location:
    if location is None:
        raise Refused(
            "Choose where the device is in an emergency. Nothing was changed.", rule="ORD-6", field="location"
        )
    if location.account_id != device.account_id:
        raise Refused("Choose one of the account’s own locations.", rule="ACC-4", field="location")
    # Locked, so that it is not removed meanwhile.
    found = Location.objects.select_for_update().filter(pk=location.pk).first()
    if found is None:
        raise Refused(f"{location} was removed. Nothing was changed.", rule="ORD-6", field="location")
    for fault in faults_of(found.address):
        raise Refused(
            f"Help could not be sent to {found}: {fault.message} Nothing was changed.",
            rule="ORD-6",
            field="location",
        )
    if not is_acknowledged:
        raise Refused(
            f"Confirm that emergency services will be sent to {found}. Nothing was changed.",
            rule="ORD-6",
            field="is_acknowledged",
        )
    return found


def _acknowledge(device: Device, location: Location, ledger: Ledger) -> None:
    device.location = location
    device.e911_address = location.address.words
    device.e911_acknowledged_at = ledger.at
    device.e911_acknowledged_by = ledger.actor.label[:120]


def _hand_over(device: Device, to: Holder, at: datetime) -> None:
    device.end_user = to if isinstance(to, EndUser) else None
    device.service = to if isinstance(to, Service) else None
    device.assigned_at = at


def _clear(device: Device) -> None:
    device.end_user = device.service = device.assigned_at = None
    device.location = device.e911_acknowledged_at = None
    device.e911_address = device.e911_acknowledged_by = ""


# A device's place: who has it, and the location that was acknowledged there.
Place = tuple[Holder | None, Location | None, str, datetime | None, str]


def _place(device: Device) -> Place:
    return (
        device.holder,
        device.location,
        device.e911_address,
        device.e911_acknowledged_at,
        device.e911_acknowledged_by,
    )


def _put(device: Device, place: Place, at: datetime) -> None:
    holder, location, address, acknowledged_at, acknowledged_by = place
    if holder is None:
        _clear(device)
        return
    _hand_over(device, holder, at)
    device.location, device.e911_address = location, address
    device.e911_acknowledged_at, device.e911_acknowledged_by = acknowledged_at, acknowledged_by


def _take_back(ledger: Ledger, device: Device) -> None:
    before = device.holder
    if before is None:
        return
    where = _where(device)
    _clear(device)
    device.save()
    ledger.record(
        "unassign-device",
        device,
        f"{device} taken back from {before}",
        before={"holder": before, "emergency location": where},
        after={"holder": NOBODY},
    )


def _retire(ledger: Ledger, device: Device) -> None:
    device.retired_on = ledger.on
    device.save()
    ledger.record(
        "retire-device", device, f"{device} retired", before={"mac": device.mac, "serial": device.serial}
    )


def _where(device: Device) -> str:
    return f"{device.location}, {device.e911_address}" if device.location else ""

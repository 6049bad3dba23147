"""What pages read of devices, and who and where they can be assigned."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.db.models import CharField, Count, DateTimeField, Q, QuerySet, Value
from django.db.models.functions import Coalesce, Replace

from accounts.models import Account, AuditEntry, EndUser, Location
from hardware.devices import LINES, MOST_DEVICES, Holder
from hardware.facts import ACTIVE, HOLDS, Fact, Standing, State, standing_of
from hardware.models import Device
from telephony.models import Service
from telephony.queries import Choice, holder_by, token_of

CHOICES: Final = 20
"""How many holders or devices a page offers before it asks to narrow the search."""
HISTORY: Final = 50
INACTIVE: Final = "inactive"

_NEVER = Value(datetime(1970, 1, 1, tzinfo=UTC), output_field=DateTimeField())


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A device as a list shows it, with how it stands."""

    device: Device
    standing: Standing

    @property
    def pk(self) -> int:
        """The device's key."""
        return self.device.pk


def account_devices(
    account: Account,
    *,
    search: str = "",
    state: str = "",
    missing: str = "",
    product: str = "",
    location: int | None = None,
) -> QuerySet[Device]:
    """The account's devices with holders and locations; each carries `holder_name`, `place` and `seen`, never NULL.

    Retired ones only where `state` asks for them. `state`: active, inactive or retired; `missing`: a Fact.
    Each word of `search` is looked for in MAC (in any written form), serial, model and the holder's name.
    """
    devices: QuerySet[Device] = (
        Device.objects.filter(account=account)
        .select_related("product", "end_user", "service", "location")
        .annotate(
            holder_name=Coalesce("end_user__name", "service__name", Value("")),
            place=Coalesce("location__name", Value("")),
            seen=Coalesce("connected_at", _NEVER),
            digits=Replace("mac", Value(":"), Value(""), output_field=CharField()),
        )
    )
    devices = devices.filter(retired_on__isnull=state != State.RETIRED)
    if state == State.ACTIVE:
        devices = devices.filter(ACTIVE)
    elif state == INACTIVE:
        devices = devices.exclude(pk__in=Device.objects.filter(ACTIVE, account=account).values("pk"))
    if missing:
        holding = Device.objects.filter(HOLDS[Fact(missing)], account=account)
        devices = devices.exclude(pk__in=holding.values("pk"))
    if product:
        devices = devices.filter(product=product)
    if location is not None:
        devices = devices.filter(location=location)
    for word in search.split():
        devices = devices.filter(_named(word))
    return devices


def _named(word: str) -> Q:
    fits = (
        Q(serial__icontains=word)
        | Q(product__name__icontains=word)
        | Q(end_user__name__icontains=word)
        | Q(service__name__icontains=word)
    )
    digits = re.sub(r"[:.\-]", "", word).upper()
    return fits | Q(digits__contains=digits) if digits else fits


def rows_of(devices: Iterable[Device]) -> list[DeviceRow]:
    """The devices, each with how it stands. No query."""
    return [DeviceRow(device, standing_of(device)) for device in devices]


def holder_devices(holder: Holder) -> list[DeviceRow]:
    """The devices that an end user or a line has, the earliest assigned first. One query."""
    devices = holder.devices.select_related("product", "end_user", "service", "location")
    return rows_of(devices.order_by("assigned_at", "pk"))


def history_of(device: Device) -> list[AuditEntry]:
    """What was done with a device, the latest first (ACC-5). One query."""
    trail = AuditEntry.objects.filter(
        account=device.account_id, target_kind="device", target_id=str(device.pk)
    )
    return list(trail.select_related("user")[:HISTORY])


def models_of(account: Account) -> list[tuple[str, str]]:
    """The models that the account has devices of, by name: code and name."""
    found = Device.objects.filter(account=account).order_by("product__name")
    return list(found.values_list("product", "product__name").distinct())


def holders_to_choose(
    account: Account, search: str, *, but: Holder | None = None
) -> tuple[list[Choice], list[Choice], bool]:
    """End users and lines that a device can be assigned to, and whether there are more than fit (ORD-6).

    `but`: who has the device already.
    """
    people = EndUser.objects.filter(account=account, removed_on=None)
    lines = Service.objects.filter(account=account, removed_on=None, kind__in=LINES)
    for word in search.split():
        people = people.filter(
            Q(name__icontains=word) | Q(email__icontains=word) | Q(extension__startswith=word)
        )
        lines = lines.filter(Q(name__icontains=word) | Q(extension__startswith=word))
    if isinstance(but, EndUser):
        people = people.exclude(pk=but.pk)
    elif but is not None:
        lines = lines.exclude(pk=but.pk)
    found = [
        [
            holder_choice(holder, vars(holder)["held"])
            for holder in holders.annotate(held=Count("devices")).order_by("name", "pk")[: CHOICES + 1]
        ]
        for holders in (people, lines)
    ]
    return found[0][:CHOICES], found[1][:CHOICES], any(len(choices) > CHOICES for choices in found)


def holder_choice(holder: Holder, held: int | None = None) -> Choice:
    """A holder as something to choose. `held`: how many devices there are already, where it is known."""
    count = holder.devices.count() if held is None else held
    facts = [holder.get_kind_display()] if isinstance(holder, Service) else []
    if holder.extension:
        facts.append(f"extension {holder.extension}")
    if isinstance(holder, EndUser) and count >= MOST_DEVICES:
        facts.append(f"has {count} devices, which is the most")
    elif count:
        facts.append(f"has {count} device{'' if count == 1 else 's'}")
    else:
        facts.append("no device yet")
    detail = ", ".join(facts)
    return Choice(token_of(holder), holder.name, detail[0].upper() + detail[1:])


def holder_named(account: Account, token: str) -> Holder | None:
    """The account's own end user or line that a form names, or None (ACC-4)."""
    holder = holder_by(account, token)
    return None if isinstance(holder, Service) and holder.kind not in LINES else holder


def device_choices(devices: QuerySet[Device]) -> tuple[list[Choice], bool]:
    """The first of these devices as something to choose, and whether there are more. One query."""
    found = list(devices.order_by("product__name", "mac")[: CHOICES + 1])
    return [device_choice(device) for device in found[:CHOICES]], len(found) > CHOICES


def device_choice(device: Device) -> Choice:
    """A device as something to choose."""
    facts = [device.mac, f"serial {device.serial}" if device.serial else ""]
    facts.append(f"with {device.holder}" if device.holder else "with nobody")
    return Choice(str(device.pk), device.product.name, ", ".join(filter(None, facts)))


def usual_location(locations: Sequence[Location], holder: Holder | None) -> Location | None:
    """Where a holder's device most likely is: where the end user is, or at the only location that there is."""
    own = holder.location if isinstance(holder, EndUser) else None
    return own or (locations[0] if len(locations) == 1 else None)

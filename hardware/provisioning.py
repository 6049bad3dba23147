"""What a phone fetches: who it is for, in the words of its family, behind a secret of its own (ORD-6).

The secret is kept nowhere: it is made of the panel's key and the device's salt, so a copy of the database opens
no configuration, and whoever may see it can be shown it at any time. A device with another salt has another
secret. The keys of SECRET_KEY_FALLBACKS go on working for phones that were set up with them.
"""

from __future__ import annotations

import unicodedata
from base64 import b32encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.template.loader import render_to_string
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts.models import Brand, EndUser
from accounts.trail import Actor, record
from hardware.facts import standing_of
from hardware.models import Device, PhoneFamily, ProductFamily, RefusedCheckIns

PHONES = Actor.for_task("check-in of a phone")

SECRET_CHARACTERS: Final = 26
"""So many characters of base 32 are 130 bits."""
WRITTEN_AGAIN_AFTER: Final = timedelta(minutes=1)
"""A check-in within so long of the one that was recorded is not recorded: phones may ask as often as they like."""
MOST_REFUSED: Final = 100_000
"""So many refused check-ins of one kind are counted in a day, and no more."""
KEPT_DAYS: Final = 400
LONGEST_LABEL: Final = 60
DEFAULT_PORT: Final = 5061

YEALINK: Final = "hardware/provisioning/yealink.cfg"
POLY: Final = "hardware/provisioning/poly.xml"
POLY_LINE: Final = "hardware/provisioning/poly-line.xml"
FILES: Final[Mapping[tuple[str, bool], str]] = {
    (PhoneFamily.YEALINK, False): YEALINK,
    (PhoneFamily.POLY, False): POLY,
    (PhoneFamily.POLY, True): POLY_LINE,
}
CONTENT_TYPES: Final = {YEALINK: "text/plain", POLY: "text/xml", POLY_LINE: "text/xml"}


@dataclass(frozen=True, slots=True)
class File:
    """A configuration as it is handed out."""

    text: str
    content_type: str


def secret_of(device: Device, key: str | None = None) -> str:
    """The secret with which a device fetches its configuration, made with the panel's present key or `key`."""
    made = salted_hmac("hardware.provisioning", f"{device.mac} {device.salt}", key, algorithm="sha256")
    return b32encode(made.digest()).decode()[:SECRET_CHARACTERS].lower()


def file_name(device: Device) -> str:
    """What phones call a device's configuration: 001565a1b2c3.cfg."""
    return f"{_digits(device.mac)}.cfg"


def server_address(device: Device) -> str:
    """What is entered into a phone as its provisioning server; it adds the name of its file by itself."""
    return f"{settings.PANEL_URL.rstrip('/')}/provision/{secret_of(device)}/"


def find_device(mac: str, secret: str, at: datetime) -> Device | None:
    """The device in use with this MAC and secret, or None, which is counted for the day of `at`.

    `mac`: twelve hexadecimal digits, with or without marks between them. An unknown MAC costs the same
    comparisons as a wrong secret.
    """
    digits = mac.replace(":", "").replace("-", "").upper()
    written = ":".join(digits[place : place + 2] for place in range(0, 12, 2))
    device = (
        Device.objects.select_related("account__brand", "product", "end_user", "service", "location")
        .filter(mac=written, retired_on=None)
        .first()
    )
    asked = device or Device(mac=written, salt="")
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    fits = [constant_time_compare(secret_of(asked, key), secret.lower()) for key in keys]
    if device is not None and any(fits):
        return device
    _count_refused("unknown_mac" if device is None else "wrong_secret", at)
    return None


def check_in(device: Device, *, starts: bool, at: datetime) -> None:
    """Record that a device has asked for its configuration, and with `starts` that it has just started.

    Written at most once a minute, unless the device is assigned anew since. The one that makes it active is in
    the trail.
    """
    if not _is_due(device, starts=starts, at=at):
        return
    with transaction.atomic():
        device = Device.objects.select_for_update(of=("self",)).select_related("product").get(pk=device.pk)
        was_active = standing_of(device).is_active
        device.connected_at = at
        if starts:
            device.rebooted_at = at
        device.save(update_fields=["connected_at", "rebooted_at"])
        if standing_of(device).is_active and not was_active:
            record(
                device.account,
                "activate-device",
                device,
                f"{device} has started with {device.holder}: active",
                actor=PHONES,
                at=at,
            )


def configuration_of(device: Device, *, is_line: bool = False) -> File | None:
    """A device's configuration as its family reads it, None where its model has no family, or no such file.

    Poly's phones begin with a file that names others; `is_line` asks for the one that it names.
    """
    found = ProductFamily.objects.filter(product=device.product_id).first()
    template = FILES.get((found.family, is_line)) if found else None
    if template is None:
        return None
    return File(render_to_string(template, _words_for(device)), CONTENT_TYPES[template])


def _words_for(device: Device) -> dict[str, object]:
    holder = device.holder
    host, port = _sip_server(device.account.brand)
    address = server_address(device)
    return {
        "mac": _digits(device.mac),
        "is_assigned": holder is not None,
        "label": _one_line(holder.name if holder else ""),
        # Who has no extension is known to the server by the device.
        "user": (holder.extension if holder else "") or _digits(device.mac),
        "kind": "user" if isinstance(holder, EndUser) else "line",
        "emergency": _one_line(f"{device.location}, {device.e911_address}", 300) if device.location else "",
        "host": host,
        "port": port,
        "server": address,
        "started": f"{address}{file_name(device)}?boot=1",
    }


def _sip_server(brand: Brand) -> tuple[str, int]:
    """Where a brand's phones register: its own server, or the panel's."""
    own = getattr(brand, "sip_server", None)
    if own is not None:
        return own.host, own.port
    host, _, port = settings.SIP_SERVER.partition(":")
    return host, int(port) if port else DEFAULT_PORT


def _is_due(device: Device, *, starts: bool, at: datetime) -> bool:
    recorded = [device.connected_at, device.rebooted_at] if starts else [device.connected_at]
    newest = device.assigned_at
    return any(
        known is None or at - known >= WRITTEN_AGAIN_AFTER or (newest is not None and known <= newest < at)
        for known in recorded
    )


def _count_refused(reason: str, at: datetime) -> None:
    """One row a day, counted in the database, and left alone once it is full."""
    day = at.date()
    room = Q((f"{reason}__lt", MOST_REFUSED))
    if RefusedCheckIns.objects.filter(room, day=day).update(**{reason: F(reason) + 1}):
        return
    _, is_new = RefusedCheckIns.objects.get_or_create(day=day)
    if is_new:
        RefusedCheckIns.objects.filter(day__lt=day - timedelta(days=KEPT_DAYS)).delete()
        RefusedCheckIns.objects.filter(room, day=day).update(**{reason: F(reason) + 1})


def _digits(mac: str) -> str:
    return mac.replace(":", "").lower()


def _one_line(text: str, longest: int = LONGEST_LABEL) -> str:
    """A name as a configuration may hold it: no line breaks, nothing that is not printed, not too long."""
    printed = "".join(" " if unicodedata.category(character)[0] in "CZ" else character for character in text)
    return " ".join(printed.split())[:longest]

"""MAC addresses: how they are written, and which units have one (ORD-6)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from accounts.refusals import Refused
from billing.models import Product
from hardware.models import Device, ProductFamily


def written_mac(typed: str) -> str:
    """A MAC address as the panel writes it: 00:15:65:A1:B2:C3. Raises Refused where it is none."""
    digits = re.sub(r"[\s:.\-]", "", typed).upper()
    if not re.fullmatch(r"[0-9A-F]{12}", digits, re.ASCII) or digits in ("0" * 12, "F" * 12):
        raise Refused(
            f"“{typed}” is not a MAC address. Use a form like 00:15:65:A1:B2:C3.", rule="ORD-6", field="mac"
        )
    return ":".join(digits[place : place + 2] for place in range(0, 12, 2))


def check_is_phone(product: Product) -> None:
    """Raise Refused for a product whose units have no MAC: it is of no phone family."""
    if not ProductFamily.objects.filter(product=product).exists():
        raise Refused(
            f"{product.name} is no phone: its units have no MAC and become no devices. Nothing was changed.",
            rule="ORD-6",
            field="mac",
        )


def check_unknown(macs: Sequence[str]) -> None:
    """Raise Refused where one of these is given twice, or is that of a device in use, whatever the account."""
    twice = {mac for mac, times in Counter(macs).items() if times > 1}
    live = Device.objects.filter(mac__in=macs, retired_on=None)
    known = twice | set(live.values_list("mac", flat=True))
    if known:
        raise Refused(
            f"{', '.join(sorted(known))} {'is' if len(known) == 1 else 'are'} a device already, or given twice. "
            "Nothing was changed.",
            rule="ORD-6",
            field="mac",
        )

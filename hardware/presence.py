"""What other rooms show of devices: those at a location, those of a service."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from django.db.models import Count
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.locations import Present, Use, register_use
from accounts.models import Location
from accounts.permissions import AccountRequest
from hardware.devices import LINES
from hardware.models import Device
from hardware.queries import holder_devices
from telephony.models import Service
from telephony.queries import token_of
from telephony.views.services import register_section


def _devices_at(keys: Collection[int]) -> Mapping[int, int]:
    found = Device.objects.filter(location__in=keys).order_by()
    return dict(found.values_list("location").annotate(count=Count("pk")))


def _first_devices(location: Location, most: int) -> list[Present]:
    found = Device.objects.filter(location=location).select_related("product", "end_user", "service")
    slug = location.account.slug
    return [
        Present(
            f"{device.product} of {device.holder}",
            device.mac,
            reverse("hardware:device", kwargs={"account": slug, "pk": device.pk}),
        )
        for device in found.order_by("product__name", "mac")[:most]
    ]


@register_section
def devices_of_service(request: AccountRequest, service: Service) -> str:
    """The card of a line's devices; nothing for services that have none."""
    if service.kind not in LINES:
        return ""
    assign = reverse("hardware:device-assign-to", kwargs={"account": request.account.slug})
    context = {
        "rows": holder_devices(service),
        "assign_url": f"{assign}?to={token_of(service)}",
        "request": request,
    }
    return render_to_string("hardware/_devices_of.html", context)


DEVICES = register_use(Use("device", "devices", count=_devices_at, present=_first_devices))

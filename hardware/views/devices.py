"""The account's devices: the list, and the same as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.exporting import csv_response
from accounts.forms import filters_of
from accounts.paging import chosen_order, page_of
from accounts.permissions import AccountRequest, account_page
from hardware.facts import standing_of
from hardware.forms import DeviceFilter
from hardware.models import Device
from hardware.queries import account_devices, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet
    from django.http import HttpResponse, StreamingHttpResponse

    from accounts.exporting import Cell

ORDERS: Final = {
    "model": ("product__name", "mac", "pk"),
    "mac": ("mac", "pk"),
    "holder": ("holder_name", "pk"),
    "location": ("place", "holder_name", "pk"),
    "seen": ("seen", "pk"),
}
COLUMNS: Final = (
    "model",
    "MAC",
    "serial",
    "state",
    "missing",
    "holder",
    "emergency location",
    "assigned at",
    "last check-in",
    "last start",
    "added on",
    "retired on",
)
CHUNK: Final = 500


@require_safe
@account_page()
def devices(request: AccountRequest) -> HttpResponse:
    """The account's devices with who has them and what is missing, searched, filtered and sorted (ORD-6)."""
    form, found = _asked(request)
    page = page_of(found, order=chosen_order(request.GET, ORDERS, default="model"), query=request.GET)
    is_filtered = any(filters_of(form).values())
    own = Device.objects.filter(account=request.account)
    context = {
        "form": form,
        "page": page,
        "rows": rows_of(page.rows),
        "is_filtered": is_filtered,
        "has_retired": not page.rows and not is_filtered and own.exists(),
        "export_url": reverse("hardware:devices-csv", kwargs={"account": request.account.slug}),
    }
    return render(request, "hardware/devices.html", context)


@require_safe
@account_page()
def devices_csv(request: AccountRequest) -> StreamingHttpResponse:
    """The same devices as a file, all of them."""
    _, found = _asked(request)

    def rows() -> Iterator[list[Cell]]:
        for device in found.order_by("product__name", "mac", "pk").iterator(chunk_size=CHUNK):
            standing = standing_of(device)
            yield [
                device.product.name,
                device.mac,
                device.serial,
                standing.state.value,
                "" if standing.is_retired else "; ".join(standing.missing),
                device.holder.name if device.holder else "",
                device.location.name if device.location else "",
                device.assigned_at,
                device.connected_at,
                device.rebooted_at,
                device.added_on,
                device.retired_on,
            ]

    return csv_response(f"{request.account.slug}-devices", COLUMNS, rows())


def _asked(request: AccountRequest) -> tuple[DeviceFilter, QuerySet[Device]]:
    form = DeviceFilter(request.GET, account=request.account)
    asked = filters_of(form)
    location = asked["location"]
    return form, account_devices(
        request.account,
        search=asked["q"] or "",
        state=asked["state"] or "",
        missing=asked["missing"] or "",
        product=asked["model"] or "",
        location=location.pk if location else None,
    )

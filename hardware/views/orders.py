"""The account's orders: the list, the same as a file, one order, and cancelling what has not shipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from accounts.exporting import csv_response
from accounts.forms import filters_of, show_refusal
from accounts.paging import chosen_order, page_of
from accounts.permissions import EVERY_ROLE, AccountRequest, account_page
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.models import BillingSchedule, Order
from hardware.order_forms import CancelForm, OrderFilter
from hardware.order_queries import (
    account_orders,
    line_rows,
    line_standing,
    order_standing,
    rows_of,
    shipments_of,
)
from hardware.orders import cancel_unshipped, ship_to_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet
    from django.http import HttpResponse, StreamingHttpResponse

    from accounts.exporting import Cell

ORDERS: Final = {"order": ("pk",)}
COLUMNS: Final = (
    "order",
    "placed on",
    "placed by",
    "reference",
    "state",
    "product",
    "quantity",
    "unit price",
    "currency",
    "line state",
    "shipped",
    "cancelled",
    "left",
)
CHUNK: Final = 500


@require_safe
@account_page(read=EVERY_ROLE)
def orders(request: AccountRequest) -> HttpResponse:
    """The account's orders, the latest first, searched and filtered (ORD-3)."""
    form, found = _asked(request)
    page = page_of(found, order=chosen_order(request.GET, ORDERS, default="-order"), query=request.GET)
    context = {
        "form": form,
        "page": page,
        "rows": rows_of(page.rows, request.account.currency),
        "is_filtered": any(filters_of(form).values()),
        "export_url": reverse("hardware:orders-csv", kwargs={"account": request.account.slug}),
    }
    return render(request, "hardware/orders.html", context)


@require_safe
@account_page(read=EVERY_ROLE)
def orders_csv(request: AccountRequest) -> StreamingHttpResponse:
    """The same orders as a file, a row for each line."""
    _, found = _asked(request)

    def rows() -> Iterator[list[Cell]]:
        for order in found.order_by("-pk").iterator(chunk_size=CHUNK):
            for line in order.lines.all():
                yield [
                    order.pk,
                    order.placed_on,
                    order.placed_by,
                    order.reference,
                    order_standing(order).label,
                    line.product.name,
                    line.quantity,
                    line.unit_price.normalize(),
                    request.account.currency,
                    line_standing(line).label,
                    line.shipped,
                    line.cancelled,
                    line.left,
                ]

    return csv_response(f"{request.account.slug}-orders", COLUMNS, rows())


def _asked(request: AccountRequest) -> tuple[OrderFilter, QuerySet[Order]]:
    form = OrderFilter(request.GET)
    asked = filters_of(form)
    return form, account_orders(request.account, search=asked["q"] or "", state=asked["state"] or "")


@require_safe
@account_page(read=EVERY_ROLE)
def order(request: AccountRequest, pk: int) -> HttpResponse:
    """One order: what has become of each line, the parcels, and the invoices that its charges are on (ORD-5)."""
    found = order_of(request, pk)
    lines = line_rows(found, request.account.currency)
    context = {
        "order": found,
        "standing": order_standing(found),
        "lines": lines,
        "shipments": shipments_of(found),
        "ship_to": ship_to_of(found),
        "can_cancel": request.can_write and any(row.line.left for row in lines if row.is_hardware),
        "next_on": BillingSchedule.objects.get(account=request.account).next_bdom_on,
    }
    return render(request, "hardware/order.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def order_cancel(request: AccountRequest, pk: int) -> HttpResponse:
    """Cancel what has not shipped, free of charge (ORD-5)."""
    found = order_of(request, pk)
    up = redirect("hardware:order", account=request.account.slug, pk=pk)
    form = CancelForm(request.POST if request.method == "POST" else None, order=found)
    if not form.lines:
        messages.info(request, "Nothing of this order waits for its shipment, so nothing can be cancelled.")
        return up
    status = 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            try:
                count = cancel_unshipped(found, form.asked(), actor=Actor.of(request), at=request.at)
            except Refused as refusal:
                show_refusal(form, refusal)
                form.look_again()
            else:
                units = "1 unit" if count == 1 else f"{count:,} units"
                messages.success(
                    request, f"Cancelled {units}. Nothing is charged for {'it' if count == 1 else 'them'}."
                )
                return up
    return render(request, "hardware/order_cancel.html", {"order": found, "form": form}, status=status)


def order_of(request: AccountRequest, pk: int) -> Order:
    """The account's own order; 404 for another's (ACC-4)."""
    return get_object_or_404(
        Order.objects.select_related("account", "confirmation", "quote"), account=request.account, pk=pk
    )

"""Fulfilment in the administration: the queue of what waits, shipping by hand, and the warehouse's file (ORD-5).

All staff look (ACC-3); support ships, and superusers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.datastructures import MultiValueDict

from accounts.exporting import csv_response
from accounts.forms import show_refusal
from accounts.permissions import SUPPORT
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.engine import BillingFault
from billing.explain import day_words, money_words, unit_price_words
from billing.gather import decimals_of
from billing.look_only import LookOnlyAdmin
from billing.models import Family, Order, OrderLine, OrderState
from billing.preview import cost_of
from hardware.macs import written_mac
from hardware.models import ProductFamily
from hardware.order_forms import quantity_field
from hardware.order_queries import line_standing, order_standing, shipments_of, waiting_orders
from hardware.orders import ship_to_of
from hardware.shipments import Parcel, ship
from hardware.warehouse import (
    COLUMNS,
    OWN_COLUMNS,
    Changed,
    Plan,
    Verdict,
    judge,
    read_rows,
    read_units,
    record_file,
    ship_by_hand,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.contrib.admin.views.main import ChangeList
    from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
    from django.urls import URLPattern

    from accounts.exporting import Cell

NAME: Final = "billing_order"
MOST_SHOWN: Final = 200


class QueueFilter(admin.SimpleListFilter):
    """Orders with hardware that waits, unless something else is asked for."""

    title = "fulfilment"
    parameter_name = "show"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """What there is beside the queue."""
        return [("completed", "Completed"), ("cancelled", "Cancelled"), ("all", "All orders")]

    def choices(self, changelist: ChangeList) -> Any:
        """With the queue first, which is what an address without the filter shows."""
        yield {
            "selected": self.value() is None,
            "query_string": changelist.get_query_string(remove=[self.parameter_name]),
            "display": "Waiting for shipment",
        }
        for value, label in self.lookup_choices:
            yield {
                "selected": self.value() == value,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": label,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        """The orders of that state."""
        asked = self.value()
        if asked == "all":
            return queryset
        if asked in (OrderState.COMPLETED, OrderState.CANCELLED):
            return queryset.filter(state=asked)
        return queryset.filter(Q(("units_left__gt", 0)), state=OrderState.PROCESSING)


class ShipForm(forms.Form):
    """How many of each line leave, the units of phones by MAC, and with whom."""

    carrier = forms.CharField(required=False, max_length=60)
    tracking = forms.CharField(label="Tracking number", required=False, max_length=80)

    def __init__(self, *args: Any, order: Order, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        phones = set(ProductFamily.objects.values_list("product", flat=True))
        self.lines = [
            line
            for line in order.lines.select_related("order__account", "product")
            if line.left and line.product.family == Family.HARDWARE
        ]
        for line in self.lines:
            self.fields[f"line-{line.pk}"] = quantity_field(line.product.name, line.left, initial=line.left)
            self.fields[f"left-{line.pk}"] = forms.IntegerField(
                initial=line.left, widget=forms.HiddenInput, min_value=0, max_value=2**31 - 1
            )
            if line.product_id in phones:
                self.fields[f"units-{line.pk}"] = forms.CharField(
                    label="MAC and serial of each",
                    required=False,
                    help_text="One unit a line: the MAC, then the serial, like 00:15:65:A1:B2:C3 SN1234.",
                    widget=forms.Textarea(attrs={"rows": min(line.left, 12) + 1, "cols": 44}),
                )

    def rows(self) -> list[dict[str, Any]]:
        """The lines with their fields."""
        return [
            {
                "line": line,
                "quantity": self[f"line-{line.pk}"],
                "left": self[f"left-{line.pk}"],
                "units": self[f"units-{line.pk}"] if f"units-{line.pk}" in self.fields else None,
            }
            for line in self.lines
        ]

    def quantities(self) -> list[tuple[OrderLine, int]]:
        """How many of each line leave, those of which none does left out."""
        data = self.cleaned_data if self.is_bound else {f"line-{line.pk}": line.left for line in self.lines}
        found = [(line, data.get(f"line-{line.pk}") or 0) for line in self.lines]
        return [(line, units) for line, units in found if units]

    def parcels(self) -> list[Parcel]:
        """What leaves, with its units."""
        return [
            Parcel(line, units, read_units(self.cleaned_data.get(f"units-{line.pk}") or ""))
            for line, units in self.quantities()
        ]

    def left(self) -> dict[int, int]:
        """How many of each line waited when somebody looked."""
        return {line.pk: self.cleaned_data[f"left-{line.pk}"] for line in self.lines}

    def look_again(self) -> None:
        """What was typed stays; how many wait is as it is now."""
        data = dict(self.data.items())
        for line in self.lines:
            data[f"left-{line.pk}"] = str(line.left)
        self.data = data


class FileForm(forms.Form):
    """The warehouse's file."""

    file = forms.FileField(
        label="CSV file", error_messages={"required": "Choose a file.", "empty": "The file is empty."}
    )


@admin.register(Order)
class OrderAdmin(LookOnlyAdmin):
    """Orders of all accounts; the queue is those with hardware that waits, the oldest first."""

    list_display = ("number", "account", "brand", "kind", "state_words", "age", "left", "reference")
    list_filter = (QueueFilter, "kind", "account__brand")
    list_select_related = ("account__brand",)
    search_fields = ("=id", "account__name", "account__slug", "reference", "shipments__tracking")
    ordering = ("pk",)
    sortable_by = ()
    list_per_page = 50
    actions = None
    fields = (
        "account",
        "kind",
        "state_words",
        "reference",
        "ship_to",
        "placed_on",
        "placed_by",
        "completed_on",
    )
    readonly_fields = ("state_words", "ship_to")
    change_list_template = "hardware/admin/orders.html"
    change_form_template = "hardware/admin/order.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        """With how many units wait, and without the simulator's scratch accounts."""
        rows: QuerySet[Order] = super().get_queryset(request)
        return waiting_orders(rows.filter(account__is_simulation=False).select_related("account__brand"))

    def has_ship_permission(self, request: HttpRequest) -> bool:
        """Who ships: support, and superusers."""
        return self._is_in(request, (SUPPORT,))

    @admin.display(description="Order")
    def number(self, order: Order) -> str:
        """What it is called."""
        return str(order)

    @admin.display(description="Brand")
    def brand(self, order: Order) -> str:
        """The account's brand."""
        return order.account.brand.name

    @admin.display(description="State")
    def state_words(self, order: Order) -> str:
        """How it stands."""
        return order_standing(order).label

    @admin.display(description="Age")
    def age(self, order: Order) -> str:
        """For how many days of the account's own it has been there."""
        days = (order.account.local_date(timezone.now()) - order.placed_on).days
        return "today" if days < 1 else f"{days} day{'' if days == 1 else 's'}"

    @admin.display(description="Units left")
    def left(self, order: Order) -> int:
        """How many units wait for their shipment."""
        return int(vars(order).get("units_left", 0))

    @admin.display(description="Ship to")
    def ship_to(self, order: Order) -> str:
        """Where the customer wants it, or where the account is billed."""
        return ship_to_of(order) or order.account.billing_address or "–"

    def get_urls(self) -> list[URLPattern]:
        """The admin's own, with shipping."""
        site = self.admin_site.admin_view
        return [
            path("warehouse/", site(self.warehouse), name=f"{NAME}_warehouse"),
            path("warehouse/sample.csv", site(self.sample), name=f"{NAME}_warehouse_sample"),
            path("<int:pk>/ship/", site(self.ship), name=f"{NAME}_ship"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The queue."""
        context = {"title": "Orders", "may_ship": self.has_ship_permission(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One order with its lines and parcels; 404 for one that there is not."""
        order = self.get_object(request, object_id)
        if order is None:
            raise Http404
        lines = list(order.lines.select_related("product"))
        decimals = decimals_of(order.account.currency)
        waits = any(line.left and line.product.family == Family.HARDWARE for line in lines)
        context = {
            "title": f"{order} of {order.account}",
            "subtitle": None,
            "order": order,
            "lines": [
                (line, line_standing(line).label, unit_price_words(line.unit_price, decimals))
                for line in lines
            ],
            "shipments": shipments_of(order),
            "may_ship": waits and self.has_ship_permission(request),
        }
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    # Shipping by hand

    def ship(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What leaves, what is charged for it and on which invoice; shipped once that has been seen."""
        self._check(request)
        order = self.get_queryset(request).filter(pk=pk).first()
        if order is None:
            raise Http404
        form = ShipForm(request.POST if request.method == "POST" else None, order=order)
        if not form.lines:
            messages.info(request, f"Nothing of {order} waits for its shipment.")
            return redirect(f"admin:{NAME}_change", pk)
        by: dict[str, Any] = {"actor": Actor.of(request), "at": timezone.now()}
        charged: Mapping[str, Any] = {}
        if not form.is_bound or form.is_valid():
            try:
                charged = self._charged(order, form, by)
                if form.is_bound and request.POST.get("seen") == charged["seen"]:
                    cleaned = form.cleaned_data
                    shipment = ship_by_hand(
                        order,
                        form.parcels(),
                        left=form.left(),
                        carrier=cleaned["carrier"],
                        tracking=cleaned["tracking"],
                        **by,
                    )
                    messages.success(request, f"{shipment} is recorded. {charged['words']}")
                    return redirect(f"admin:{NAME}_change", pk)
            except Refused as refusal:
                show_refusal(form, self._placed(form, refusal))
                form.look_again()
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Ship {order} of {order.account}",
            "order": order,
            "ship_to": self.ship_to(order),
            "form": form,
            "rows": form.rows(),
            "charged": charged,
            "has_changed": form.is_bound and not form.errors,
        }
        return TemplateResponse(request, "hardware/admin/ship.html", context)

    @staticmethod
    def _placed(form: ShipForm, refusal: Refused) -> Refused:
        """A refusal of a MAC, by the line whose units hold it."""
        if refusal.field != "mac":
            return refusal
        names = [name for name in form.fields if name.startswith("units-")]
        for name in names:
            typed = [unit.mac for unit in read_units(form.cleaned_data.get(name) or "")]
            if any(mac in refusal.message or _written(mac) in refusal.message for mac in typed):
                return Refused(refusal.message, rule=refusal.rule, field=name)
        return refusal

    def _charged(self, order: Order, form: ShipForm, by: dict[str, Any]) -> dict[str, Any]:
        """What the shipment is charged, found by recording it and taking it back."""
        account = order.account
        quantities = form.quantities()
        parcels = [Parcel(line, units) for line, units in quantities]
        try:
            cost = cost_of(account, lambda: ship(order, parcels, **by))
        except BillingFault:
            return {
                "words": "The next invoice of the account cannot be drawn at the moment.",
                "seen": "fault",
            }
        amount = sum(line.unit_price * units for line, units in quantities)
        words = (
            f"{money_words(cost.after.total - cost.before.total, account.currency)} more, taxes included, on the "
            f"invoice of {day_words(cost.after.on)}, which is {money_words(cost.after.total, account.currency)} then."
        )
        told = [(line.pk, units) for line, units in quantities]
        return {"words": words, "seen": f"{told}:{amount}:{cost.after.on}"}

    # The warehouse's file

    def warehouse(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        """Take a file, show what becomes of each row, and record all of them, or none."""
        self._check(request)
        form = FileForm(*((request.POST, request.FILES) if request.method == "POST" else ()))
        content, plan, has_changed = b"", None, False
        try:
            if "content" in request.POST:
                content = request.POST["content"].encode()
                rows = read_rows(content)
                if request.POST.get("do") == "reasons":
                    return _reasons(judge(rows))
                shipments = record_file(
                    rows, seen=request.POST.get("seen", ""), actor=Actor.of(request), at=timezone.now()
                )
                count = len(shipments)
                messages.success(request, f"{count} shipment{' is' if count == 1 else 's are'} recorded.")
                return redirect(f"admin:{NAME}_changelist")
            if request.method == "POST" and form.is_valid():
                content = form.cleaned_data["file"].read()
                plan = judge(read_rows(content))
        except Changed as changed:
            plan, has_changed = changed.plan, True
        except Refused as refusal:
            form = FileForm({}, MultiValueDict())
            form.is_valid()
            form.errors.clear()
            show_refusal(form, refusal)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "File of the warehouse",
            "form": form,
            "plan": plan,
            "shown": _shown(plan),
            "more": max(0, len(plan.verdicts) - MOST_SHOWN) if plan else 0,
            "has_changed": has_changed,
            "content": content.decode("utf-8-sig") if plan else "",
            "columns": ", ".join(COLUMNS),
        }
        return TemplateResponse(request, "hardware/admin/warehouse.html", context)

    def sample(self, request: HttpRequest) -> StreamingHttpResponse:
        """A file to begin with."""
        self._check(request)
        rows = [
            ["1001", "phone-desk-basic", "1", "00:15:65:A1:B2:C3", "SN1234", "UPS", "1Z999AA10123456784"],
            ["1001", "headset", "4", "", "", "UPS", "1Z999AA10123456784"],
        ]
        return csv_response("warehouse", COLUMNS, rows)

    def _check(self, request: HttpRequest) -> None:
        if not self.has_ship_permission(request):
            raise PermissionDenied


def _shown(plan: Plan | None) -> list[Verdict]:
    """The rows of a plan, what is refused first."""
    return sorted(plan.verdicts, key=lambda verdict: not verdict.is_refused)[:MOST_SHOWN] if plan else []


def _written(typed: str) -> str:
    """A MAC as the panel writes it; what is none as it was typed."""
    try:
        return written_mac(typed)
    except Refused:
        return typed


def _reasons(plan: Plan) -> StreamingHttpResponse:
    """The file once more, each row with why it is refused."""

    def rows() -> Iterator[list[Cell]]:
        for verdict in plan.verdicts:
            cells = verdict.row.cells
            yield [*(cells[column] for column in COLUMNS), verdict.row.line, verdict.reason]

    return csv_response("warehouse-reasons", (*COLUMNS, *OWN_COLUMNS), rows())

"""Devices, phone families, SIP servers and refused check-ins in the administration (ACC-3).

Devices are looked at; what staff do to them are the panel's own actions: take in a unit that the customer owns,
take one back from its holder, make a new provisioning address, retire.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone

from accounts.admin import TrailedAdmin
from accounts.forms import show_refusal
from accounts.models import Account
from accounts.permissions import ONBOARDING, STAFF_GROUPS, SUPPORT
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.look_only import LookOnlyAdmin
from billing.models import Family, Product
from hardware.devices import add_device, renew_secret, retire_device, unassign_device
from hardware.facts import ACTIVE, HOLDS, LABELS, Fact, State, standing_of
from hardware.models import Device, ProductFamily, RefusedCheckIns, SipServer
from hardware.orders_admin import OrderAdmin
from hardware.provisioning import file_name, server_address

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern


# Imported for its registration, which stands beside it.
__all__ = ["OrderAdmin"]


class StateFilter(admin.SimpleListFilter):
    """Devices by how they stand (ORD-6)."""

    title = "state"
    parameter_name = "state"
    conditions: ClassVar[dict[str, Q]] = {
        State.ACTIVE: ACTIVE,
        State.UNASSIGNED: ~HOLDS[Fact.ASSIGNED],
        State.NOT_CONNECTED: HOLDS[Fact.ASSIGNED] & ~HOLDS[Fact.CONNECTED],
        State.NOT_REBOOTED: HOLDS[Fact.ASSIGNED] & HOLDS[Fact.CONNECTED],
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The states in words."""
        return [(state.value, label) for state, label in LABELS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Device]) -> QuerySet[Device]:
        """Those in the state that was chosen."""
        asked = self.value()
        if asked == State.RETIRED:
            return queryset.filter(retired_on__isnull=False)
        if asked not in self.conditions:
            return queryset
        found = queryset.filter(self.conditions[asked], retired_on=None)
        if asked == State.NOT_REBOOTED:
            found = found.exclude(pk__in=Device.objects.filter(HOLDS[Fact.REBOOTED]).values("pk"))
        return found


class DeviceForm(forms.Form):
    """A unit that no shipment brought: the customer's own."""

    account = forms.ModelChoiceField(Account.objects.filter(is_simulation=False))
    product = forms.ModelChoiceField(
        Product.objects.filter(family=Family.HARDWARE, phone_family__isnull=False), label="Model"
    )
    mac = forms.CharField(label="MAC", max_length=40, help_text="Like 00:15:65:A1:B2:C3.")
    serial = forms.CharField(max_length=40, required=False)


@admin.register(Device)
class DeviceAdmin(LookOnlyAdmin):
    """Devices of all accounts."""

    list_display = ("mac", "product", "account", "state", "end_user", "service", "location", "connected_at")
    list_filter = (StateFilter, ("product", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("account", "product", "end_user", "service", "location")
    search_fields = ("mac", "serial", "account__name", "account__slug", "end_user__name", "service__name")
    fields = (
        "mac",
        "serial",
        "product",
        "account",
        "state",
        "end_user",
        "service",
        "assigned_at",
        "connected_at",
        "rebooted_at",
        "location",
        "e911_address",
        "e911_acknowledged_at",
        "e911_acknowledged_by",
        "provisioning_address",
        "added_on",
        "retired_on",
    )
    readonly_fields = ("state", "provisioning_address")
    actions = ("take_back", "make_new_addresses", "retire")
    change_list_template = "hardware/admin/devices.html"

    @admin.display(description="State")
    def state(self, device: Device) -> str:
        """How it stands, in words."""
        return standing_of(device).label

    @admin.display(description="Provisioning address")
    def provisioning_address(self, device: Device) -> str:
        """What is entered into the phone."""
        return f"{server_address(device)}{file_name(device)}" if device.retired_on is None else ""

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The provisioning address opens the phone's settings, so only those who set phones up see it."""
        hidden = set() if self.has_act_permission(request) else {"provisioning_address"}
        return [name for name in self.fields if name not in hidden]

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Who does something with devices: the onboarding team and support."""
        return self._is_in(request, (ONBOARDING, SUPPORT))

    @admin.action(description="Take back from the holder", permissions=["act"])
    def take_back(self, request: HttpRequest, devices: QuerySet[Device]) -> None:
        """Nobody has the chosen devices any more."""
        self._do(request, devices, unassign_device, "with nobody")

    @admin.action(description="Make new provisioning addresses", permissions=["act"])
    def make_new_addresses(self, request: HttpRequest, devices: QuerySet[Device]) -> None:
        """The chosen devices have other secrets."""
        self._do(request, devices, renew_secret, "to be set up with new addresses")

    @admin.action(description="Retire for good", permissions=["act"])
    def retire(self, request: HttpRequest, devices: QuerySet[Device]) -> None:
        """The chosen devices are out of use."""
        self._do(request, devices, retire_device, "retired")

    def _do(
        self, request: HttpRequest, devices: QuerySet[Device], action: Callable[..., Device], done: str
    ) -> None:
        count = 0
        for device in devices.select_related("account", "product"):
            try:
                action(device, actor=Actor.of(request), at=timezone.now())
            except Refused as refusal:
                messages.error(request, str(refusal))
            else:
                count += 1
        if count:
            messages.success(request, f"{count} {'device is' if count == 1 else 'devices are'} {done}.")

    def get_urls(self) -> list[URLPattern]:
        """The admin's own, with a form for the customer's own units."""
        add = path("add/", self.admin_site.admin_view(self.add_own), name="hardware_device_add")
        return [add, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The list, with the check-ins that were refused lately above it."""
        context = {
            "refused": RefusedCheckIns.objects.all()[:7],
            "may_add": self.has_act_permission(request),
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    def add_own(self, request: HttpRequest) -> HttpResponse:
        """Take in a unit that the customer owns."""
        if not self.has_act_permission(request):
            raise PermissionDenied
        form = DeviceForm(request.POST or None)
        if form.is_valid():
            cleaned: dict[str, Any] = form.cleaned_data
            try:
                added = add_device(
                    cleaned["account"],
                    cleaned["product"],
                    cleaned["mac"],
                    serial=cleaned["serial"],
                    actor=Actor.of(request),
                    at=timezone.now(),
                )
            except Refused as refusal:
                show_refusal(form, refusal)
            else:
                messages.success(request, f"{added} is a device of {added.account}.")
                return redirect("admin:hardware_device_change", added.pk)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Add a device of the customer's own",
            "form": form,
        }
        return TemplateResponse(request, "hardware/admin/add_device.html", context)


@admin.register(ProductFamily)
class ProductFamilyAdmin(TrailedAdmin):
    """Which family a model's phones are of; a product without one becomes no device."""

    editors = (ONBOARDING,)
    readers = tuple(STAFF_GROUPS)
    list_display = ("product", "family")
    list_select_related = ("product",)


@admin.register(SipServer)
class SipServerAdmin(TrailedAdmin):
    """Where each brand's phones register."""

    editors = (ONBOARDING,)
    readers = tuple(STAFF_GROUPS)
    list_display = ("brand", "host", "port")
    list_select_related = ("brand",)


@admin.register(RefusedCheckIns)
class RefusedCheckInsAdmin(LookOnlyAdmin):
    """How many requests for configurations were turned away, by day."""

    list_display = ("day", "unknown_mac", "wrong_secret")

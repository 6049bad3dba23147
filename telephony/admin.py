"""Numbers, services and the inventory in the administration.

Numbers and services are looked at: what is done to them is done by the panel's actions. The inventory is filled
here, by blocks of numbers in a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone

from accounts.admin import TrailedAdmin
from accounts.forms import show_refusal
from accounts.models import Brand
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.look_only import LookOnlyAdmin
from telephony.contact_center_admin import ContactCenterAdmin
from telephony.inventory import MOST_IN_A_BLOCK, add_block
from telephony.models import InventoryNumber, Number, NumberHolding, Service
from telephony.porting_admin import PortRequestAdmin

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    Inline = admin.TabularInline[NumberHolding, Number]
else:
    Inline = admin.TabularInline


# Imported for its registration, which stands beside it.
__all__ = ["ContactCenterAdmin", "PortRequestAdmin"]


class HoldingInline(Inline):
    """Who held a number from when to when, to look at."""

    model = NumberHolding
    fields = ("holder", "from_at", "to_at")
    readonly_fields = fields
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """History is written by actions."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """For all who see the number."""
        return True


@admin.register(Number)
class NumberAdmin(LookOnlyAdmin):
    """Numbers of all accounts."""

    list_display = ("e164", "account", "state", "kind", "region", "end_user", "service", "added_on")
    list_filter = ("state", "kind")
    list_select_related = ("account", "end_user", "service")
    search_fields = ("e164", "account__name", "account__slug")
    fields = (
        "e164",
        "account",
        "state",
        "kind",
        "country",
        "region",
        "end_user",
        "service",
        "added_on",
        "parked_on",
        "assigned_on",
        "released_on",
    )
    inlines = (HoldingInline,)


@admin.register(Service)
class ServiceAdmin(LookOnlyAdmin):
    """Services of all accounts."""

    list_display = ("name", "account", "kind", "extension", "added_on", "removed_on")
    list_filter = ("kind",)
    list_select_related = ("account",)
    search_fields = ("name", "account__name", "account__slug")
    fields = ("name", "account", "kind", "extension", "added_on", "removed_on")


class BlockForm(forms.Form):
    """Numbers in a row for a brand's inventory."""

    brand = forms.ModelChoiceField(Brand.objects.all(), empty_label=None)
    number = forms.CharField(
        label="First number", max_length=40, help_text="In any usual form, like (212) 555-0100."
    )
    count = forms.IntegerField(
        label="How many", min_value=1, max_value=MOST_IN_A_BLOCK, help_text="In a row, within one area code."
    )


@admin.register(InventoryNumber)
class InventoryNumberAdmin(TrailedAdmin):
    """The stock of each brand. A number is put in by its block, and kind and region come from itself (NUM-1)."""

    list_display = ("e164", "brand", "area_code", "kind", "region", "taken_by")
    list_filter = ("brand", "kind", ("taken_by", admin.EmptyFieldListFilter))
    list_select_related = ("brand", "taken_by")
    search_fields = ("e164", "area_code")
    fields = ("e164", "brand", "area_code", "kind", "region", "taken_by")
    show_full_result_count = False
    change_list_template = "telephony/admin/inventory.html"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A number says everything of itself; who has it is the accounts' doing."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What an account has taken stays listed."""
        is_free = obj is None or obj.taken_by_id is None
        return is_free and super().has_delete_permission(request, obj)

    def get_urls(self) -> list[URLPattern]:
        """The admin's own, with the form for a block in the place of the one for a single number."""
        add = path("add/", self.admin_site.admin_view(self.add_block), name="telephony_inventorynumber_add")
        return [add, *super().get_urls()]

    def add_block(self, request: HttpRequest) -> HttpResponse:
        """Add a block: the first number and how many."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = BlockForm(request.POST or None)
        if form.is_valid():
            cleaned: dict[str, Any] = form.cleaned_data
            try:
                block = add_block(
                    cleaned["brand"],
                    cleaned["number"],
                    cleaned["count"],
                    actor=Actor.of(request),
                    at=timezone.now(),
                )
            except Refused as refusal:
                show_refusal(form, refusal)
            else:
                skipped = (
                    f" {block.skipped:,} are somewhere already and were left out." if block.skipped else ""
                )
                messages.success(request, f"{block.added:,} numbers added.{skipped}")
                return redirect("admin:telephony_inventorynumber_changelist")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Add a block of numbers",
            "form": form,
        }
        return TemplateResponse(request, "telephony/admin/add_block.html", context)

"""The administration of money: what actions write, to look at, and the discounts of plans by date."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.admin import TrailedAdmin
from accounts.permissions import FINANCE, STAFF_GROUPS
from billing.look_only import LookOnlyAdmin
from billing.models import BankLine, Collection, GatewayEvent, Payment, PlanDiscount, Refund, Settlement

if TYPE_CHECKING:
    from django.http import HttpRequest

    DiscountModelForm = forms.ModelForm[PlanDiscount]
else:
    DiscountModelForm = forms.ModelForm


@admin.register(Payment)
class PaymentAdmin(LookOnlyAdmin):
    """Payments. They are recorded and refunded on finance's pages."""

    list_display = ("id", "account", "kind", "on", "amount", "left", "currency", "reference")
    list_filter = ("kind", "currency", "account__brand")
    list_select_related = ("account",)
    search_fields = ("reference", "account__slug", "gateway_id")
    ordering = ("-on", "-id")


@admin.register(Settlement)
class SettlementAdmin(LookOnlyAdmin):
    """What of an invoice was covered by what."""

    list_display = ("id", "invoice", "payment", "credit", "amount", "on")
    list_select_related = ("invoice", "payment", "credit")
    search_fields = ("invoice__number", "credit__number")
    ordering = ("-id",)


@admin.register(Refund)
class RefundAdmin(LookOnlyAdmin):
    """What was given back, or is on its way."""

    list_display = ("id", "payment", "credit", "amount", "state", "on", "asked_by", "failure")
    list_filter = ("state",)
    list_select_related = ("payment", "credit")
    search_fields = ("payment__account__slug", "gateway_id", "reason")
    ordering = ("-id",)


@admin.register(Collection)
class CollectionAdmin(LookOnlyAdmin):
    """Each go at taking an amount from a saved card, and what came of it."""

    list_display = ("id", "account", "method", "amount", "currency", "state", "began_at", "failure")
    list_filter = ("state", "off_session", "gateway")
    list_select_related = ("account", "method")
    search_fields = ("account__slug", "gateway_id")
    ordering = ("-id",)


@admin.register(GatewayEvent)
class GatewayEventAdmin(LookOnlyAdmin):
    """What gateways have told."""

    list_display = ("id", "gateway", "kind", "event_id", "about", "received_at", "done_at")
    list_filter = ("gateway", "kind")
    search_fields = ("event_id", "about")
    ordering = ("-id",)


@admin.register(BankLine)
class BankLineAdmin(LookOnlyAdmin):
    """Transfers that the bank's files told of. They are assigned and dismissed on finance's pages."""

    list_display = ("key", "on", "amount", "currency", "payer", "state", "account", "file")
    list_filter = ("state", "currency")
    list_select_related = ("account", "file")
    search_fields = ("key", "payer", "text")
    ordering = ("-on", "-id")


class DiscountForm(DiscountModelForm):
    """A discount of a cycle, from today or a day to come."""

    class Meta:
        model = PlanDiscount
        fields = ("months", "brand", "discount", "effective_on")

    def clean_effective_on(self) -> date:
        """What has been sold was sold at the discounts of its day."""
        on: date = self.cleaned_data["effective_on"]
        if on < timezone.localdate():
            raise ValidationError("A discount takes effect today or on a day to come.", code="BIL-6")
        return on


@admin.register(PlanDiscount)
class PlanDiscountAdmin(TrailedAdmin):
    """What longer cycles of plans are cheaper by, by date. A change is a new row, and touches new orders only."""

    editors = (FINANCE,)
    readers = tuple(STAFF_GROUPS)
    form = DiscountForm
    list_display = ("months", "discount", "effective_on", "brand")
    list_filter = ("brand", "months")
    list_select_related = ("brand",)
    ordering = ("months", "-effective_on")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A discount is never overwritten."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A later row replaces it."""
        return False

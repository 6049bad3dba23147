"""The administration of usage: meters and their rates, and the imports to look at (USE-1 to USE-3).

How a meter counts is decided by the rules and stays. Rates are added and never overwritten; finance's own pages
of rates do the same with more room.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from accounts.admin import TrailedAdmin
from accounts.permissions import FINANCE, STAFF_GROUPS
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.look_only import LookOnlyAdmin
from billing.models import Meter, MeterRate, PrefixRate, UsageImport
from billing.rates import NewRate, check_amount, check_day, set_rate

if TYPE_CHECKING:
    from django.forms import ModelForm
    from django.http import HttpRequest, HttpResponse

    AnyModelForm = forms.ModelForm[Any]
else:
    AnyModelForm = forms.ModelForm


@admin.register(Meter)
class MeterAdmin(TrailedAdmin):
    """What is counted. Names and the books' accounts are finance's; how it is counted follows the rules (USE-2)."""

    editors = (FINANCE,)
    readers = tuple(STAFF_GROUPS)
    list_display = ("name", "code", "unit", "aggregation", "pooling", "ledger_code", "tax_category")
    list_filter = ("is_call", "pooling")
    search_fields = ("code", "name", "ledger_code")
    ordering = ("rank",)
    fields = (
        "code",
        "name",
        "ledger_code",
        "tax_category",
        "rank",
        "unit",
        "is_call",
        "aggregation",
        "pooling",
    )
    readonly_fields = ("code", "unit", "is_call", "aggregation", "pooling")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Records are told apart by the meters that there are."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Records and invoices refer to it."""
        return False


class _DatedForm(AnyModelForm):
    """A rate from a day on, checked as the actions check it."""

    same_day: tuple[str, ...] = ()

    def clean(self) -> dict[str, Any]:
        """An amount and a day that can be, and no second rate of that day: a change is a new row (USE-3)."""
        cleaned = super().clean() or self.cleaned_data
        amount, on = cleaned.get("per_unit"), cleaned.get("effective_on")
        for check, value in ((check_amount, amount and amount.amount), (check_day, on)):
            if value is not None:
                self._check(check, value)
        if amount is not None and on is not None and all(name in cleaned for name in self.same_day):
            others = self._meta.model._default_manager.filter(
                effective_on=on,
                per_unit_currency=str(amount.currency),
                **{name: cleaned[name] for name in self.same_day},
            )
            if others.exists():
                self.add_error(
                    "effective_on", ValidationError("A rate from that day is there already.", code="USE-3")
                )
        return cleaned

    def _check(self, check: Any, value: object) -> None:
        try:
            check(value)
        except Refused as refusal:
            self.add_error(refusal.field, ValidationError(refusal.message, code=refusal.rule))


class MeterRateForm(_DatedForm):
    """A new rate of a meter."""

    same_day = ("meter", "brand")

    class Meta:
        model = MeterRate
        fields = ("meter", "brand", "per_unit", "minimum_seconds", "increment_seconds", "effective_on")


class PrefixRateForm(_DatedForm):
    """A new rate of a destination."""

    same_day = ("prefix", "brand")

    class Meta:
        model = PrefixRate
        fields = ("prefix", "destination", "brand", "per_unit", "effective_on", "ends_on")

    def clean_ends_on(self) -> date | None:
        """After the day on which it begins."""
        ends_on: date | None = self.cleaned_data["ends_on"]
        begins = self.cleaned_data.get("effective_on")
        if ends_on is not None and begins is not None and ends_on <= begins:
            raise ValidationError("A rate ends after the day on which it begins.")
        return ends_on


class _AddOnlyAdmin(TrailedAdmin):
    """Rates: added by finance, looked at by all staff, never overwritten or taken away (USE-3)."""

    editors = (FINANCE,)
    readers = tuple(STAFF_GROUPS)

    @admin.display(ordering="per_unit_currency")
    def currency(self, rate: MeterRate | PrefixRate) -> str:
        """Its code, as the ledger has it."""
        return str(rate.per_unit.currency)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A change is a new row."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A later row replaces it."""
        return False


@admin.register(MeterRate)
class MeterRateAdmin(_AddOnlyAdmin):
    """Rates of meters by date."""

    form = MeterRateForm
    list_display = (
        "meter",
        "per_unit",
        "currency",
        "effective_on",
        "brand",
        "minimum_seconds",
        "increment_seconds",
    )
    list_filter = ("brand", "per_unit_currency", "meter")
    list_select_related = ("meter", "brand")
    search_fields = ("meter__code", "meter__name")
    ordering = ("meter__rank", "-effective_on")

    def save_model(self, request: HttpRequest, obj: MeterRate, form: ModelForm[Any], change: Any) -> None:
        """Set it by its action, which writes the trail too."""
        rate = set_rate(
            obj.meter,
            NewRate(
                obj.per_unit.amount,
                str(obj.per_unit.currency),
                obj.effective_on,
                obj.brand,
                obj.minimum_seconds,
                obj.increment_seconds,
            ),
            actor=Actor.of(request),
            at=timezone.now(),
        )
        obj.pk = rate.pk

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What only the action refuses is said above the form."""
        try:
            return super().add_view(request, form_url, extra_context)
        except Refused as refusal:
            messages.error(request, refusal.message)
            return redirect(request.get_full_path())


@admin.register(PrefixRate)
class PrefixRateAdmin(_AddOnlyAdmin):
    """The international rate deck by date; many rates at once come in on finance's page of the deck (USE-2)."""

    form = PrefixRateForm
    list_display = ("prefix", "destination", "per_unit", "currency", "effective_on", "ends_on", "brand")
    list_filter = ("brand", "per_unit_currency")
    list_select_related = ("brand",)
    search_fields = ("prefix__startswith", "destination")
    ordering = ("prefix", "-effective_on")
    show_full_result_count = False


@admin.register(UsageImport)
class UsageImportAdmin(LookOnlyAdmin):
    """Files of usage and what came of them; the refused lines are in the report on the staff's pages."""

    list_display = ("name", "source", "state", "by", "created_at", "taken", "known", "free", "refused")
    list_filter = ("state", "source")
    search_fields = ("name", "by")
    ordering = ("-id",)
    exclude = ("path",)
    readonly_fields = ("report",)

    @admin.display(description="Report")
    def report(self, found: UsageImport) -> str:
        """Where its refused lines are."""
        return format_html(
            '<a href="{}">Open the report</a>', reverse("imports:import", kwargs={"pk": found.pk})
        )

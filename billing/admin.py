"""The administration of billing: the catalogue, opening accounts, and the ledger and invoices to look at.

Prices are added and never overwritten (BIL-6); charges, invoices and runs are written by the panel's
actions alone, so here they are only read.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.shortcuts import redirect
from django.utils import timezone

from accounts.admin import AccountAdmin, StaffAdmin, TrailedAdmin
from accounts.models import Account, validate_timezone
from accounts.permissions import FINANCE, STAFF_GROUPS
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.look_only import LookOnlyAdmin
from billing.models import BillingSchedule, Charge, Invoice, InvoiceLine, InvoiceRun, Price, Product
from billing.opening import RESERVED_SLUGS, open_account
from billing.payments_admin import PaymentAdmin, PlanDiscountAdmin
from billing.subscriptions_admin import SubscriptionAdmin, TenancyAdmin
from billing.usage_admin import MeterAdmin, MeterRateAdmin, PrefixRateAdmin, UsageImportAdmin

if TYPE_CHECKING:
    from django.forms import ModelForm
    from django.http import HttpRequest, HttpResponse

    AccountForm = forms.ModelForm[Account]
    PriceModelForm = forms.ModelForm[Price]
    LineInline = admin.TabularInline[InvoiceLine, Invoice]
    PriceInlineBase = admin.TabularInline[Price, Product]
else:
    AccountForm = PriceModelForm = forms.ModelForm
    LineInline = PriceInlineBase = admin.TabularInline

# Imported for their registration, which stands beside them.
__all__ = [
    "MeterAdmin",
    "MeterRateAdmin",
    "PaymentAdmin",
    "PlanDiscountAdmin",
    "PrefixRateAdmin",
    "SubscriptionAdmin",
    "TenancyAdmin",
    "UsageImportAdmin",
]

MOST_LINES_SHOWN = 200
# SQLite keeps no more of a decimal than this.
MOST_DIGITS = 15


class PricesOfProduct(PriceInlineBase):
    """The prices of a product, to look at; a new one is added on its own page."""

    model = Price
    fields = ("amount", "effective_on", "brand")
    readonly_fields = fields
    ordering = ("-effective_on",)
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """On the page of prices."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A price is never overwritten (BIL-6)."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """For all who see the product."""
        return True


@admin.register(Product)
class ProductAdmin(TrailedAdmin):
    """The catalogue. What a product is called by the ledger, and how it is billed, stays once it is sold."""

    editors = (FINANCE,)
    readers = tuple(STAFF_GROUPS)
    list_display = ("name", "code", "family", "delay", "delay_days", "ledger_code", "is_on_sale")
    list_filter = ("family", "is_on_sale", "delay")
    search_fields = ("code", "name", "ledger_code")
    ordering = ("rank",)
    inlines = (PricesOfProduct,)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Charges refer to the code, and drafts follow section and recurrence."""
        return ("code", "section", "is_recurring") if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Take it off the sale instead."""
        return False


class PriceForm(PriceModelForm):
    """A new price, from today or a day to come."""

    class Meta:
        model = Price
        fields = ("product", "brand", "amount", "effective_on")

    def clean_effective_on(self) -> date:
        """What has been sold was sold at the prices of its day."""
        on: date = self.cleaned_data["effective_on"]
        if on < timezone.localdate():
            raise ValidationError("A price takes effect today or on a day to come (BIL-6).", code="BIL-6")
        return on

    def clean(self) -> dict[str, Any]:
        """One price a day; the model's own check leaves the currency out, which is no field of the form."""
        cleaned = super().clean() or self.cleaned_data
        amount = cleaned.get("amount")
        if amount is not None and len(amount.amount.normalize().as_tuple().digits) > MOST_DIGITS:
            self.add_error("amount", f"A price has at most {MOST_DIGITS} digits.")
        if amount is not None and "effective_on" in cleaned and "product" in cleaned:
            same_day = Price.objects.filter(
                product=cleaned["product"],
                brand=cleaned.get("brand"),
                amount_currency=str(amount.currency),
                effective_on=cleaned["effective_on"],
            )
            if same_day.exists():
                self.add_error("effective_on", "A price from that day is there already.")
        return cleaned


@admin.register(Price)
class PriceAdmin(TrailedAdmin):
    """Prices by date. A change is a new row, and touches new purchases only (BIL-6)."""

    editors = (FINANCE,)
    readers = tuple(STAFF_GROUPS)
    form = PriceForm
    list_display = ("product", "amount", "currency", "effective_on", "brand")
    list_filter = ("brand", "amount_currency", "product__family")
    list_select_related = ("product", "brand")
    search_fields = ("product__code", "product__name")
    ordering = ("product__rank", "-effective_on")
    autocomplete_fields = ("product",)

    @admin.display(ordering="amount_currency")
    def currency(self, price: Price) -> str:
        """Its code, as the ledger has it."""
        return str(price.amount.currency)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A price is never overwritten."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A later row replaces it."""
        return False


@admin.register(BillingSchedule)
class BillingScheduleAdmin(LookOnlyAdmin):
    """Where each account stands in its billing, and who is held."""

    list_display = ("account", "next_bdom_on", "next_run_at", "last_bdom_on", "held_at", "held_reason")
    list_filter = (("held_at", admin.EmptyFieldListFilter),)
    list_select_related = ("account",)
    search_fields = ("account__name", "account__slug")
    ordering = ("next_run_at",)


@admin.register(Charge)
class ChargeAdmin(LookOnlyAdmin):
    """The ledger."""

    list_display = (
        "id",
        "account",
        "product",
        "quantity",
        "unit_price",
        "state",
        "added_on",
        "billing_starts_on",
        "ended_on",
        "subject_label",
    )
    list_filter = ("state", "product__family")
    list_select_related = ("account", "product")
    search_fields = ("account__slug", "subject_label")
    ordering = ("-id",)


class LinesOfInvoice(LineInline):
    """The first lines of an invoice; all of them are on finance's page of it."""

    model = InvoiceLine
    fields = (
        "position",
        "section",
        "description",
        "subject_label",
        "quantity",
        "unit_price",
        "amount",
        "why",
    )
    readonly_fields = fields
    ordering = ("position",)
    extra = 0
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> Any:
        """An invoice may have thousands of lines."""
        return super().get_queryset(request).filter(position__lte=MOST_LINES_SHOWN)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Issued, it never changes (INV-1)."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Issued, it never changes (INV-1)."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """For all who see the invoice."""
        return True


@admin.register(Invoice)
class InvoiceAdmin(LookOnlyAdmin):
    """Invoices. They are paid, made void and credited on finance's pages."""

    list_display = ("number", "account", "kind", "state", "issued_on", "due_on", "total", "currency")
    list_filter = ("state", "kind", "brand", "currency")
    list_select_related = ("account",)
    search_fields = ("number__startswith", "account__slug")
    ordering = ("-issued_on", "-id")
    inlines = (LinesOfInvoice,)


@admin.register(InvoiceRun)
class InvoiceRunAdmin(LookOnlyAdmin):
    """Invoice runs; their failures, and running them again, are on the staff's pages."""

    list_display = ("id", "trigger", "by", "started_at", "finished_at", "invoices", "lines", "failures")
    list_filter = ("trigger",)
    ordering = ("-id",)


class OpeningForm(AccountForm):
    """What an account is opened with. Its BDOM stays what it is from then on."""

    class Meta:
        model = Account
        fields = (
            "brand",
            "name",
            "slug",
            "bdom",
            "currency",
            "timezone",
            "language",
            "billing_name",
            "billing_address",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["bdom"].required = False
        self.fields["bdom"].help_text = "1 to 31. Left empty, it is the day of the opening, which is today."

    def clean_slug(self) -> str:
        """Addresses of the panel's own are taken."""
        slug: str = self.cleaned_data["slug"]
        if slug in RESERVED_SLUGS:
            raise ValidationError(f"The address “{slug}” is taken. Choose another.", code="ACC-1")
        return slug

    def clean(self) -> dict[str, Any]:
        """Without a BDOM it is the account's own day of today."""
        cleaned = super().clean() or self.cleaned_data
        if not cleaned.get("bdom") and "bdom" not in self.errors and cleaned.get("timezone"):
            zone = cleaned["timezone"]
            cleaned["bdom"] = Account(timezone=zone).local_date(timezone.now()).day if _is_zone(zone) else 1
        return cleaned


def _is_zone(name: str) -> bool:
    """Whether it is a time zone; the field says so by itself where it is none."""
    try:
        validate_timezone(name)
    except ValidationError:
        return False
    return True


admin.site.unregister(Account)


@admin.register(Account)
class BilledAccountAdmin(AccountAdmin):
    """Accounts as the accounts app shows them, and with their opening: it puts them into the calendar."""

    prepopulated_fields = {"slug": ("name",)}

    def has_add_permission(self, request: HttpRequest) -> bool:
        """The onboarding team opens accounts."""
        return StaffAdmin.has_add_permission(self, request)

    def get_form(self, request: HttpRequest, obj: Any = None, change: Any = False, **kwargs: Any) -> Any:
        """The form of the opening, then the one of the account."""
        if obj is None:
            kwargs["form"] = OpeningForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What is asked for when it is opened, then what there is to see."""
        return OpeningForm.Meta.fields if obj is None else super().get_fields(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What bills are made by is set once."""
        return () if obj is None else super().get_readonly_fields(request, obj)

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        """Only while the address can be typed."""
        return {} if obj else dict(super().get_prepopulated_fields(request, obj))

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> Any:
        """A new account has no members yet."""
        return () if obj is None else super().get_inlines(request, obj)

    def save_model(self, request: HttpRequest, obj: Account, form: ModelForm[Any], change: Any) -> None:
        """Open the account by its action, which writes the trail too; changes go as in the accounts app."""
        if change:
            super().save_model(request, obj, form, change)
            return
        asked = form.cleaned_data
        opened = open_account(
            asked["brand"],
            asked["name"],
            actor=Actor.of(request),
            at=timezone.now(),
            bdom=asked["bdom"],
            **{
                name: asked[name]
                for name in ("slug", "currency", "timezone", "language", "billing_name", "billing_address")
            },
        )
        obj.__dict__.update(opened.__dict__)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Somebody else may have taken the address in the meantime."""
        try:
            return super().add_view(request, form_url, extra_context)
        except Refused as refusal:
            messages.error(request, refusal.message)
            return redirect(request.get_full_path())

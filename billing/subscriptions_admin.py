"""The administration of subscriptions: switching what those of a tenant have in common (SUB-2, SUB-3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.html import format_html

from accounts.admin import InlineToLookAt
from accounts.forms import show_refusal
from accounts.models import User
from accounts.permissions import SUPPORT, is_in_group
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.look_only import LookOnlyAdmin
from billing.models import (
    LicenceMode,
    Subscription,
    SubscriptionCommitment,
    TelephonyOption,
    Tenancy,
)
from billing.subscriptions import switch_tenancy

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

UNCHANGED: Final = "Nothing is switched: choose another licence mode or telephony option."


class SwitchForm(forms.Form):
    """What the whole tenant is switched to, why, and the account's name typed."""

    licence_mode = forms.ChoiceField(choices=LicenceMode.choices, widget=forms.RadioSelect)
    telephony_option = forms.ChoiceField(choices=TelephonyOption.choices, widget=forms.RadioSelect)
    reason = forms.CharField(
        max_length=200,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Kept in the account's activity, for its admins to read.",
    )
    confirm_name = forms.CharField(label="The account's name", max_length=200)

    def __init__(self, *args: Any, tenancy: Tenancy, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tenancy = tenancy
        name = self.fields["confirm_name"]
        name.help_text = format_html("Type <strong>{}</strong> to confirm.", tenancy.account.name)
        name.widget.attrs["autocomplete"] = "off"

    def clean_confirm_name(self) -> str:
        """The very name, upper and lower case aside."""
        typed: str = self.cleaned_data["confirm_name"]
        if " ".join(typed.split()).casefold() != " ".join(self.tenancy.account.name.split()).casefold():
            raise ValidationError("This is not the account's name. Nothing was switched.")
        return typed

    def clean(self) -> dict[str, Any]:
        """Something is to be switched."""
        cleaned = super().clean() or self.cleaned_data
        now = (self.tenancy.licence_mode, self.tenancy.telephony_option)
        if (cleaned.get("licence_mode"), cleaned.get("telephony_option")) == now:
            raise ValidationError(UNCHANGED)
        return cleaned


class SubscriptionsOfTenancy(InlineToLookAt):
    """The subscriptions that a switch is for."""

    model = Subscription
    fields = ("name", "offer", "term_months", "starts_on", "ends_on", "partner")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subscription]:
        """With the partners."""
        return super().get_queryset(request).select_related("partner")


class CommitmentsOfSubscription(InlineToLookAt):
    """What a subscription pays for anyway, by date."""

    model = SubscriptionCommitment
    fields = ("meter", "quantity", "starts_on", "ends_on")


@admin.register(Tenancy)
class TenancyAdmin(LookOnlyAdmin):
    """What the subscriptions of an account have in common. Support switches it, for all of them at once."""

    list_display = ("account", "licence_mode", "telephony_option")
    list_filter = ("licence_mode", "telephony_option")
    list_select_related = ("account",)
    search_fields = ("account__name", "account__slug")
    ordering = ("account__name", "pk")
    inlines = (SubscriptionsOfTenancy,)
    change_form_template = "billing/admin/tenancy.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tenancy]:
        """Without the simulator's scratch accounts."""
        rows: QuerySet[Tenancy] = super().get_queryset(request)
        return rows.filter(account__is_simulation=False).select_related("account")

    def get_urls(self) -> list[URLPattern]:
        """Django's own, and the switch."""
        switch = path(
            "<int:pk>/switch/", self.admin_site.admin_view(self.switch_page), name="billing_tenancy_switch"
        )
        return [switch, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """With the way to the switch for those who may."""
        context = {"may_switch": _may_switch(request), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def switch_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Switch a whole tenant; 404 to all but support and superusers (ACC-3)."""
        if not _may_switch(request):
            raise Http404
        tenancy = get_object_or_404(self.get_queryset(request), pk=pk)
        asked = {"licence_mode": tenancy.licence_mode, "telephony_option": tenancy.telephony_option}
        form = SwitchForm(request.POST if request.method == "POST" else None, initial=asked, tenancy=tenancy)
        if request.method == "POST" and form.is_valid():
            try:
                switch_tenancy(
                    tenancy.account,
                    licence_mode=LicenceMode(form.cleaned_data["licence_mode"]),
                    telephony_option=TelephonyOption(form.cleaned_data["telephony_option"]),
                    reason=form.cleaned_data["reason"],
                    actor=Actor.of(request),
                    at=timezone.now(),
                )
            except Refused as refusal:
                show_refusal(form, refusal)
            else:
                messages.success(request, f"The subscriptions of {tenancy.account} are switched.")
                return redirect("admin:billing_tenancy_change", pk)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Switch the tenant of {tenancy.account}",
            "tenancy": tenancy,
            "subscriptions": list(tenancy.subscriptions.all()),
            "form": form,
        }
        return TemplateResponse(request, "billing/admin/switch.html", context)


@admin.register(Subscription)
class SubscriptionAdmin(LookOnlyAdmin):
    """Subscriptions, to look at: they are added and ended on the account's own pages."""

    list_display = ("name", "account_name", "offer", "term_months", "starts_on", "ends_on", "partner")
    list_filter = ("offer", "tenancy__licence_mode", "tenancy__telephony_option")
    list_select_related = ("tenancy__account", "partner")
    search_fields = ("name", "tenancy__account__name", "tenancy__account__slug")
    ordering = ("-id",)
    inlines = (CommitmentsOfSubscription,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subscription]:
        """Without the simulator's scratch accounts."""
        rows: QuerySet[Subscription] = super().get_queryset(request)
        return rows.filter(tenancy__account__is_simulation=False)

    @admin.display(description="Account", ordering="tenancy__account__name")
    def account_name(self, subscription: Subscription) -> str:
        """The account, by its name."""
        return subscription.account.name


def _may_switch(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and is_in_group(request.user, SUPPORT)

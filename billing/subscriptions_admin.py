"""The administration of subscriptions: entered, given commitments, switched together (SUB-1 to SUB-3, SUB-6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone

from accounts.admin import InlineToLookAt
from accounts.forms import show_refusal
from accounts.models import Account, User
from accounts.permissions import SUPPORT, is_in_group
from accounts.refusals import Refused
from accounts.trail import Actor
from billing import explain
from billing import subscription_queries as queries
from billing.engine import BillingFault
from billing.look_only import LookOnlyAdmin
from billing.models import (
    LicenceMode,
    Offer,
    Subscription,
    SubscriptionCommitment,
    TelephonyOption,
    Tenancy,
)
from billing.preview import cost_of
from billing.subscription_forms import field_of, seen_of, show_by_field
from billing.subscription_staff_forms import AccountForm, ProvisionForm, StaffCommitmentForm, SwitchForm
from billing.subscriptions import (
    add_subscription,
    check_runs,
    open_commitments,
    set_commitments,
    switch_tenancy,
)

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

FIRST_TERM: Final = 12
NO_PRICE: Final = (
    "What this costs cannot be worked out, because the next invoice cannot be drawn. Nothing was added."
)


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
        context = {"may_switch": _may_write(request), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def switch_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Switch a whole tenant; 404 to all but support and superusers (ACC-3)."""
        if not _may_write(request):
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
    """Subscriptions. Support enters them for accounts, and sets what they commit to (SUB-6)."""

    list_display = ("name", "account_name", "offer", "term_months", "starts_on", "ends_on", "partner")
    list_filter = ("offer", "tenancy__licence_mode", "tenancy__telephony_option")
    list_select_related = ("tenancy__account", "partner")
    search_fields = ("name", "tenancy__account__name", "tenancy__account__slug")
    ordering = ("-id",)
    inlines = (CommitmentsOfSubscription,)
    change_list_template = "billing/admin/subscriptions.html"
    change_form_template = "billing/admin/subscription.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subscription]:
        """Without the simulator's scratch accounts."""
        rows: QuerySet[Subscription] = super().get_queryset(request)
        return rows.filter(tenancy__account__is_simulation=False).select_related("tenancy__account__brand")

    def get_urls(self) -> list[URLPattern]:
        """Django's own, entering a subscription, and its commitments."""
        view = self.admin_site.admin_view
        return [
            path("provision/", view(self.provision_page), name="billing_subscription_provision"),
            path(
                "<int:pk>/commitments/", view(self.commitments_page), name="billing_subscription_commitments"
            ),
            *super().get_urls(),
        ]

    @admin.display(description="Account", ordering="tenancy__account__name")
    def account_name(self, subscription: Subscription) -> str:
        """The account, by its name."""
        return subscription.account.name

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With the way to a new one for those who may."""
        return super().changelist_view(request, {"may_write": _may_write(request), **(extra_context or {})})

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """With the way to its commitments for those who may."""
        context = {"may_write": _may_write(request), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def commitments_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Set what a subscription commits to from today; 404 to all but support and superusers (ACC-3, SUB-6)."""
        if not _may_write(request):
            raise Http404
        found = get_object_or_404(self.get_queryset(request), pk=pk)
        at = timezone.now()
        current = open_commitments(found)
        try:
            check_runs(found, found.account.local_date(at))
        except Refused as refusal:
            messages.error(request, refusal.message)
            return redirect("admin:billing_subscription_change", pk)
        form = StaffCommitmentForm(
            request.POST if request.method == "POST" else None,
            subscription=found,
            current=current,
            meters=queries.pooled(queries.meters_by_code()),
            initial={field_of(meter): quantity for meter, quantity in current.items()},
        )
        if request.method == "POST" and form.is_valid():
            try:
                set_commitments(
                    found,
                    form.commitments(),
                    reason=form.cleaned_data["reason"],
                    actor=Actor.of(request),
                    at=at,
                )
            except Refused as refusal:
                show_by_field(form, refusal)
            else:
                messages.success(request, f"The commitments of {found} are changed.")
                return redirect("admin:billing_subscription_change", pk)
        title = f"Set the commitments of {found}"
        return self._page(request, "commitments", title, subscription=found, form=form)

    def provision_page(self, request: HttpRequest) -> HttpResponse:
        """Enter a subscription for an account; 404 to all but support and superusers (ACC-3, SUB-1).

        First the account, `?account=`, then the terms; they are entered once their cost was looked at.
        """
        if not _may_write(request):
            raise Http404
        chosen = AccountForm(request.GET if "account" in request.GET else None)
        if not chosen.is_valid():
            return self._page(request, "provision", "Add a subscription", chosen=chosen)
        account: Account = chosen.cleaned_data["account"]
        form = self._provision_form(request, account)
        context: dict[str, Any] = {"account": account, "form": form}
        if form.is_bound and form.is_valid():
            added = self._provision(request, account, form, context)
            if added is not None:
                messages.success(request, f"Subscription {added} of {account} is added.")
                return redirect("admin:billing_subscription_change", added.pk)
        return self._page(request, "provision", f"Add a subscription of {account}", **context)

    def _provision_form(self, request: HttpRequest, account: Account) -> ProvisionForm:
        today = account.local_date(timezone.now())
        return ProvisionForm(
            request.POST if request.method == "POST" else None,
            account=account,
            tenancy=Tenancy.objects.filter(account=account).first(),
            meters=queries.pooled(queries.meters_by_code()),
            products=queries.on_offer(account, today),
            initial={"starts_on": today, "term_months": FIRST_TERM, "offer": Offer.FLEX_3},
        )

    def _provision(
        self, request: HttpRequest, account: Account, form: ProvisionForm, context: dict[str, Any]
    ) -> Subscription | None:
        """Price the terms, and enter them if that was seen; None for the form once more."""
        terms, at = form.terms(), timezone.now()

        def act() -> Subscription:
            return add_subscription(account, terms, actor=Actor.of(request), at=at)

        try:
            box = explain.cost_box(account, cost_of(account, act))
            seen = seen_of(terms, box)
            if request.POST.get("seen") == seen:
                return act()
            context |= {"cost": box, "seen": seen}
        except Refused as refusal:
            show_by_field(form, refusal)
        except BillingFault:
            show_by_field(form, Refused(NO_PRICE, rule="BIL-10"))
        return None

    def _page(self, request: HttpRequest, name: str, title: str, **context: Any) -> HttpResponse:
        context |= {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "provision_url": reverse("admin:billing_subscription_provision"),
        }
        return TemplateResponse(request, f"billing/admin/{name}.html", context)


def _may_write(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and is_in_group(request.user, SUPPORT)

"""The onboarding team's queue in the administration: look, note, install, and activate for good (ONB-7, ONB-8).

The pages are the team's alone: to everybody else there is nothing here (ACC-3). No field is editable, nothing
is added or deleted, and no action takes several at once: what changes a contact center is an action of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import F, QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html

from accounts.admin import StaffAdmin
from accounts.forms import show_refusal
from accounts.models import Account, User
from accounts.permissions import ONBOARDING, is_in_group
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.engine import BillingFault, Draft, round_half_up
from billing.explain import MOST_LINES, document, money_words, preview, unit_price_words, units_words
from billing.gather import decimals_of
from billing.licences import holdings
from billing.models import Charge, Family
from billing.preview import Cost, cost_of
from billing.queries import product_names
from telephony.contact_center import ACTIVE, activate, install, write_note
from telephony.models import ContactCenter, Edition, OnboardingNote, OnboardingState
from telephony.onboarding import activates_on, day_of, steps, with_progress

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase
    from django.urls import URLPattern

    Filter = admin.SimpleListFilter

# What stands in for the reason while an activation is only priced; it is never kept.
PRICED: Final = "Priced before activation"


class StateFilter(admin.SimpleListFilter):
    """In onboarding unless something else is asked for."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The two states, and both."""
        return [("active", "Active"), ("all", "All")]

    def choices(self, changelist: ChangeList) -> Any:
        """With the queue first, which is what an address without the filter shows."""
        yield {
            "selected": self.value() is None,
            "query_string": changelist.get_query_string(remove=[self.parameter_name]),
            "display": "In onboarding",
        }
        for value, label in self.lookup_choices:
            yield {
                "selected": self.value() == value,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": label,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The contact centers in that state."""
        if self.value() == "all":
            return queryset
        state = OnboardingState.ACTIVE if self.value() == "active" else OnboardingState.ONBOARDING
        return queryset.filter(state=state)


class AskedFilter(admin.SimpleListFilter):
    """Whether going live was asked for."""

    title = "asked to go live"
    parameter_name = "asked"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Yes and no."""
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those that were, or were not, asked for."""
        if self.value() not in {"yes", "no"}:
            return queryset
        return queryset.filter(requested_at__isnull=self.value() == "no")


class ActivateForm(forms.Form):
    """The last word on going live: why, and the account's name typed."""

    reason = forms.CharField(
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Kept in the account's activity, for its admins to read.",
    )
    confirm_name = forms.CharField(label="The account's name", max_length=200)

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account
        self.fields["confirm_name"].help_text = format_html(
            "Type <strong>{}</strong> to confirm.", account.name
        )
        self.fields["confirm_name"].widget.attrs["autocomplete"] = "off"

    def clean_confirm_name(self) -> str:
        """The very name, upper and lower case aside."""
        typed: str = self.cleaned_data["confirm_name"]
        if " ".join(typed.split()).casefold() != " ".join(self.account.name.split()).casefold():
            raise ValidationError("This is not the account's name. Nothing was activated.", code="ONB-8")
        return typed


class InstallForm(forms.Form):
    """For which account, and which edition."""

    account = forms.CharField(
        max_length=120, help_text="Its name, or its address in the panel, such as harbor-dental."
    )
    edition = forms.ChoiceField(choices=Edition.choices, widget=forms.RadioSelect)

    def clean_account(self) -> Account:
        """The one account of that address or name."""
        typed: str = self.cleaned_data["account"].strip()
        accounts = Account.objects.filter(is_simulation=False).select_related("brand")
        found = accounts.filter(slug=typed.lower()).first()
        if found is not None:
            return found
        named = list(accounts.filter(name__iexact=typed)[:2])
        if not named:
            raise ValidationError("There is no account of this name or address.")
        if len(named) > 1:
            raise ValidationError("Several accounts have this name. Give the address of the one you mean.")
        return named[0]


class NoteForm(forms.Form):
    """Something for the team to remember."""

    text = forms.CharField(label="Note", max_length=2000, widget=forms.Textarea(attrs={"rows": 3}))


@dataclass(frozen=True, slots=True)
class Begins:
    """A charge that begins with the activation, with its amounts in words of the account's currency."""

    label: str
    each: str
    amount: str
    is_recurring: bool


@admin.register(ContactCenter)
class ContactCenterAdmin(StaffAdmin):
    """The queue: those asked for first, then the oldest."""

    list_display = (
        "account_name",
        "brand",
        "edition",
        "age",
        "checklist",
        "left",
        "asked_since",
        "activates_by_itself",
    )
    list_filter = (StateFilter, AskedFilter, "edition", "account__brand")
    list_select_related = ("account__brand", "service")
    search_fields = ("account__name", "account__slug")
    search_help_text = "Name or address of the account"
    ordering = (F("requested_at").asc(nulls_last=True), "installed_at", "pk")
    sortable_by = ()
    list_per_page = 50
    show_full_result_count = False
    actions = None
    fields = (
        "account_name",
        "brand",
        "edition",
        "state",
        "installed_on",
        "age",
        "checklist",
        "left",
        "asked_since",
        "requested_by",
        "activates_by_itself",
        "activated_on",
        "activated_by",
        "activation_reason",
        "activation_rule",
    )
    readonly_fields = fields
    change_list_template = "telephony/admin/contact_centers.html"
    change_form_template = "telephony/admin/contact_center.html"

    # Who: the team, whatever single permissions somebody may have been given besides.

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether the person is of the team."""
        return self._is_in(request, (ONBOARDING,))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the person is of the team."""
        return self._is_in(request, (ONBOARDING,))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """It is installed, which is more than a row."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """No field is editable, the state least of all (ONB-8)."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What is installed stays."""
        return False

    def get_urls(self) -> list[URLPattern]:
        """The team's pages, and Django's own, all of them 404 to everybody else."""
        own = [
            path("install/", self._page(self.install_page), name="telephony_contactcenter_install"),
            path(
                "<int:pk>/activate/", self._page(self.activate_page), name="telephony_contactcenter_activate"
            ),
            path("<int:pk>/note/", self._page(self.note), name="telephony_contactcenter_note"),
        ]
        found = [*own, *super().get_urls()]
        for pattern in found:
            pattern.callback = for_the_team(pattern.callback)
        return found

    def get_queryset(self, request: HttpRequest) -> QuerySet[ContactCenter]:
        """With the checklist of each in the same query, and without the simulator's scratch accounts."""
        rows: QuerySet[ContactCenter] = super().get_queryset(request)
        return with_progress(rows.filter(account__is_simulation=False).select_related("account__brand"))

    # Columns

    @admin.display(description="Account")
    def account_name(self, contact_center: ContactCenter) -> str:
        """The account, by its name."""
        return contact_center.account.name

    @admin.display(description="Brand")
    def brand(self, contact_center: ContactCenter) -> str:
        """The account's brand."""
        return contact_center.account.brand.name

    @admin.display(description="Age")
    def age(self, contact_center: ContactCenter) -> str:
        """The day of its onboarding, as the banner counts it; of one that is active, how many there were."""
        if contact_center.activated_on is None:
            return f"Day {day_of(contact_center, contact_center.account.local_date(timezone.now()))}"
        days = (contact_center.activated_on - contact_center.installed_on).days
        return f"{days} day" if days == 1 else f"{days} days"

    @admin.display(description="Checklist")
    def checklist(self, contact_center: ContactCenter) -> str:
        """How many steps are done, of how many."""
        found = steps(contact_center)
        return f"{sum(step.is_done for step in found)} of {len(found)}"

    @admin.display(description="Left to do", empty_value="Nothing")
    def left(self, contact_center: ContactCenter) -> str | None:
        """The steps that are not done."""
        return ", ".join(step.label for step in steps(contact_center) if not step.is_done) or None

    @admin.display(description="Asked to go live")
    def asked_since(self, contact_center: ContactCenter) -> str:
        """The account's own day on which going live was asked for."""
        at = contact_center.requested_at
        return _day(contact_center.account.local_date(at) if at else None)

    @admin.display(description="Activates by itself")
    def activates_by_itself(self, contact_center: ContactCenter) -> str:
        """The day of automatic activation (ONB-9)."""
        return _day(activates_on(contact_center))

    # Pages

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The queue."""
        return super().changelist_view(request, {"title": "Contact centers", **(extra_context or {})})

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One contact center, with the team's notes; 404 for one that there is not."""
        contact_center = self.get_object(request, object_id)
        if contact_center is None:
            raise Http404
        context = {
            "title": f"{contact_center} of {contact_center.account}",
            "subtitle": None,
            **self._notes(contact_center),
        }
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def note(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Write a note; back to the contact center."""
        contact_center = self._found(request, pk)
        back = reverse("admin:telephony_contactcenter_change", args=[pk])
        if request.method != "POST":
            return redirect(back)
        form = NoteForm(request.POST)
        if form.is_valid():
            try:
                write_note(
                    contact_center, form.cleaned_data["text"], actor=Actor.of(request), at=timezone.now()
                )
            except Refused as refusal:
                messages.error(request, refusal.message)
            else:
                messages.success(request, "The note is kept.")
        else:
            messages.error(request, "A note has a text, of at most 2,000 characters. Nothing was kept.")
        return redirect(back)

    def activate_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What activation begins to bill, and the button that does it, for good (ONB-7, ONB-8, ONB-10)."""
        contact_center = self._found(request, pk)
        account = contact_center.account
        at = timezone.now()
        form = ActivateForm(request.POST if request.method == "POST" else None, account=account)
        status = 200
        if request.method == "POST" and (form.is_valid() or not contact_center.is_onboarding):
            reason = form.cleaned_data.get("reason") or PRICED
            try:
                activate(contact_center, reason=reason, actor=Actor.of(request), at=at)
            except Refused as refusal:
                show_refusal(form, refusal)
                status = 200 if refusal.field else 409
                contact_center = self._found(request, pk)
            else:
                messages.success(request, f"{contact_center} of {account} is active, for good.")
                return redirect("admin:telephony_contactcenter_change", pk)
        context = {
            **self._context(request, f"Activate {contact_center} of {account}"),
            "contact_center": contact_center,
            "account": account,
            "form": form,
            "steps": steps(contact_center),
            "age": self.age(contact_center),
            "asked_since": self.asked_since(contact_center) if contact_center.requested_at else "",
        }
        if contact_center.is_onboarding:
            context |= what_begins(contact_center, Actor.of(request), at)
        return TemplateResponse(request, "telephony/admin/activate.html", context, status=status)

    def install_page(self, request: HttpRequest) -> HttpResponse:
        """Install for an account (ONB-1)."""
        asked = {"account": request.GET.get("account", ""), "edition": Edition.PRO}
        form = InstallForm(request.POST) if request.method == "POST" else InstallForm(initial=asked)
        if form.is_valid():
            account: Account = form.cleaned_data["account"]
            edition = Edition(form.cleaned_data["edition"])
            try:
                installed = install(account, edition, actor=Actor.of(request), at=timezone.now())
            except Refused as refusal:
                show_refusal(form, refusal)
            else:
                now = "in onboarding" if installed.is_onboarding else "active"
                messages.success(request, f"{installed} is installed in {account}, and {now}.")
                return redirect("admin:telephony_contactcenter_change", installed.pk)
        context = {**self._context(request, "Install Contact Center for an account"), "form": form}
        return TemplateResponse(request, "telephony/admin/install.html", context)

    def _page(self, view: Callable[..., HttpResponse]) -> Callable[..., HttpResponseBase]:
        return self.admin_site.admin_view(view)

    def _found(self, request: HttpRequest, pk: int) -> ContactCenter:
        return get_object_or_404(
            self.get_queryset(request).select_related("account__brand", "service"), pk=pk
        )

    def _context(self, request: HttpRequest, title: str) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "opts": self.opts, "title": title}

    def _notes(self, contact_center: ContactCenter) -> dict[str, Any]:
        notes = OnboardingNote.objects.filter(contact_center=contact_center).select_related("by")
        return {"notes": notes, "note_form": NoteForm(), "contact_center": contact_center}


def _day(on: date | None) -> str:
    return date_format(on, "DATE_FORMAT") if on else "–"


def for_the_team(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A page of the administration that is not there for anybody but the onboarding team (ACC-3)."""

    @wraps(view)
    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        user = request.user
        if isinstance(user, User) and not is_in_group(user, ONBOARDING):
            raise Http404
        return view(request, *args, **kwargs)

    return page


def what_begins(contact_center: ContactCenter, actor: Actor, at: datetime) -> dict[str, Any]:
    """What the page says before activating: what begins, its sums, and the next invoice without and with it.

    The invoice is drawn by doing the activation and taking it back, so it is the one that will be issued
    if nothing else happens (BIL-10). Where it cannot be drawn, `fault` says why.
    """
    account = contact_center.account
    charges = list(
        Charge.objects.filter(account=account, ended_on=None, condition=ACTIVE, billing_starts_on=None)
        .select_related("product")
        .order_by("product__rank", "id")
    )
    found: dict[str, Any] = {
        "begins": [_begins(charge, account) for charge in charges],
        "monthly": _sum(charges, account, is_recurring=True),
        "once": _sum(charges, account, is_recurring=False),
        "today": account.local_date(at),
        "short": _short(account),
    }
    try:
        cost = cost_of(account, partial(activate, contact_center, reason=PRICED, actor=actor, at=at))
    except (BillingFault, Refused) as fault:
        return found | {"fault": str(fault)}
    return found | _next_invoice(account, cost, found["today"])


def _short(account: Account) -> list[str]:
    """Licences that more end users hold than were bought: onboarding lets them, a live one does not (LIC-1)."""
    return [
        f"{held.product.name}: {held.assigned} assigned, {held.bought} bought"
        for held in holdings(account)
        if held.product.family == Family.CONTACT_CENTER and held.assigned > held.bought
    ]


def _begins(charge: Charge, account: Account) -> Begins:
    decimals = decimals_of(account.currency)
    priced = charge.unit_price is not None and charge.monthly is not None
    return Begins(
        label=units_words(charge.quantity, charge.product.name),
        each=unit_price_words(charge.unit_price, decimals)
        if charge.unit_price is not None
        else "no price yet",
        amount=money_words(charge.monthly, account.currency)
        if priced and charge.monthly is not None
        else "–",
        is_recurring=charge.product.is_recurring,
    )


def _sum(charges: list[Charge], account: Account, *, is_recurring: bool) -> str:
    amounts = (charge.monthly for charge in charges if charge.product.is_recurring == is_recurring)
    total = sum((amount for amount in amounts if amount is not None), Decimal(0))
    return money_words(round_half_up(total, decimals_of(account.currency)), account.currency)


def _next_invoice(account: Account, cost: Cost, today: date) -> dict[str, Any]:
    drawn: Draft = cost.after
    shown = document(*preview(account, drawn, product_names()), today=today)
    for section in shown["sections"]:
        section["subtotal"] = money_words(section["subtotal"], account.currency)
        for line in section["lines"]:
            line["amount"] = money_words(line["amount"], account.currency)
    return {
        "invoice": shown,
        "invoice_on": drawn.on,
        "lines_left": max(0, len(drawn.lines) - MOST_LINES),
        "next_now": money_words(cost.before.total, account.currency),
        "next_then": money_words(drawn.total, account.currency),
        "difference": money_words(drawn.total - cost.before.total, account.currency),
    }

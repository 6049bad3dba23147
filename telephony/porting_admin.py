"""Ports in the administration: support settles the day with the other carrier, or says why there is none.

All staff look. No field is editable: each change is an action of `telephony.porting` with its trail (ACC-5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.formats import date_format

from accounts.forms import show_refusal
from accounts.permissions import SUPPORT
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.explain import label_words
from billing.look_only import LookOnlyAdmin
from telephony.models import PortRequest, PortState
from telephony.porting import confirm_port, reject_port
from telephony.porting_queries import with_numbers

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from django.contrib.admin.views.main import ChangeList
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase
    from django.urls import URLPattern

ALL: Final = "all"


class StateFilter(admin.SimpleListFilter):
    """Those that are submitted, unless something else is asked for."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The other states, and all of them."""
        others = [(state.value, str(state.label)) for state in PortState if state != PortState.SUBMITTED]
        return [*others, (ALL, "All")]

    def choices(self, changelist: ChangeList) -> Any:
        """With the queue first, which is what an address without the filter shows."""
        asked = [(None, "Submitted"), *self.lookup_choices]
        for value, label in asked:
            kept = {self.parameter_name: value} if value else {}
            dropped = [] if value else [self.parameter_name]
            yield {
                "selected": self.value() == value,
                "query_string": changelist.get_query_string(kept, dropped),
                "display": label,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The requests in that state."""
        asked = self.value()
        if asked == ALL:
            return queryset
        return queryset.filter(state=asked if asked in PortState.values else PortState.SUBMITTED)


class ConfirmForm(forms.Form):
    """The day to which the other carrier has agreed."""

    confirmed_for = forms.DateField(
        label="Day",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="A day to come, in the account's own time zone. The numbers move on it by themselves.",
        error_messages={"required": "Give the day.", "invalid": "Give a day like 2026-11-30."},
    )


class RejectForm(forms.Form):
    """Why it is rejected."""

    reason = forms.CharField(
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="The customer reads it, on the page of the request and by mail.",
        error_messages={"required": "Say why it is rejected: the customer reads it."},
    )


@admin.register(PortRequest)
class PortRequestAdmin(LookOnlyAdmin):
    """The queue: what is submitted, the oldest first."""

    list_display = (
        "__str__",
        "account",
        "brand",
        "state",
        "how_many",
        "carrier",
        "age",
        "wanted_on",
        "confirmed_for",
    )
    list_filter = (StateFilter, "direction", "account__brand")
    list_select_related = ("account__brand",)
    search_fields = ("account__name", "account__slug", "carrier", "numbers__e164")
    search_help_text = "Account, carrier or a part of a number"
    ordering = ("created_at", "pk")
    sortable_by = ()
    list_per_page = 50
    actions = None
    fields = (
        "account",
        "direction",
        "state",
        "all_numbers",
        "carrier",
        "carrier_account",
        "authorised_by",
        "wanted_on",
        "confirmed_for",
        "done_on",
        "reason",
        "created_at",
        "created_by",
    )
    readonly_fields = fields
    change_form_template = "telephony/admin/port.html"

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Whether the person settles ports with other carriers: support, and superusers."""
        return self._is_in(request, (SUPPORT,))

    def get_urls(self) -> list[URLPattern]:
        """The pages of the two actions, and Django's own."""
        return [
            path("<int:pk>/confirm/", self._page(self.confirm), name="telephony_portrequest_confirm"),
            path("<int:pk>/reject/", self._page(self.reject), name="telephony_portrequest_reject"),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[PortRequest]:
        """With their numbers counted, and without the simulator's scratch accounts."""
        rows: QuerySet[PortRequest] = super().get_queryset(request)
        return with_numbers(rows.filter(account__is_simulation=False).select_related("account__brand"))

    @admin.display(description="Brand")
    def brand(self, port: PortRequest) -> str:
        """The account's brand."""
        return port.account.brand.name

    @admin.display(description="Numbers")
    def how_many(self, port: PortRequest) -> str:
        """The first number, and how many more."""
        first = label_words(getattr(port, "first_number", "") or "")
        more = getattr(port, "numbers_count", 1) - 1
        return f"{first} and {more} more" if more > 0 else first

    @admin.display(description="Age")
    def age(self, port: PortRequest) -> str:
        """Days since it was asked for, in the account's own dates."""
        account = port.account
        days = (account.local_date(timezone.now()) - account.local_date(port.created_at)).days
        return f"{days} day" if days == 1 else f"{days} days"

    @admin.display(description="Numbers")
    def all_numbers(self, port: PortRequest) -> str:
        """Every number of the request."""
        return ", ".join(label_words(e164) for e164 in port.numbers.values_list("e164", flat=True))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One request, to look at, with the way to what can be done with it."""
        port = self.get_object(request, object_id)
        if port is None:
            raise Http404
        context = {
            "title": f"{port} of {port.account}",
            "subtitle": None,
            "port": port,
            "may_act": self.has_act_permission(request)
            and port.state in (PortState.SUBMITTED, PortState.CONFIRMED),
        }
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def confirm(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Confirm for a day, or move the day."""
        port = self._found(request, pk)
        initial = {"confirmed_for": port.confirmed_for or port.wanted_on}
        form = ConfirmForm(request.POST if request.method == "POST" else None, initial=initial)
        is_moved = port.state == PortState.CONFIRMED

        def act(actor: Actor, at: datetime) -> str:
            on = form.cleaned_data["confirmed_for"]
            confirm_port(port, on, actor=actor, at=at)
            return f"{port} is confirmed for {date_format(on, 'DATE_FORMAT')}."

        context = {
            "title": f"{'Move the day of' if is_moved else 'Confirm'} {port} of {port.account}",
            "submit": "Move the day" if is_moved else "Confirm for this day",
        }
        return self._acted(request, port, form, act, context)

    def reject(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Reject with a reason."""
        port = self._found(request, pk)
        form = RejectForm(request.POST if request.method == "POST" else None)

        def act(actor: Actor, at: datetime) -> str:
            reject_port(port, form.cleaned_data["reason"], actor=actor, at=at)
            return f"{port} is rejected."

        context = {"title": f"Reject {port} of {port.account}", "submit": "Reject for good"}
        return self._acted(request, port, form, act, context)

    def _acted(
        self,
        request: HttpRequest,
        port: PortRequest,
        form: forms.Form,
        act: Callable[[Actor, datetime], str],
        context: dict[str, Any],
    ) -> HttpResponse:
        """Do it where the form holds, and go back to the request; else the form, saying why."""
        status = 200
        if form.is_valid():
            try:
                said = act(Actor.of(request), timezone.now())
            except Refused as refusal:
                show_refusal(form, refusal)
                status = 200 if refusal.field in form.fields else 409
            else:
                messages.success(request, said)
                return redirect("admin:telephony_portrequest_change", port.pk)
        known = {**self.admin_site.each_context(request), "opts": self.opts, "port": port, "form": form}
        return TemplateResponse(request, "telephony/admin/port_act.html", known | context, status=status)

    def _page(self, view: Callable[..., HttpResponse]) -> Callable[..., HttpResponseBase]:
        return self.admin_site.admin_view(view)

    def _found(self, request: HttpRequest, pk: int) -> PortRequest:
        """The request for somebody who may act on it; 403 for those who look, 404 where there is none."""
        if not self.has_act_permission(request):
            raise PermissionDenied
        return get_object_or_404(self.get_queryset(request), pk=pk)

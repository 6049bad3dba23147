"""Finance: who owes since when, what happens next, and suspending, lifting and holding by hand (INV-6)."""

from __future__ import annotations

from datetime import UTC, date, timedelta
from typing import TYPE_CHECKING, Final

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from accounts.exporting import csv_response
from accounts.forms import filters_of, show_refusal
from accounts.models import Account
from accounts.paging import chosen_order, page_of
from accounts.permissions import FINANCE, StaffRequest, staff_page
from accounts.refusals import Refused
from accounts.trail import Actor
from billing import finance
from billing.dunning.standings import (
    COLUMNS,
    STATES,
    Standing,
    accounts_in_dunning,
    standing_rows,
    standings_of,
)
from billing.dunning.suspending import hold, lift, suspend
from billing.dunning_forms import DunningFilter, HoldForm, LiftForm, SuspendForm

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.forms import Form
    from django.http import HttpResponse
    from django.http.response import HttpResponseBase

ORDERS: Final = {"since": ("since", "id"), "name": ("name", "id"), "brand": ("brand__name", "id")}
HELD_FOR: Final = timedelta(days=7)
"""For so long is held what nothing else is said of."""


@require_safe
@staff_page(FINANCE)
def accounts(request: StaffRequest) -> HttpResponse:
    """Accounts with something overdue, suspended or held: the one that owes longest first."""
    form, found = _asked(request)
    order = chosen_order(request.GET, ORDERS, default="since")
    page = page_of(found, order=order, query=request.GET)
    context = {
        "form": form,
        "page": page,
        "rows": standings_of(page.rows, request.at),
        "is_filtered": any(filters_of(form).values()),
        "export_url": reverse("finance:dunning-csv"),
    }
    return render(request, "finance/dunning.html", context)


@require_safe
@staff_page(FINANCE)
def accounts_csv(request: StaffRequest) -> HttpResponseBase:
    """The same accounts as a file, all of them."""
    _, found = _asked(request)
    return csv_response("dunning", COLUMNS, standing_rows(found, request.at))


@require_safe
@staff_page(FINANCE)
def account(request: StaffRequest, slug: str) -> HttpResponse:
    """One account: what is overdue, what was tried and reminded of, what comes next, and what can be done."""
    return render(request, "finance/dunning_account.html", {"standing": _standing(request, slug)})


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(FINANCE)
def suspend_by_hand(request: StaffRequest, slug: str) -> HttpResponse:
    """Suspend an account for a reason that its members read."""
    standing = _standing(request, slug)
    form = SuspendForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            suspend(
                standing.account,
                reason=form.cleaned_data["reason"],
                actor=Actor.of(request),
                at=request.at,
            )
        except Refused as refusal:
            show_refusal(form, refusal)
        else:
            messages.success(request, f"{standing.account} is suspended.")
            return redirect("finance:dunning-account", slug=slug)
    return _form_page(
        request,
        standing,
        form,
        title=f"Suspend {standing.account}",
        submit="Suspend account",
        consequences=[
            "Its members and partners can look at the panel and pay, and change nothing else.",
            "Nothing is deleted, phones go on working, and billing goes on.",
            "No payment lifts it: finance does.",
        ],
        danger=True,
    )


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(FINANCE)
def lift_by_hand(request: StaffRequest, slug: str) -> HttpResponse:
    """Lift a suspension; while something is overdue, with the day until which that is let be."""
    standing = _standing(request, slug)
    initial = {"until": _week_from(standing) if standing.late else None}
    form = LiftForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        try:
            lift(
                standing.account,
                reason=form.cleaned_data["reason"],
                hold_until=form.cleaned_data["until"],
                actor=Actor.of(request),
                at=request.at,
            )
        except Refused as refusal:
            show_refusal(form, refusal)
        else:
            messages.success(request, f"{standing.account} is suspended no longer.")
            return redirect("finance:dunning-account", slug=slug)
    return _form_page(
        request,
        standing,
        form,
        title=f"Lift the suspension of {standing.account}",
        submit="Lift suspension",
        consequences=["Its members can work in the panel again, and are told so by mail."],
    )


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(FINANCE)
def hold_by_hand(request: StaffRequest, slug: str) -> HttpResponse:
    """Let an account be until a day: no reminder, no suspension by itself."""
    standing = _standing(request, slug)
    initial = {"until": standing.account.dunning_held_until if standing.is_held else _week_from(standing)}
    form = HoldForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        until = form.cleaned_data["until"]
        try:
            hold(
                standing.account,
                until,
                reason=form.cleaned_data["reason"],
                actor=Actor.of(request),
                at=request.at,
            )
        except Refused as refusal:
            show_refusal(form, refusal)
        else:
            held = "not held any more" if until is None else f"held until {until:%B %-d, %Y}"
            messages.success(request, f"{standing.account} is {held}.")
            return redirect("finance:dunning-account", slug=slug)
    return _form_page(
        request,
        standing,
        form,
        title=f"Hold {standing.account}",
        submit="Save",
        consequences=[
            "No reminder is sent, and nothing is suspended by itself before that day.",
            "Saved cards are still asked on their days. A suspension that there is stays.",
        ],
    )


def _asked(request: StaffRequest) -> tuple[DunningFilter, QuerySet[Account]]:
    """The list's form and the accounts it lets through; what is not understood filters nothing."""
    form = DunningFilter(request.GET, brands=finance.brands())
    asked = filters_of(form)
    brand, state = asked["brand"], asked["state"]
    found = accounts_in_dunning(
        _today(request),
        search=asked["q"] or "",
        brand=int(brand) if brand else None,
        state=state if state in STATES else "",
    )
    return form, found


def _standing(request: StaffRequest, slug: str) -> Standing:
    found = Account.objects.select_related("brand").filter(slug=slug, is_simulation=False).first()
    if found is None:
        raise Http404
    return standings_of([found], request.at)[0]


def _form_page(
    request: StaffRequest,
    standing: Standing,
    form: Form,
    *,
    title: str,
    submit: str,
    consequences: list[str],
    danger: bool = False,
) -> HttpResponse:
    context = {
        "standing": standing,
        "form": form,
        "title": title,
        "submit": submit,
        "consequences": consequences,
        "danger": danger,
    }
    return render(request, "finance/dunning_form.html", context)


def _today(request: StaffRequest) -> date:
    """The day by which invoices of all time zones are called overdue."""
    return request.at.astimezone(UTC).date()


def _week_from(standing: Standing) -> date:
    return standing.today + HELD_FOR

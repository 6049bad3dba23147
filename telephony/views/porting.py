"""Ports: requests to bring numbers along from another carrier or to take them there (NUM-1, BIL-3, BIL-5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from django.contrib import messages
from django.db import transaction
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.exporting import csv_response
from accounts.forms import filters_of, show_refusal
from accounts.paging import chosen_order, page_of
from accounts.permissions import AccountRequest, account_page
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.explain import label_words
from telephony.bulk import MOST_AT_ONCE
from telephony.models import PortDirection, PortRequest, PortState
from telephony.numbering import read_number
from telephony.porting import (
    cancel_port,
    check_numbers,
    move_numbers,
    read_numbers,
    request_port,
    submit_port,
)
from telephony.porting_forms import PortFilter, PortForm, PortInForm, PortOutForm
from telephony.porting_queries import account_ports, history_of, number_tariff, portable, steps_of
from telephony.queries import Choice
from telephony.views.choosing import Group, is_preview, search_of
from telephony.views.costs import Priced, priced
from telephony.views.numbers import number_tabs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet
    from django.http import HttpResponse, StreamingHttpResponse

    from accounts.exporting import Cell

ORDERS: Final = {
    "asked": ("pk",),
    "carrier": ("carrier", "pk"),
    "state": ("state", "pk"),
    "direction": ("direction", "pk"),
}
COLUMNS: Final = (
    "request",
    "direction",
    "state",
    "numbers",
    "carrier",
    "account number there",
    "authorised by",
    "asked on",
    "wanted on",
    "confirmed for",
    "done on",
    "reason",
)
CHOICES_SHOWN: Final = 40


@dataclass(frozen=True, slots=True)
class PortCost:
    """What the cost box of a port says: the bill as it would be if the numbers moved on the day `on`.

    Beyond so many numbers as one action takes, what they cost by kind (`tariff`) in place of that.
    """

    on: date
    cost: Priced = field(default_factory=Priced)
    tariff: Sequence[dict[str, object]] = ()


@require_safe
@account_page()
def ports(request: AccountRequest) -> HttpResponse:
    """The account's requests, searched, filtered and sorted."""
    form, found = _asked(request)
    order = chosen_order(request.GET, ORDERS, default="-asked")
    page = page_of(found, order=order, query=request.GET)
    context = {
        "form": form,
        "page": page,
        "is_filtered": any(filters_of(form).values()),
        "tabs": number_tabs(request, "ports"),
        "export_url": reverse("telephony:number-ports-csv", kwargs={"account": request.account.slug}),
    }
    return render(request, "telephony/ports.html", context)


@require_safe
@account_page()
def ports_csv(request: AccountRequest) -> StreamingHttpResponse:
    """The same requests as a file, all of them."""
    _, found = _asked(request)
    account = request.account

    def rows() -> Iterator[list[Cell]]:
        for each in found.order_by("-pk").prefetch_related("numbers").iterator(chunk_size=500):
            yield [
                each.pk,
                each.direction,
                each.state,
                "; ".join(number.e164 for number in each.numbers.all()),
                each.carrier,
                each.carrier_account,
                each.authorised_by,
                account.local_date(each.created_at),
                each.wanted_on,
                each.confirmed_for,
                each.done_on,
                each.reason,
            ]

    return csv_response(f"{account.slug}-porting", COLUMNS, rows())


@require_safe
@account_page()
def port(request: AccountRequest, pk: int) -> HttpResponse:
    """One request: its states, its numbers, and what it will change on the bill while it is open."""
    found = _own_port(request, pk)
    numbers = list(found.numbers.values_list("e164", flat=True))
    cost = None
    if found.is_open:
        day = found.confirmed_for or found.wanted_on
        cost = _cost(request, PortDirection(found.direction), numbers, day)
    context = {
        "port": found,
        "numbers": numbers,
        "steps": steps_of(found),
        "history": history_of(found),
        "port_cost": cost,
        "is_draft": found.state == PortState.DRAFT,
    }
    return render(request, "telephony/port.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def port_in(request: AccountRequest) -> HttpResponse:
    """Ask for numbers to come from another carrier; what they will cost stands before the buttons (BIL-3)."""
    form = PortInForm(request.POST) if request.method == "POST" else PortInForm(initial=request.GET.dict())
    answer = _taken(request, form, PortDirection.IN)
    if answer is not None:
        return answer
    numbers, cost = _probed(request, PortInForm, PortDirection.IN)
    context = {
        "form": form,
        "port_cost": cost,
        "has_numbers": bool(numbers),
        "tariff": number_tariff(request.account, request.today, {}),
    }
    return render(request, "telephony/port_in.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def port_out(request: AccountRequest) -> HttpResponse:
    """Ask for numbers of the account to go to another carrier; what is no longer billed stands before the buttons."""
    form = PortOutForm(request.POST) if request.method == "POST" else PortOutForm(initial=request.GET.dict())
    answer = _taken(request, form, PortDirection.OUT)
    if answer is not None:
        return answer
    search = search_of(request)
    chosen, cost = _probed(request, PortOutForm, PortDirection.OUT)
    found = list(portable(request.account, request.today, search)[: CHOICES_SHOWN + 1])
    offered = [
        Choice(
            number.e164,
            label_words(number.e164),
            str(number.holder or number.get_state_display()),
            is_chosen=number.e164 in chosen,
        )
        for number in found[:CHOICES_SHOWN]
    ]
    shown = {choice.value for choice in offered}
    kept = [Choice(e164, label_words(e164), is_chosen=True) for e164 in chosen if e164 not in shown]
    context = {
        "form": form,
        "search": search,
        "groups": [Group("Chosen", kept), Group("Your numbers", offered)],
        "is_empty": not (found or search or chosen),
        "has_more": len(found) > CHOICES_SHOWN,
        "port_cost": cost,
    }
    return render(request, "telephony/port_out.html", context)


@require_POST
@account_page()
def port_submit(request: AccountRequest, pk: int) -> HttpResponse:
    """Hand a draft in."""
    found = _own_port(request, pk)
    try:
        submit_port(found, actor=Actor.of(request), at=request.at)
    except Refused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"{found} is submitted. We settle the day with {found.carrier}.")
    return redirect("telephony:number-port", account=request.account.slug, pk=pk)


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def port_cancel(request: AccountRequest, pk: int) -> HttpResponse:
    """Ask, then take a request back."""
    found = _own_port(request, pk)
    refusal = None
    if request.method == "POST":
        try:
            cancel_port(found, actor=Actor.of(request), at=request.at)
        except Refused as refused:
            refusal = refused
        else:
            messages.success(request, f"{found} is cancelled. Nothing moves.")
            return redirect("telephony:number-port", account=request.account.slug, pk=pk)
    elif not found.is_open:
        refusal = Refused(f"{found} is {found.get_state_display().lower()}. There is nothing to cancel.")
    context = {"port": found, "refusal": refusal, "consequences": _left_undone(found)}
    return render(
        request,
        "telephony/port_cancel.html",
        context,
        status=400 if refusal and request.method == "POST" else 200,
    )


def _taken(request: AccountRequest, form: PortForm, direction: PortDirection) -> HttpResponse | None:
    """Where the form was sent and holds, the way to the new request; else None, and the form says why."""
    if request.method != "POST" or is_preview(request) or not form.is_valid():
        return None
    cleaned = form.cleaned_data
    actor, is_submitted = Actor.of(request), "draft" not in request.POST
    try:
        with transaction.atomic():
            made = request_port(
                request.account,
                direction,
                cleaned["numbers"],
                carrier=cleaned["carrier"],
                authorised_by=cleaned["authorised_by"],
                carrier_account=cleaned.get("carrier_account", ""),
                wanted_on=cleaned["wanted_on"],
                actor=actor,
                at=request.at,
            )
            if is_submitted:
                submit_port(made, actor=actor, at=request.at)
    except Refused as refusal:
        show_refusal(form, refusal)
        return None
    if is_submitted:
        messages.success(request, f"{made} is submitted. We settle the day with {made.carrier}.")
    else:
        messages.success(request, f"{made} is kept as a draft. Submit it when it is ready.")
    return redirect("telephony:number-port", account=request.account.slug, pk=made.pk)


def _probed(
    request: AccountRequest, of: type[PortForm], direction: PortDirection
) -> tuple[list[str], PortCost | None]:
    """The numbers in what was sent so far, as they were typed, and what moving them would cost.

    The rest of the form may still be empty while the cost follows the numbers.
    """
    probe = of(request.POST if request.method == "POST" else request.GET)
    probe.is_valid()
    numbers: list[str] = probe.cleaned_data.get("numbers") or []
    day: date | None = probe.cleaned_data.get("wanted_on")
    if not numbers:
        return [], None
    try:
        e164s = read_numbers(numbers)
        check_numbers(request.account, direction, e164s)
    except Refused as refusal:
        return numbers, PortCost(_day_of(request, day), Priced(refusal=refusal))
    return numbers, _cost(request, direction, e164s, day)


def _cost(
    request: AccountRequest, direction: PortDirection, numbers: Sequence[str], day: date | None
) -> PortCost:
    """What it costs if these numbers, in E.164, move on that day, or on the first that there is."""
    account, on = request.account, _day_of(request, day)
    if len(numbers) > MOST_AT_ONCE:
        kinds = Counter(read_number(e164).kind for e164 in numbers)
        return PortCost(on, tariff=number_tariff(account, request.today, dict(kinds)))
    actor, at = Actor.of(request), request.at
    return PortCost(
        on, priced(account, lambda: move_numbers(account, direction, numbers, on, actor=actor, at=at))
    )


def _day_of(request: AccountRequest, day: date | None) -> date:
    tomorrow = request.today + timedelta(days=1)
    return max(day, tomorrow) if day else tomorrow


def _left_undone(found: PortRequest) -> list[str]:
    if found.direction == PortDirection.IN:
        return [f"The numbers stay with {found.carrier}, and nothing is billed for them here."]
    return ["The numbers stay in your account and are billed on as they are."]


def _own_port(request: AccountRequest, pk: int) -> PortRequest:
    """The account's request by its key; 404 for another account's (ACC-4)."""
    return get_object_or_404(PortRequest.objects.select_related("account"), pk=pk, account=request.account)


def _asked(request: AccountRequest) -> tuple[PortFilter, QuerySet[PortRequest]]:
    form = PortFilter(request.GET)
    asked = filters_of(form)
    found = account_ports(
        request.account,
        search=asked["q"] or "",
        direction=asked["direction"] or "",
        state=asked["state"] or "",
    )
    return form, found

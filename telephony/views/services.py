"""The account's services: the list, one service with its numbers, adding, changing and removing one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from accounts.exporting import csv_response
from accounts.extensions import next_free_extension
from accounts.forms import filters_of, show_refusal
from accounts.paging import chosen_order, page_of
from accounts.permissions import AccountRequest, account_page
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.explain import label_words
from telephony.forms import EditServiceForm, ServiceFilter, ServiceForm, chosen_kind
from telephony.models import Service, ServiceKind
from telephony.queries import (
    Choice,
    account_services,
    holder_numbers,
    service_prices,
    service_rows,
    token_of,
)
from telephony.services import ADDABLE, add_service, remove_service, rename_service
from telephony.views.choosing import Group, is_preview
from telephony.views.costs import Priced, priced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet
    from django.http import HttpResponse, StreamingHttpResponse

    from accounts.exporting import Cell

ORDERS: Final = {
    "name": ("name", "pk"),
    "kind": ("kind", "name", "pk"),
    "extension": ("extension", "name", "pk"),
    "added": ("added_on", "pk"),
}
COLUMNS: Final = ("name", "kind", "extension", "numbers", "monthly", "currency", "billed from", "added on")
KINDS: Final = {
    ServiceKind.RESOURCE_LINE: "A phone for a place rather than a person: lobby, kitchen, meeting room.",
    ServiceKind.FAX_LINE: "A line for a fax machine.",
    ServiceKind.WEBFAX: "Faxes that come and go by e-mail and web.",
    ServiceKind.AUTO_ATTENDANT: "Greets callers and leads them on by a menu.",
    ServiceKind.HUNT_GROUP: "Rings several people, one after the other or all at once.",
}
CHUNK: Final = 500

# What rooms above show on a service's page, below its own: markup, "" for nothing.
Section = Callable[[AccountRequest, Service], str]
_sections: list[Section] = []


def register_section(section: Section) -> Section:
    """Have a part of a service's page drawn by a room above."""
    if section not in _sections:
        _sections.append(section)
    return section


def own_service(request: AccountRequest, pk: int) -> Service:
    """The account's service by its key; 404 for another account's, and for one removed (ACC-4)."""
    services = Service.objects.select_related("account")
    return get_object_or_404(services, pk=pk, account=request.account, removed_on=None)


@require_safe
@account_page()
def services(request: AccountRequest) -> HttpResponse:
    """The account's services with their numbers and what they cost, searched, filtered and sorted."""
    form, found = _asked(request)
    order = chosen_order(request.GET, ORDERS, default="name")
    page = page_of(found, order=order, query=request.GET)
    context = {
        "form": form,
        "page": page,
        "rows": service_rows(request.account, page.rows),
        "is_filtered": any(filters_of(form).values()),
        "export_url": reverse("telephony:services-csv", kwargs={"account": request.account.slug}),
    }
    return render(request, "telephony/services.html", context)


@require_safe
@account_page()
def services_csv(request: AccountRequest) -> StreamingHttpResponse:
    """The same services as a file, all of them."""
    _, found = _asked(request)
    account = request.account

    def rows() -> Iterator[list[Cell]]:
        chunk: list[Service] = []
        for service in found.order_by("name", "pk").iterator(chunk_size=CHUNK):
            chunk.append(service)
            if len(chunk) == CHUNK:
                yield from lines(chunk)
                chunk = []
        yield from lines(chunk)

    def lines(chunk: list[Service]) -> Iterator[list[Cell]]:
        for row in service_rows(account, chunk):
            service = row.service
            yield [
                service.name,
                service.kind,
                service.extension,
                "; ".join(row.numbers),
                row.monthly,
                account.currency,
                row.starts_on,
                service.added_on,
            ]

    return csv_response(f"{account.slug}-services", COLUMNS, rows())


@require_safe
@account_page()
def service(request: AccountRequest, pk: int) -> HttpResponse:
    """One service: details, what it costs, and its numbers with the included one first."""
    found = own_service(request, pk)
    assign = reverse("telephony:number-assign-to", kwargs={"account": request.account.slug})
    context = {
        "service": found,
        "row": service_rows(request.account, [found])[0],
        "numbers": holder_numbers(found, request.today),
        "assign_url": f"{assign}?to={token_of(found)}",
        "may_remove": found.kind in ADDABLE,
        "sections": [section(request, found) for section in _sections],
    }
    return render(request, "telephony/service.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def service_add(request: AccountRequest) -> HttpResponse:
    """Add a service; its price stands by its kind, and the cost before the button (BIL-3, NUM-5)."""
    account, actor = request.account, Actor.of(request)
    cost = Priced()
    if request.method == "POST":
        form = ServiceForm(request.POST, account=account)
        if form.is_valid() and not is_preview(request):
            cleaned = form.cleaned_data
            try:
                added = add_service(
                    account,
                    ServiceKind(cleaned["kind"]),
                    cleaned["name"],
                    extension=cleaned["extension"],
                    actor=actor,
                    at=request.at,
                )
            except Refused as refusal:
                show_refusal(form, refusal)
            else:
                messages.success(request, f"{added.get_kind_display()} {added} added.")
                return redirect("telephony:service", account=account.slug, pk=added.pk)
    else:
        initial = {"extension": next_free_extension(account), **request.GET.dict()}
        form = ServiceForm(account=account, initial=initial)
    kind = chosen_kind(form)
    if kind is not None:
        # What a service costs hangs on its kind alone; the name may not be written yet.
        probe = uuid4().hex
        cost = priced(account, lambda: add_service(account, kind, probe, actor=actor, at=request.at))
        for line in cost.box["lines"] if cost.box else ():
            line["label"] = line["label"].removesuffix(f" {probe}")
    prices = service_prices(account, request.today)
    choices = [
        Choice(
            value=kind_.value,
            label=kind_.label,
            detail=KINDS[kind_],
            amount=prices.get(kind_),
            is_chosen=kind_ == kind,
        )
        for kind_ in ADDABLE
    ]
    context = {"form": form, "groups": [Group("", choices)], "cost": cost}
    return render(request, "telephony/service_add.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def service_edit(request: AccountRequest, pk: int) -> HttpResponse:
    """Change a service's name and extension; coming invoices show the new name (NUM-6)."""
    found = own_service(request, pk)
    initial = {"name": found.name, "extension": found.extension}
    form = EditServiceForm(
        request.POST if request.method == "POST" else None, account=request.account, initial=initial
    )
    if form.is_valid():
        try:
            rename_service(found, **form.cleaned_data, actor=Actor.of(request), at=request.at)
        except Refused as refusal:
            show_refusal(form, refusal)
        else:
            messages.success(request, "Saved.")
            return redirect("telephony:service", account=request.account.slug, pk=pk)
    return render(request, "telephony/service_edit.html", {"form": form, "service": found})


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def service_remove(request: AccountRequest, pk: int) -> HttpResponse:
    """Say what removing a service does and costs, then do it: its numbers are parked."""
    found, actor = own_service(request, pk), Actor.of(request)
    refusal = None
    if request.method == "POST":
        try:
            remove_service(found, actor=actor, at=request.at)
        except Refused as refused:
            refusal = refused
        else:
            messages.success(request, f"{found} was removed.")
            return redirect("telephony:services", account=request.account.slug)
    cost = priced(request.account, lambda: remove_service(found, actor=actor, at=request.at))
    context = {
        "service": found,
        "refusal": refusal or cost.refusal,
        "cost": cost,
        "consequences": list(_removal_of(request, found)),
    }
    return render(request, "telephony/service_remove.html", context, status=400 if refusal else 200)


def _removal_of(request: AccountRequest, found: Service) -> Iterator[str]:
    """What removing a service does, in sentences; what it costs stands in the cost box."""
    for row in holder_numbers(found, request.today):
        yield f"{label_words(row.number.e164)} is parked and stays yours."
    if found.extension:
        yield f"Extension {found.extension} is free for somebody else."
    if found.kind == ServiceKind.AUTO_ATTENDANT:
        others = Service.objects.filter(
            account=request.account, kind=ServiceKind.AUTO_ATTENDANT, removed_on=None
        )
        earliest = list(others.order_by("added_on", "pk")[:2])
        if len(earliest) == 2 and earliest[0].pk == found.pk:
            yield f"{earliest[1]} becomes the complimentary auto attendant."
    yield "Invoices and the activity keep the name."


def _asked(request: AccountRequest) -> tuple[ServiceFilter, QuerySet[Service]]:
    form = ServiceFilter(request.GET)
    asked = filters_of(form)
    return form, account_services(request.account, search=asked["q"] or "", kind=asked["kind"] or "")

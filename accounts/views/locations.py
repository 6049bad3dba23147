"""Locations with their emergency (E911) addresses: the list, one of them, adding, editing, removing."""

from __future__ import annotations

import hashlib
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from accounts.addresses import Address, country_name
from accounts.exporting import csv_response
from accounts.forms import filters_of, show_refusal
from accounts.location_forms import COMPLETE, LocationFilter, LocationForm, initial_of
from accounts.locations import (
    USERS,
    Presence,
    add_location,
    counts_at,
    edit_location,
    locations_of,
    presence_at,
    remove_location,
)
from accounts.models import Location
from accounts.paging import chosen_order, page_of
from accounts.permissions import AccountRequest, account_page
from accounts.refusals import Refused
from accounts.trail import Actor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet
    from django.http import HttpResponse, StreamingHttpResponse

    from accounts.exporting import Cell

ORDERS: Final = {
    "name": ("name", "pk"),
    "city": ("city", "name", "pk"),
    "region": ("country", "region", "city", "pk"),
}
COLUMNS: Final = (
    "name",
    "street",
    "city",
    "region",
    "postal code",
    "country",
    "emergency address",
    "there",
)
FIRST_SHOWN: Final = 12
"""Of those who are at a location, so many are named on its page."""
FIRST_ASKED: Final = 5
"""And so many before its address is changed."""
CHUNK: Final = 500


@require_safe
@account_page()
def locations(request: AccountRequest) -> HttpResponse:
    """The account's locations, searched, filtered and sorted, with who and what is at each."""
    form, found = _asked(request)
    page = page_of(found, order=chosen_order(request.GET, ORDERS, default="name"), query=request.GET)
    there = counts_at(page.rows)
    context = {
        "form": form,
        "page": page,
        "rows": [(location, there[location.pk]) for location in page.rows],
        "is_filtered": any(filters_of(form).values()),
        "export_url": reverse("accounts:locations-csv", kwargs={"account": request.account.slug}),
    }
    return render(request, "accounts/locations.html", context)


@require_safe
@account_page()
def locations_csv(request: AccountRequest) -> StreamingHttpResponse:
    """The same locations as a file, all of them."""
    _, found = _asked(request)
    ordered = found.order_by("name", "pk").iterator(chunk_size=CHUNK)

    def rows() -> Iterator[list[Cell]]:
        while chunk := list(islice(ordered, CHUNK)):
            there = counts_at(chunk)
            for location in chunk:
                yield [
                    location.name,
                    location.street,
                    location.city,
                    location.region,
                    location.postal_code,
                    location.country,
                    "complete" if location.is_complete else "incomplete",
                    there[location.pk],
                ]

    return csv_response(f"{request.account.slug}-locations", COLUMNS, rows())


@require_safe
@account_page()
def location(request: AccountRequest, pk: int) -> HttpResponse:
    """One location: its emergency address, and who and what is there."""
    found = _own_location(request, pk)
    users = reverse("accounts:end-users", kwargs={"account": request.account.slug})
    context = {
        "location": found,
        "country": country_name(found.country),
        "presence": [
            (presence, f"{users}?location={found.pk}" if presence.use == USERS else "")
            for presence in presence_at(found, FIRST_SHOWN)
        ],
    }
    return render(request, "accounts/location.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def location_add(request: AccountRequest) -> HttpResponse:
    """Add a location with its emergency address."""
    form = LocationForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            added = add_location(
                request.account,
                name=form.cleaned_data["name"],
                address=form.address(),
                actor=Actor.of(request),
                at=request.at,
            )
        except Refused as refusal:
            show_refusal(form, refusal)
        else:
            messages.success(request, f"{added} added.")
            return redirect("accounts:location", account=request.account.slug, pk=added.pk)
    return _form_page(request, form, title="Add location", submit="Add location")


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def location_edit(request: AccountRequest, pk: int) -> HttpResponse:
    """Change a location; a change of its address is asked about first where it concerns somebody."""
    found = _own_location(request, pk)
    form = LocationForm(request.POST if request.method == "POST" else None, initial=initial_of(found))
    presence = presence_at(found, FIRST_ASKED)
    if form.is_valid():
        address = form.address()
        if (
            presence
            and address != found.address
            and request.POST.get("seen") != _seen(found, address, presence)
        ):
            return _ask(request, found, form, presence)
        try:
            edit_location(
                found,
                name=form.cleaned_data["name"],
                address=address,
                actor=Actor.of(request),
                at=request.at,
            )
        except Refused as refusal:
            show_refusal(form, refusal)
        else:
            messages.success(request, "Saved.")
            return redirect("accounts:location", account=request.account.slug, pk=pk)
    return _form_page(
        request, form, title=f"Edit {found}", submit="Save changes", location=found, presence=presence
    )


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def location_remove(request: AccountRequest, pk: int) -> HttpResponse:
    """Say what is in the way of removing a location, or ask, then remove it."""
    found = _own_location(request, pk)
    refusal = None
    if request.method == "POST":
        try:
            remove_location(found, actor=Actor.of(request), at=request.at)
        except Refused as refused:
            refusal = refused
        else:
            messages.success(request, f"{found} was removed.")
            return redirect("accounts:locations", account=request.account.slug)
    context = {"location": found, "refusal": refusal, "presence": presence_at(found, FIRST_ASKED)}
    return render(request, "accounts/location_remove.html", context, status=400 if refusal else 200)


def _own_location(request: AccountRequest, pk: int) -> Location:
    """The account's location by its key; 404 for another account's (ACC-4)."""
    return get_object_or_404(Location.objects.select_related("account"), pk=pk, account=request.account)


def _asked(request: AccountRequest) -> tuple[LocationFilter, QuerySet[Location]]:
    form = LocationFilter(request.GET)
    asked = filters_of(form)
    wanted = asked["address"]
    return form, locations_of(
        request.account, search=asked["q"] or "", is_complete=wanted == COMPLETE if wanted else None
    )


def _form_page(
    request: AccountRequest,
    form: LocationForm,
    *,
    title: str,
    submit: str,
    location: Location | None = None,
    presence: list[Presence] | None = None,
) -> HttpResponse:
    context: dict[str, Any] = {
        "form": form,
        "title": title,
        "submit": submit,
        "location": location,
        "presence": presence or [],
    }
    return render(request, "accounts/location_form.html", context, status=400 if form.is_bound else 200)


def _ask(
    request: AccountRequest, location: Location, form: LocationForm, presence: list[Presence]
) -> HttpResponse:
    """Before a change of the emergency address: from where, to where, and whom it concerns."""
    address = form.address()
    kept = [(field.html_name, field.value()) for field in form]
    context = {
        "location": location,
        "before": location.address.words,
        "after": address.words,
        "presence": presence,
        "kept": [*kept, ("seen", _seen(location, address, presence))],
    }
    return render(request, "accounts/location_concerns.html", context)


def _seen(location: Location, address: Address, presence: list[Presence]) -> str:
    """What a person who was asked has seen: the address before and after, and how many it concerns."""
    seen = (location.address, address, [(each.use.many, each.count) for each in presence])
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:32]

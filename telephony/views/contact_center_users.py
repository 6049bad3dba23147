"""Who has Contact Center, and which numbers ring there (ONB-4)."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from accounts.exporting import csv_response
from accounts.forms import filters_of
from accounts.models import EndUser
from accounts.paging import chosen_order, page_of
from accounts.refusals import Refused
from accounts.trail import Actor
from telephony.contact_center_forms import (
    BARRED,
    USER_ACTIONS,
    WITH,
    WITHOUT,
    ContactCenterNumberFilter,
    ContactCenterUserFilter,
    UsersForm,
)
from telephony.contact_center_queries import (
    accesses,
    assigned_users,
    bought_licences,
    contact_center_users,
)
from telephony.contact_center_users import assign_users, unassign_users
from telephony.models import NumberState
from telephony.queries import account_numbers, token_of, with_costs
from telephony.views.contact_center import FORM, cc_address, installed_page, tabs_of
from telephony.views.numbers import CHUNK, numbers_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet
    from django.http import HttpResponse, StreamingHttpResponse

    from accounts.exporting import Cell
    from accounts.permissions import AccountRequest
    from telephony.models import ContactCenter, Number

USER_ORDERS: Final = {
    "name": ("name", "pk"),
    "extension": ("extension", "pk"),
    "department": ("department", "name", "pk"),
}
COLUMNS: Final = ("name", "email", "extension", "department", "contact center since", "access")
NUMBER_ORDERS: Final = {"number": ("e164", "pk"), "region": ("country", "region", "e164", "pk")}


@require_http_methods(FORM)
@installed_page()
def users(request: AccountRequest, contact_center: ContactCenter) -> HttpResponse:
    """The account's end users with and without Contact Center; a POST assigns or takes it, for all chosen or none."""
    refusal: Refused | None = None
    chosen: set[int] = set()
    if request.method == "POST":
        form = UsersForm(request.POST)
        try:
            if not form.is_valid():
                raise Refused(f"{next(iter(form.errors.values()))[0]} Nothing was changed.")
            chosen = set(form.cleaned_data["selected"])
            done = _carry_out(request, contact_center, form.cleaned_data["action"], chosen)
            messages.success(request, done)
        except Refused as refused:
            refusal = refused
        else:
            return redirect(request.get_full_path())
    filters, found = _users_asked(request, contact_center)
    order = chosen_order(request.GET, USER_ORDERS, default="name")
    page = page_of(found, order=order, query=request.GET)
    given = accesses(contact_center, page.rows, request.today)
    context = {
        "contact_center": contact_center,
        "tabs": tabs_of(request, "contact-center-users"),
        "form": filters,
        "page": page,
        "rows": [
            (
                end_user,
                given.get(end_user.pk),
                [
                    ("action", "unassign" if vars(end_user)["since"] else "assign"),
                    ("selected", end_user.pk),
                ],
            )
            for end_user in page.rows
        ],
        "here": request.get_full_path(),
        "is_filtered": any(filters_of(filters).values()),
        "export_url": cc_address(request, "contact-center-users-csv"),
        "chosen": chosen,
        "refusal": refusal,
        "assigned": assigned_users(contact_center),
        "bought": bought_licences(contact_center),
        "bulk_actions": [
            {"value": value, "label": label, "kind": "plain"} for value, label in USER_ACTIONS.items()
        ],
    }
    status = 400 if refusal else 200
    return render(request, "telephony/contact_center/users.html", context, status=status)


@require_safe
@installed_page()
def users_csv(request: AccountRequest, contact_center: ContactCenter) -> StreamingHttpResponse:
    """The same end users as a file, all of them; `access` says why an assignment gives none today (SUB-8)."""
    _, found = _users_asked(request, contact_center)
    everybody = found.order_by("name", "pk").iterator(chunk_size=CHUNK)

    def rows() -> Iterator[list[Cell]]:
        for chunk in iter(lambda: list(islice(everybody, CHUNK)), []):
            given = accesses(contact_center, chunk, request.today)
            for end_user in chunk:
                access = given.get(end_user.pk)
                since = vars(end_user)["since"]
                yield [
                    end_user.name,
                    end_user.email,
                    end_user.extension,
                    end_user.department,
                    since,
                    access.words if access else "",
                ]

    return csv_response(f"{request.account.slug}-contact-center-users", COLUMNS, rows())


def _users_asked(
    request: AccountRequest, contact_center: ContactCenter
) -> tuple[ContactCenterUserFilter, QuerySet[EndUser]]:
    """The filters of the address, and the end users that they let through."""
    filters = ContactCenterUserFilter(request.GET)
    asked = filters_of(filters)
    wanted = asked["contact_center"]
    found = contact_center_users(
        contact_center,
        search=asked["q"] or "",
        has_it=wanted == WITH if wanted in (WITH, WITHOUT) else None,
        barred_on=request.today if wanted == BARRED else None,
    )
    return filters, found


def _carry_out(request: AccountRequest, contact_center: ContactCenter, action: str, chosen: set[int]) -> str:
    """Assign or take for all who were chosen; returns what was done, in words."""
    found = list(EndUser.objects.filter(account=request.account, pk__in=chosen).order_by("name", "pk"))
    if len(found) != len(chosen):
        raise Http404
    for end_user in found:
        end_user.account = request.account
    is_assigning = action == "assign"
    act = assign_users if is_assigning else unassign_users
    act(contact_center, found, actor=Actor.of(request), at=request.at)
    who = str(found[0]) if len(found) == 1 else f"{len(found)} users"
    return f"Contact Center assigned to {who}." if is_assigning else f"Contact Center taken from {who}."


@require_safe
@installed_page()
def numbers(request: AccountRequest, contact_center: ContactCenter) -> HttpResponse:
    """The local and toll-free numbers that ring in the contact center, each with its cost (NUM-4)."""
    form, found = _numbers_asked(request, contact_center)
    order = chosen_order(request.GET, NUMBER_ORDERS, default="number")
    page = page_of(found, order=order, query=request.GET)
    assign = reverse("telephony:number-assign-to", kwargs={"account": request.account.slug})
    context = {
        "contact_center": contact_center,
        "tabs": tabs_of(request, "contact-center-numbers"),
        "form": form,
        "page": page,
        "rows": with_costs(request.account, page.rows, request.today),
        "is_filtered": any(filters_of(form).values()),
        "export_url": cc_address(request, "contact-center-numbers-csv"),
        "assign_url": f"{assign}?to={token_of(contact_center.service)}",
    }
    return render(request, "telephony/contact_center/numbers.html", context)


@require_safe
@installed_page()
def numbers_csv(request: AccountRequest, contact_center: ContactCenter) -> StreamingHttpResponse:
    """The same numbers as a file, all of them."""
    _, found = _numbers_asked(request, contact_center)
    return numbers_file(request, "contact-center-numbers", found)


def _numbers_asked(
    request: AccountRequest, contact_center: ContactCenter
) -> tuple[ContactCenterNumberFilter, QuerySet[Number]]:
    """The filters of the address, and the contact center's numbers that they let through."""
    form = ContactCenterNumberFilter(request.GET)
    asked = filters_of(form)
    found = account_numbers(
        request.account,
        today=request.today,
        search=asked["q"] or "",
        state=NumberState.ASSIGNED,
        kind=asked["kind"] or "",
    )
    return form, found.filter(service=contact_center.service)

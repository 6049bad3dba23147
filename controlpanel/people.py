"""End users with all that they have: details from accounts, licences from billing, numbers from telephony."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, cast

from django import forms
from django.contrib import messages
from django.db.models import CharField, Exists, OuterRef, Q
from django.db.models.functions import Cast
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods, require_safe

from accounts.exporting import csv_response
from accounts.forms import EndUserFilter, EndUserForm, filters_of, show_refusal
from accounts.models import AuditEntry, EndUser
from accounts.paging import chosen_order, page_of
from accounts.permissions import ADMINS, AccountRequest, account_page
from accounts.queries import departments_of, end_users_of
from accounts.refusals import Refused
from accounts.trail import Actor
from accounts.views.end_users import form_page, own_end_user
from billing.access import access_by, first_ending, gives_none, told_by
from billing.catalogue import prices_on
from billing.licences import UC_LICENCE
from billing.models import Charge, LicenceAssignment, Product
from billing.views.user_licences import held_by, tabs_of
from controlpanel.navigation import address
from controlpanel.templatetags.ui import format_day, format_money, phone
from hardware.queries import holder_devices
from telephony.charging import NUMBER_PRODUCTS
from telephony.end_users import edit_end_user, remove_end_user
from telephony.models import Number, NumberHolding, NumberKind
from telephony.queries import holder_numbers, token_of

if TYPE_CHECKING:
    from datetime import date

    from django.db.models import QuerySet
    from django.http import HttpResponse, StreamingHttpResponse

    from accounts.exporting import Cell

ORDERS: Final = {
    "name": ("name", "pk"),
    "extension": ("extension", "pk"),
    "department": ("department", "name", "pk"),
    "location": ("place", "name", "pk"),
}
NO_LICENCE: Final = "none"
WITHOUT_ACCESS: Final = "without"
COLUMNS: Final = (
    "name",
    "e-mail",
    "extension",
    "department",
    "location",
    "licences",
    "without access",
    "numbers",
    "added on",
)
LATELY: Final = 6


@dataclass(frozen=True, slots=True)
class Person:
    """An end user as the list shows it: numbers in E.164, the included one first.

    `barred`: what licences give no access today and why, in words with ISO dates (SUB-8).
    """

    end_user: EndUser
    licences: Sequence[str]
    barred: Sequence[str]
    numbers: Sequence[str]

    @property
    def more_numbers(self) -> int:
        """How many there are beside the first."""
        return len(self.numbers) - 1


class PeopleFilter(EndUserFilter):
    """What the list can be narrowed to: also by licence."""

    licence = forms.ChoiceField(required=False)
    access = forms.ChoiceField(
        required=False, choices=[("", "Any access"), (WITHOUT_ACCESS, "Without access")]
    )

    def __init__(
        self, data: Any, *, request: AccountRequest, departments: list[str], licences: Sequence[Product]
    ) -> None:
        super().__init__(data, account=request.account, departments=departments)
        cast(forms.ChoiceField, self.fields["licence"]).choices = [
            ("", "Any licence"),
            *((product.pk, product.name) for product in licences),
            (NO_LICENCE, "No licence"),
        ]


@require_safe
@account_page()
def end_users(request: AccountRequest) -> HttpResponse:
    """The account's end users, searched, filtered and sorted, with their licences and numbers."""
    licences = list(_licences().annotate(**first_ending(request.account, request.today)))
    endings, more_endings = told_by(licences[0] if licences else None, request.today)
    form, found = _asked(request, licences)
    order = chosen_order(request.GET, ORDERS, default="name")
    page = page_of(found, order=order, query=request.GET)
    context = {
        "form": form,
        "page": page,
        "people": list(_people(page.rows, request.today)),
        "endings": endings,
        "more_endings": more_endings,
        "is_filtered": any(filters_of(form).values()),
        "export_url": reverse("accounts:end-users-csv", kwargs={"account": request.account.slug}),
    }
    return render(request, "controlpanel/people.html", context)


@require_safe
@account_page()
def end_users_csv(request: AccountRequest) -> StreamingHttpResponse:
    """The same people as a file, all of them."""
    _, found = _asked(request, list(_licences()))
    end_users = found.order_by("name", "pk").iterator(chunk_size=500)

    def rows() -> Iterator[list[Cell]]:
        while chunk := list(islice(end_users, 500)):
            for person in _people(chunk, request.today):
                end_user = person.end_user
                yield [
                    end_user.name,
                    end_user.email,
                    end_user.extension,
                    end_user.department,
                    end_user.location.name if end_user.location else "",
                    "; ".join(person.licences),
                    "; ".join(person.barred),
                    "; ".join(person.numbers),
                    end_user.added_on,
                ]

    return csv_response(f"{request.account.slug}-users", COLUMNS, rows())


@require_safe
@account_page()
def end_user(request: AccountRequest, pk: int) -> HttpResponse:
    """One end user: details, licences, numbers, and what was changed lately."""
    found = own_end_user(request, pk)
    slug = request.account.slug
    licences = held_by(found)
    may_read_trail = request.membership_role is None or request.membership_role in ADMINS
    lately: list[AuditEntry] = []
    if may_read_trail:
        lately = _lately(found)
    context = {
        "end_user": found,
        "tabs": tabs_of(request, found, "overview"),
        "licences": [(held, access_by(held.subscription, request.today)) for held in licences],
        "holds_uc_licence": any(licence.product_id == UC_LICENCE for licence in licences),
        "numbers": holder_numbers(found, request.today),
        "lately": lately,
        "licences_url": address("billing:end-user-licences", account=slug, pk=str(pk)),
        "edit_url": address("billing:end-user-licences-edit", account=slug, pk=str(pk)),
        "assign_url": f"{address('telephony:number-assign-to', account=slug)}?to={token_of(found)}",
        "devices": holder_devices(found),
        "device_url": f"{address('hardware:device-assign-to', account=slug)}?to={token_of(found)}",
    }
    return render(request, "controlpanel/person.html", context)


def _lately(end_user: EndUser) -> list[AuditEntry]:
    """The last entries about an end user, and about numbers that came or went. One query."""
    holdings = NumberHolding.objects.filter(end_user=end_user)
    numbers = holdings.annotate(key=Cast("number_id", CharField())).values("key")
    moved = Q(at__in=holdings.values("from_at")) | Q(
        at__in=holdings.filter(to_at__isnull=False).values("to_at")
    )
    # A swap is an entry about one of the two numbers, at the instant at which both moved.
    named = Q(target_id__in=numbers) | Q(action="swap-numbers")
    about = Q(target_kind="enduser", target_id=str(end_user.pk)) | (moved & named & Q(target_kind="number"))
    trail = AuditEntry.objects.filter(about, account=end_user.account_id).exclude(action="add-number")
    return list(trail.select_related("user")[:LATELY])


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def end_user_edit(request: AccountRequest, pk: int) -> HttpResponse:
    """Change an end user's details; coming invoices show the new name."""
    found = own_end_user(request, pk)
    initial = {
        "name": found.name,
        "email": found.email,
        "extension": found.extension,
        "department": found.department,
        "location": found.location,
    }
    form = EndUserForm(
        request.POST if request.method == "POST" else None, account=request.account, initial=initial
    )
    if form.is_valid():
        try:
            edit_end_user(found, **form.details(), actor=Actor.of(request), at=request.at)
        except Refused as refusal:
            show_refusal(form, refusal)
        else:
            messages.success(request, "Saved.")
            return redirect("accounts:end-user", account=request.account.slug, pk=pk)
    return form_page(request, form, title=f"Edit {found}", submit="Save changes", end_user=found)


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def end_user_remove(request: AccountRequest, pk: int) -> HttpResponse:
    """Say what removing an end user does and costs, then do it (NUM-8)."""
    found = own_end_user(request, pk)
    refusal = None
    if request.method == "POST":
        try:
            remove_end_user(found, actor=Actor.of(request), at=request.at)
        except Refused as refused:
            refusal = refused
        else:
            messages.success(request, f"{found} was removed.")
            return redirect("accounts:end-users", account=request.account.slug)
    context = {"end_user": found, "refusal": refusal, "consequences": removal_of(request, found)}
    return render(request, "controlpanel/person_remove.html", context, status=400 if refusal else 200)


def removal_of(request: AccountRequest, end_user: EndUser) -> list[str]:
    """What removing an end user does, in sentences: licences, numbers with what they will cost, extension."""
    sentences = []
    assigned = LicenceAssignment.objects.filter(end_user=end_user, unassigned_on=None)
    licences = [assignment.product.name for assignment in assigned.select_related("product")]
    if licences:
        names = " and ".join(licences)
        sentences.append(
            f"{names}: free for somebody else. Free licences go on being billed until they are given back."
        )
    sentences += _parking(request, list(Number.objects.filter(end_user=end_user).order_by("holding_id")))
    sentences += [f"{row.device} stays yours, with nobody." for row in holder_devices(end_user)]
    if end_user.extension:
        sentences.append(f"Extension {end_user.extension} is free for somebody else.")
    sentences.append("Invoices and the activity keep the name.")
    return sentences


def _parking(request: AccountRequest, numbers: Sequence[Number]) -> Iterator[str]:
    """For each number what parking it costs, and from when (BIL-3, BIL-6)."""
    if not numbers:
        return
    account, today = request.account, request.today
    products = Product.objects.in_bulk(set(NUMBER_PRODUCTS.values()))
    prices = prices_on(list(products), account, today)
    subjects = [f"number:{number.pk}" for number in numbers]
    # A number that was billed before keeps the price it had.
    locked = dict(
        Charge.objects.filter(account=account, subject__in=subjects)
        .order_by("id")
        .values_list("subject", "unit_price")
    )
    for number in numbers:
        product = products[NUMBER_PRODUCTS[NumberKind(number.kind)]]
        price = locked.get(f"number:{number.pk}") or prices.get(product.pk)
        monthly = f"{format_money(price, account.currency)} a month" if price is not None else "its price"
        if number.kind == NumberKind.TOLL_FREE:
            yield f"{phone(number.e164)} is parked, at {monthly} from today: toll-free numbers have no free days."
        else:
            begins = format_day(today + timedelta(days=product.delay_days))
            yield f"{phone(number.e164)} is parked: free until {begins}, then {monthly}."


def _licences() -> QuerySet[Product]:
    """What the list can be filtered by. The catalogue always has some, so that they can carry what ends."""
    return Product.objects.filter(is_licence=True)


def _asked(request: AccountRequest, licences: Sequence[Product]) -> tuple[PeopleFilter, QuerySet[EndUser]]:
    form = PeopleFilter(
        request.GET,
        request=request,
        departments=departments_of(request.account),
        licences=licences,
    )
    asked = filters_of(form)
    location = asked["location"]
    found = end_users_of(
        request.account,
        search=asked["q"] or "",
        department=asked.get("department") or "",
        location=location.pk if location else None,
    )
    held = LicenceAssignment.objects.filter(end_user=OuterRef("pk"), unassigned_on=None)
    if asked["licence"] == NO_LICENCE:
        found = found.filter(~Exists(held))
    elif asked["licence"]:
        held = held.filter(product=asked["licence"])
        found = found.filter(Exists(held))
    if asked["access"]:
        found = found.filter(Exists(held.filter(gives_none(request.today))))
    return form, found


def _people(end_users: Sequence[EndUser], today: date) -> Iterator[Person]:
    """The end users with licences and numbers, two queries for all of them."""
    keys = [end_user.pk for end_user in end_users]
    licences: dict[int, list[str]] = defaultdict(list)
    barred: dict[int, list[str]] = defaultdict(list)
    held = LicenceAssignment.objects.filter(end_user__in=keys, unassigned_on=None)
    for assignment in held.select_related("product", "subscription").order_by("product__rank", "id"):
        licences[assignment.end_user_id].append(assignment.product.name)
        access = access_by(assignment.subscription, today)
        if not access.has_it:
            barred[assignment.end_user_id].append(access.words)
    numbers: dict[int, list[str]] = defaultdict(list)
    for holder, e164 in (
        Number.objects.filter(end_user__in=keys).order_by("holding_id").values_list("end_user_id", "e164")
    ):
        if holder is not None:
            numbers[holder].append(e164)
    for end_user in end_users:
        key = end_user.pk
        yield Person(end_user, licences[key], list(dict.fromkeys(barred[key])), numbers[key])


users = "a/<slug:account>/users/"

urlpatterns = [
    path(users, end_users, name="end-users"),
    path("a/<slug:account>/users.csv", end_users_csv, name="end-users-csv"),
    path(f"{users}<int:pk>/", end_user, name="end-user"),
    path(f"{users}<int:pk>/edit/", end_user_edit, name="end-user-edit"),
    path(f"{users}<int:pk>/remove/", end_user_remove, name="end-user-remove"),
]

"""Who is on a subscription: whom its end bars, and moving all of them to another one (SUB-8)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final, cast

from django import forms
from django.contrib import messages
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from accounts.exporting import csv_response
from accounts.forms import filters_of
from accounts.models import Membership
from accounts.paging import chosen_order, page_of
from accounts.permissions import ADMINS, AccountRequest, account_page
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.access import access_by
from billing.licences import Holding, Stock, free_of, move_assignments, stock_of
from billing.models import LicenceAssignment, Product, Subscription
from billing.views.places import place
from billing.views.user_licences import BUYING_PAGE, standing

if TYPE_CHECKING:
    from django.http import HttpResponse, StreamingHttpResponse

    from accounts.exporting import Cell

ORDERS: Final = {
    "name": ("end_user__name", "pk"),
    "licence": ("product__rank", "end_user__name", "pk"),
    "since": ("assigned_on", "end_user__name", "pk"),
}
COLUMNS: Final = ("name", "e-mail", "department", "licence", "since", "administrator")


class PeopleFilter(forms.Form):
    """What the list can be narrowed to."""

    q = forms.CharField(
        label="Search people",
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"placeholder": "Search name, e-mail, department"}),
    )
    licence = forms.ChoiceField(required=False)

    def __init__(self, data: Any, *, licences: Sequence[Product]) -> None:
        super().__init__(data)
        cast(forms.ChoiceField, self.fields["licence"]).choices = [
            ("", "Any licence"),
            *((product.pk, product.name) for product in licences),
        ]


@dataclass(frozen=True, slots=True)
class Short:
    """So many licences of a product that a target has too few, and where they are bought."""

    product: Product
    units: int
    url: str


@dataclass(frozen=True, slots=True)
class Target:
    """A subscription to which everybody could be moved: what is free there of each product, and what is missing."""

    subscription: Subscription
    state: str
    tone: str
    free: Sequence[str]
    missing: Sequence[Short]
    is_chosen: bool

    @property
    def is_open(self) -> bool:
        """Whether all of them fit."""
        return not self.missing


@require_http_methods(["GET", "HEAD", "POST"])
@account_page()
def people(request: AccountRequest, pk: int) -> HttpResponse:
    """Who holds licences of a subscription; a POST moves all of them to another one, or none (SUB-8)."""
    subscriptions = list(Subscription.objects.filter(tenancy=request.account.pk))
    subscription = _own(subscriptions, pk)
    subscription.tenancy.account = request.account
    refusal: Refused | None = None
    if request.method == "POST":
        try:
            done = _move(request, subscription, subscriptions)
        except Refused as refused:
            refusal = refused
        else:
            messages.success(request, done)
            return redirect("billing:subscription-people", account=request.account.slug, pk=pk)
    stock = stock_of(request.account)
    held = [holding for holding in stock.of_subscriptions.get(pk, ()) if holding.assigned]
    form = PeopleFilter(request.GET, licences=[holding.product for holding in held])
    found = _found(request, subscription, form)
    page = page_of(found, order=chosen_order(request.GET, ORDERS, default="name"), query=request.GET)
    context = {
        "subscription": subscription,
        "access": access_by(subscription, request.today),
        "standing": standing(subscription, request.today),
        "units": sum(holding.assigned for holding in held),
        "held": held,
        "targets": _targets(request, subscription, subscriptions, stock, held),
        "form": form,
        "page": page,
        "is_filtered": any(filters_of(form).values()),
        "export_url": place(request, "billing:subscription-people-csv", pk=str(pk)),
        "up": place(request, "billing:subscription", pk=pk),
        "refusal": refusal,
    }
    return render(request, "billing/subscription_people.html", context, status=400 if refusal else 200)


@require_safe
@account_page()
def people_csv(request: AccountRequest, pk: int) -> StreamingHttpResponse:
    """The same people as a file, all of them."""
    subscription = _own(Subscription.objects.filter(tenancy=request.account.pk, pk=pk), pk)
    form = PeopleFilter(request.GET, licences=list(Product.objects.filter(is_licence=True)))
    found = _found(request, subscription, form).order_by("end_user__name", "pk")

    def rows() -> Iterator[list[Cell]]:
        for held in found.iterator(chunk_size=500):
            yield [
                held.end_user.name,
                held.end_user.email,
                held.end_user.department,
                held.product.name,
                held.assigned_on,
                "yes" if vars(held)["is_admin"] else "",
            ]

    return csv_response(f"{request.account.slug}-subscription-{pk}-people", COLUMNS, rows())


def _own(subscriptions: Sequence[Subscription] | QuerySet[Subscription], pk: int) -> Subscription:
    """The account's subscription of this key. Raises Http404 for every other."""
    found = next((subscription for subscription in subscriptions if subscription.pk == pk), None)
    if found is None:
        raise Http404
    return found


def _found(
    request: AccountRequest, subscription: Subscription, form: PeopleFilter
) -> QuerySet[LicenceAssignment]:
    """The licences in people's hands; each carries `is_admin`: the person administers the account too."""
    asked = filters_of(form)
    admins = Membership.objects.filter(
        account=request.account, role__in=ADMINS, user__email__iexact=OuterRef("end_user__email")
    )
    found = (
        LicenceAssignment.objects.filter(subscription=subscription, unassigned_on=None)
        .select_related("end_user", "product")
        .annotate(is_admin=Exists(admins))
    )
    for word in (asked["q"] or "").split():
        found = found.filter(
            Q(end_user__name__icontains=word)
            | Q(end_user__email__icontains=word)
            | Q(end_user__department__icontains=word)
        )
    return found.filter(product=asked["licence"]) if asked["licence"] else found


def _targets(
    request: AccountRequest,
    source: Subscription,
    subscriptions: Sequence[Subscription],
    stock: Stock,
    held: Sequence[Holding],
) -> list[Target]:
    """The subscriptions that have not ended, those with room for everybody first, the longest of these before."""
    posted = request.POST.get("target", "")
    found = [
        _target(request, subscription, stock, held, request.today, posted)
        for subscription in subscriptions
        if subscription.pk != source.pk and subscription.ends_on > request.today
    ]
    return sorted(
        found,
        key=lambda target: (
            not target.is_open,
            target.tone == "info",
            -target.subscription.ends_on.toordinal(),
        ),
    )


def _target(
    request: AccountRequest,
    subscription: Subscription,
    stock: Stock,
    held: Sequence[Holding],
    today: date,
    posted: str,
) -> Target:
    state, tone = standing(subscription, today)
    free = [(holding, stock.of(subscription.pk, holding.product.pk)) for holding in held]
    return Target(
        subscription=subscription,
        state=state,
        tone=tone,
        free=[
            f"{needed.assigned:,} × {needed.product.name} needed, {free_of(there):,} free"
            for needed, there in free
        ],
        missing=[
            Short(needed.product, short, _where_to_buy(request, subscription, needed.product, short))
            for needed, there in free
            if (short := needed.assigned - free_of(there)) > 0
        ],
        is_chosen=posted == str(subscription.pk),
    )


def _where_to_buy(request: AccountRequest, subscription: Subscription, product: Product, units: int) -> str:
    """The page that says what so many more licences on a subscription cost, and buys them."""
    return f"{place(request, BUYING_PAGE, pk=subscription.pk)}?product={product.pk}&quantity={units}"


def _move(request: AccountRequest, source: Subscription, subscriptions: Sequence[Subscription]) -> str:
    """Move everybody; returns what was done, in words."""
    chosen = request.POST.get("target", "")
    target = next((one for one in subscriptions if str(one.pk) == chosen and one.pk != source.pk), None)
    if target is None:
        raise Refused(
            "Choose the subscription to move everybody to. Nobody was moved.", rule="SUB-8", field="target"
        )
    target.tenancy = source.tenancy
    moved = move_assignments(source, target, actor=Actor.of(request), at=request.at)
    if not moved:
        return f"Nobody is on subscription {source} any more."
    access = access_by(target, request.today)
    return f"Moved {moved:,} licence{'s' * (moved != 1)} to subscription {target}." + (
        "" if access.has_it else f" It begins on {target.starts_on}: until then they give no access."
    )

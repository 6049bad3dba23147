"""The licences of an end user: what each gives access to, and choosing them, of which subscription (SUB-8, SUB-9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from accounts.forms import show_refusal
from accounts.permissions import AccountRequest, account_page
from accounts.refusals import Refused
from accounts.trail import Actor
from accounts.views.end_users import own_end_user
from billing import explain
from billing.access import access_by
from billing.engine import BillingFault
from billing.licences import UC_LICENCE, Holding, Stock, stock_of, unassign_licence
from billing.models import Charge, Family, LicenceAssignment, Product, Subscription
from billing.preview import cost_of
from billing.user_licences import Choice, choose_licences
from billing.views.places import place

if TYPE_CHECKING:
    from django.http import HttpResponse

    from accounts.models import EndUser

NONE: Final = "none"
OWN: Final = "own"
BUYING_PAGE: Final = "billing:subscription-buy"
SERVICES: Final = {
    Family.LICENCE: ("calling", "Calling"),
    Family.CONTACT_CENTER: ("contact-center", "Contact Center"),
}
"""What the licences of a family are for: its name in the address, and on its tab."""


@dataclass(frozen=True, slots=True)
class Option:
    """Where a licence can be had: `note` says what is free there, `state` how it stands, with its tone.

    `is_open`: it can be chosen; `add_url`: where more are bought, if none is free and it has not ended.
    """

    value: str
    label: str
    note: str = ""
    state: str = ""
    tone: str = ""
    is_current: bool = False
    is_open: bool = True
    add_url: str = ""


@dataclass(frozen=True, slots=True)
class ServiceTab:
    """A licensed service: its products, and what the end user holds of them."""

    key: str
    label: str
    products: Sequence[Product]


def tabs_of(request: AccountRequest, end_user: EndUser, active: str) -> list[dict[str, Any]]:
    """The tabs of an end user's pages; `active` is overview or licences."""
    to = {"account": request.account.slug, "pk": end_user.pk}
    return [
        {
            "label": label,
            "url": reverse(name, kwargs=to),
            "is_active": key == active,
        }
        for key, label, name in (
            ("overview", "Overview", "accounts:end-user"),
            ("licences", "Licences", "billing:end-user-licences"),
        )
    ]


def held_by(end_user: EndUser) -> list[LicenceAssignment]:
    """The licences of an end user with product and subscription, in the catalogue's order. One query."""
    held = LicenceAssignment.objects.filter(end_user=end_user, unassigned_on=None)
    return list(held.select_related("product", "subscription").order_by("product__rank", "id"))


# --- the licences that are held --------------------------------------------------------------


@require_safe
@account_page()
def end_user_licences(request: AccountRequest, pk: int) -> HttpResponse:
    """What an end user holds, of which subscription, and whether it gives access today (SUB-8)."""
    end_user = own_end_user(request, pk)
    context = {
        "end_user": end_user,
        "tabs": tabs_of(request, end_user, "licences"),
        "rows": [(held, access_by(held.subscription, request.today)) for held in held_by(end_user)],
    }
    return render(request, "billing/end_user_licences.html", context)


# --- choosing them ---------------------------------------------------------------------------


class UserLicencesForm(forms.Form):
    """One choice a product, by the product's code: none, the account's own, or a subscription by its key.

    A choice that is not sent stays as it was.
    """

    def __init__(
        self, data: Any, *, products: Sequence[Product], values: Iterable[str], held: Mapping[str, str]
    ) -> None:
        """`values`: what may be sent; `held`: the present choices by product."""
        super().__init__(data)
        choices = [(value, value) for value in values]
        for product in products:
            self.fields[product.pk] = forms.ChoiceField(
                label=product.name,
                required=False,
                choices=choices,
                initial=held[product.pk],
                widget=forms.RadioSelect,
                error_messages={"invalid_choice": "Choose one of these. The subscription may be gone."},
            )

    def changed(self) -> dict[str, str]:
        """What is wanted otherwise than when the page was made: what others changed since is left alone."""
        return {
            code: value
            for code, value in self.cleaned_data.items()
            if value and value != self.data.get(f"was-{code}", "")
        }


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def end_user_licences_edit(request: AccountRequest, pk: int) -> HttpResponse:
    """Choose licences of a service: none, the account's own or a subscription's; Save closes (SUB-9).

    Taking a UC licence says first what becomes of numbers (NUM-8).
    """
    end_user = own_end_user(request, pk)
    end_user.account = request.account
    stock = stock_of(request.account)
    subscriptions = list(Subscription.objects.filter(tenancy=request.account.pk))
    held = {held.product_id: held for held in held_by(end_user)}
    services = _services(stock, held.values())
    service = _asked(request, services)
    current = {product.pk: _value(held.get(product.pk)) for product in service.products}
    form = UserLicencesForm(
        request.POST if request.method == "POST" else None,
        products=service.products,
        values=[NONE, OWN, *(str(subscription.pk) for subscription in subscriptions)],
        held=current,
    )
    context: dict[str, Any] = {"end_user": end_user, "service": service, "form": form}
    if form.is_bound and form.is_valid():
        chosen = _choices(form, service.products, subscriptions)
        try:
            review = None if "seen" in request.POST else _taking(request, end_user, chosen, held)
            if review is not None:
                sent = [(key, value) for key, value in request.POST.items() if key != "csrfmiddlewaretoken"]
                return render(
                    request, "billing/end_user_licence_take.html", context | review | {"sent": sent}
                )
            choose_licences(end_user, chosen, actor=Actor.of(request), at=request.at)
        except Refused as refusal:
            show_refusal(form, refusal)
        else:
            messages.success(request, _done(end_user, chosen))
            return redirect("accounts:end-user", account=request.account.slug, pk=pk)
    context |= {
        "tabs": _service_tabs(request, services, service),
        "rows": [
            (
                product,
                form[product.pk],
                current[product.pk],
                _options(request, stock, product, held.get(product.pk), subscriptions),
                form[product.pk].value() or current[product.pk],
            )
            for product in service.products
        ],
        "has_subscriptions": bool(subscriptions),
    }
    return render(
        request, "billing/end_user_licences_edit.html", context, status=400 if form.is_bound else 200
    )


def _services(stock: Stock, held: Iterable[LicenceAssignment]) -> list[ServiceTab]:
    """The services whose licences the account or one of its subscriptions has, each with its products."""
    there = {holding.product.pk for holding in stock.own if holding.bought or holding.assigned}
    there |= {holding.product.pk for own in stock.of_subscriptions.values() for holding in own}
    known = {holding.product.pk: holding.product for holding in stock.own}
    known |= {
        holding.product.pk: holding.product for own in stock.of_subscriptions.values() for holding in own
    }
    there |= {assignment.product_id for assignment in held}
    products = sorted((known[code] for code in there if code in known), key=lambda product: product.rank)
    return [
        ServiceTab(key, label, [product for product in products if product.family == family])
        for family, (key, label) in SERVICES.items()
    ]


def _asked(request: AccountRequest, services: Sequence[ServiceTab]) -> ServiceTab:
    """The service that the address names, else the first with licences."""
    asked = request.GET.get("service", "")
    named = (service for service in services if service.key == asked)
    with_licences = (service for service in services if service.products)
    return next(named, None) or next(with_licences, services[0])


def _service_tabs(
    request: AccountRequest, services: Sequence[ServiceTab], active: ServiceTab
) -> list[dict[str, Any]]:
    return [
        {
            "label": service.label,
            "url": f"{request.path}?service={service.key}",
            "is_active": service is active,
        }
        for service in services
    ]


def _value(held: LicenceAssignment | None) -> str:
    if held is None:
        return NONE
    return OWN if held.subscription_id is None else str(held.subscription_id)


def _choices(
    form: UserLicencesForm, products: Sequence[Product], subscriptions: Sequence[Subscription]
) -> dict[Product, Choice]:
    by_code = {product.pk: product for product in products}
    by_key = {str(subscription.pk): subscription for subscription in subscriptions}
    return {
        by_code[code]: Choice(holds=value != NONE, subscription=by_key.get(value))
        for code, value in form.changed().items()
    }


def _options(
    request: AccountRequest,
    stock: Stock,
    product: Product,
    held: LicenceAssignment | None,
    subscriptions: Sequence[Subscription],
) -> list[Option]:
    """None, the account's own where it has any, and every subscription of the account (SUB-9)."""
    current = _value(held)
    options = [Option(NONE, "None", is_current=current == NONE)]
    own = stock.of(None, product.pk)
    if own is not None and (own.bought or current == OWN):
        options.append(_own_option(request, own, is_current=current == OWN))
    for subscription in subscriptions:
        is_current = current == str(subscription.pk)
        options.append(_option(request, subscription, stock, product, is_current=is_current))
    return options


def _own_option(request: AccountRequest, own: Holding, *, is_current: bool) -> Option:
    without_limit = own.is_waiting and own.bought > 0
    note = "assigned without limit until it is active" if without_limit else free_words(own)
    return Option(
        OWN,
        "The account's own",
        note=note,
        is_current=is_current,
        is_open=is_current or own.can_assign,
        add_url="" if own.can_assign else f"{place(request, 'billing:licence-add')}?product={own.product.pk}",
    )


def _option(
    request: AccountRequest, subscription: Subscription, stock: Stock, product: Product, *, is_current: bool
) -> Option:
    holding = stock.of(subscription.pk, product.pk)
    state, tone = standing(subscription, request.today)
    runs = subscription.ends_on > request.today
    free = holding.free if holding is not None and runs else 0
    return Option(
        str(subscription.pk),
        subscription.name,
        note=free_words(holding) if runs else "its licences have ended",
        state=state,
        tone=tone,
        is_current=is_current,
        is_open=is_current or free > 0,
        add_url=_where_to_buy(request, subscription, product) if runs and free == 0 else "",
    )


def _where_to_buy(request: AccountRequest, subscription: Subscription, product: Product) -> str:
    return f"{place(request, BUYING_PAGE, pk=subscription.pk)}?product={product.pk}"


def free_words(holding: Holding | None) -> str:
    """How many licences of a place are free."""
    if holding is None or not holding.bought:
        return "no such licences"
    return f"{holding.free:,} of {holding.bought:,} free"


def standing(subscription: Subscription, today: date) -> tuple[str, str]:
    """How a subscription stands on a day, in words with ISO dates, and the tone that it is shown in."""
    access = access_by(subscription, today)
    if subscription.was_called_off:
        return "Ended before it began", "neutral"
    if subscription.has_ended(today):
        return f"Ended {subscription.ends_on}", "neutral"
    if not access.has_it:
        return f"Begins {subscription.starts_on}", "info"
    return f"Active, ends {subscription.ends_on}", access.tone


def _done(end_user: EndUser, chosen: Mapping[Product, Choice]) -> str:
    """What was saved, in one sentence."""
    if not chosen:
        return "Saved. Nothing has changed."
    said = []
    for product, choice in chosen.items():
        where = f" on subscription {choice.subscription}" if choice.subscription else ""
        said.append(
            f"{product.name} assigned{where}" if choice.holds else f"{product.name} taken, and free again"
        )
    return f"Saved for {end_user}: {'; '.join(said)}."


# --- what taking a licence leads to ----------------------------------------------------------


def _taking(
    request: AccountRequest,
    end_user: EndUser,
    chosen: Mapping[Product, Choice],
    held: Mapping[str, LicenceAssignment],
) -> dict[str, Any] | None:
    """What taking the UC licence leads to, to be confirmed; None where it touches nothing else."""
    taken = next((product for product, choice in chosen.items() if not choice.holds), None)
    product = taken if taken is not None and taken.pk == UC_LICENCE else None
    if product is None or product.pk not in held:
        return None
    actor = Actor.of(request)
    try:
        cost = cost_of(
            request.account, lambda: unassign_licence(end_user, product, actor=actor, at=request.at)
        )
    except BillingFault:
        # What it costs is not to be had; that the numbers are parked is to be said all the same.
        return {"product": product, "consequences": [f"All numbers of {end_user} are parked."]}
    if not cost.opened and not cost.ended:
        return None
    currency = request.account.currency
    return {
        "product": product,
        "consequences": [
            *(_parked(charge, currency) for charge in cost.opened),
            f"{product.name} is free for somebody else, and goes on being billed until it is given back.",
        ],
        "cost": explain.cost_box(request.account, cost),
        "licences_url": place(request, "billing:licences"),
    }


def _parked(charge: Charge, currency: str) -> str:
    """What becomes of a number whose charge parking opens."""
    monthly = "its price" if charge.monthly is None else explain.money_words(charge.monthly, currency)
    label = explain.label_words(charge.subject_label)
    if charge.billing_starts_on is None or charge.billing_starts_on <= charge.added_on:
        return f"{label} is parked, at {monthly} a month from today."
    begins_on = explain.day_words(charge.billing_starts_on)
    return f"{label} is parked: free until {begins_on}, then {monthly} a month."

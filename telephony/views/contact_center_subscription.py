"""The contact center's subscription: licences, channels, add-ons, recording storage, toll-free package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from accounts.forms import show_refusal
from accounts.refusals import Refused
from accounts.trail import Actor
from billing import explain
from billing.licences import add_licences, remove_licences
from telephony.contact_center import (
    MOST_LICENCES,
    add_items,
    change_storage,
    remove_items,
)
from telephony.contact_center_forms import ItemForm, StorageForm
from telephony.contact_center_queries import Item, Subscription, own_assigned, subscription_of
from telephony.queries import Choice
from telephony.views.choosing import Group, is_preview
from telephony.views.contact_center import FORM, installed_page, kept_data, tabs_of
from telephony.views.costs import Priced, priced
from telephony.views.packages import choose_package

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpResponse

    from accounts.permissions import AccountRequest
    from billing.models import Product
    from telephony.models import ContactCenter

SUBSCRIPTION = "telephony:contact-center-subscription"


@require_safe
@installed_page()
def subscription(request: AccountRequest, contact_center: ContactCenter) -> HttpResponse:
    """What the account has, what there is to have, what each costs and when billing begins (BIL-3, ONB-6)."""
    found = subscription_of(contact_center, request.today)
    context = {
        "contact_center": contact_center,
        "tabs": tabs_of(request, "contact-center-subscription"),
        "subscription": found,
        "shelves": [("Channels", "channel", found.channels), ("Add-ons", "add-on", found.addons)],
        "assigned": own_assigned(contact_center),
        "bought": sum(item.held for item in found.licences),
        "most_licences": MOST_LICENCES,
    }
    return render(request, "telephony/contact_center/subscription.html", context)


@require_http_methods(FORM)
@installed_page(is_form=True)
def add(request: AccountRequest, contact_center: ContactCenter) -> HttpResponse:
    """Add licences, channels or add-ons, after a look at what they cost and when billing begins."""
    found = subscription_of(contact_center, request.today)
    offered = [item for item in found.items if item.product.is_on_sale and item not in found.storage]
    return _change(request, contact_center, found, offered, is_adding=True)


@require_http_methods(FORM)
@installed_page(is_form=True)
def remove(request: AccountRequest, contact_center: ContactCenter) -> HttpResponse:
    """Give licences, channels, add-ons or storage back, the newest first (BIL-5, ONB-10)."""
    found = subscription_of(contact_center, request.today)
    return _change(
        request, contact_center, found, [item for item in found.items if item.held], is_adding=False
    )


def _change(
    request: AccountRequest,
    contact_center: ContactCenter,
    found: Subscription,
    offered: list[Item],
    *,
    is_adding: bool,
) -> HttpResponse:
    """The form of adding or removing beside its cost, which follows the fields."""
    by_code = {item.pk: item.product for item in offered}
    first = request.GET.get("product", "")
    preset = first if first in by_code else next(iter(by_code), "")
    form = ItemForm(
        kept_data(request, "product", "quantity"),
        products={item.pk: _label(request, item, is_adding=is_adding) for item in offered},
        initial={"product": preset, "quantity": 1},
    )
    chosen: tuple[Product, int] | None = None
    if form.is_bound and form.is_valid():
        chosen = by_code[form.cleaned_data["product"]], form.cleaned_data["quantity"]
    elif not form.is_bound and by_code:
        chosen = by_code[preset], 1
    cost = Priced()
    if chosen is not None:
        act = _action(request, *chosen, is_adding=is_adding)
        if request.method == "POST" and not is_preview(request):
            try:
                act()
            except Refused as refusal:
                show_refusal(form, refusal)
            else:
                words = explain.units_words(chosen[1], chosen[0].name)
                messages.success(request, f"{'Added' if is_adding else 'Removed'} {words}.")
                return redirect(SUBSCRIPTION, account=request.account.slug)
        cost = priced(request.account, act)
    context = {
        "contact_center": contact_center,
        "form": form,
        "cost": cost,
        "is_adding": is_adding,
        "has_offer": bool(offered),
        "bought": sum(item.held for item in found.licences),
        "most_licences": MOST_LICENCES,
        "fee": found.fee,
    }
    return render(request, "telephony/contact_center/change.html", context, status=_status(request, form))


def _action(
    request: AccountRequest, product: Product, quantity: int, *, is_adding: bool
) -> Callable[[], object]:
    actor = Actor.of(request)
    if is_adding:
        act = add_licences if product.is_licence else add_items
        return lambda: act(request.account, product, quantity, actor=actor, at=request.at)
    undo = remove_licences if product.is_licence else remove_items
    return lambda: undo(request.account, product, quantity, actor=actor, at=request.at)


def _label(request: AccountRequest, item: Item, *, is_adding: bool) -> str:
    """A product in the list to choose from, with its price or with how many there are."""
    if not is_adding:
        return f"{item.product.name} ({item.held})"
    if item.price is None:
        return item.product.name
    return f"{item.product.name}, {explain.money_words(item.price, request.account.currency)} a month"


@require_http_methods(FORM)
@installed_page(is_form=True)
def storage(request: AccountRequest, contact_center: ContactCenter) -> HttpResponse:
    """Choose the package of recording storage, larger or smaller; in onboarding without limit (ONB-4)."""
    found = subscription_of(contact_center, request.today)
    by_code = {item.pk: item.product for item in found.storage}
    current = found.current_storage
    form = StorageForm(kept_data(request, "product"))
    cost = Priced()
    chosen = form["product"].value() if form.is_bound else None
    product = None
    if form.is_valid():
        product = by_code.get(form.cleaned_data["product"])
        if product is None:
            show_refusal(form, Refused("Choose one of the storage packages.", field="product"))
    if product is not None:
        wanted, actor = product, Actor.of(request)

        def act() -> None:
            change_storage(request.account, wanted, actor=actor, at=request.at)

        if request.method == "POST" and not is_preview(request):
            try:
                act()
            except Refused as refusal:
                show_refusal(form, refusal)
            else:
                messages.success(request, f"{product.name} is in use.")
                return redirect(SUBSCRIPTION, account=request.account.slug)
        cost = priced(request.account, act)
    choices = [
        Choice(
            value=item.pk,
            label=item.product.name,
            detail="In use" if item is current else "",
            amount=item.price,
            is_chosen=item.pk == (chosen or (current.pk if current else "")),
        )
        for item in found.storage
    ]
    context = {
        "contact_center": contact_center,
        "form": form,
        "groups": [Group("", choices)],
        "current": current,
        "cost": cost,
    }
    return render(request, "telephony/contact_center/storage.html", context, status=_status(request, form))


@require_http_methods(FORM)
@installed_page()
def toll_free(request: AccountRequest, contact_center: ContactCenter) -> HttpResponse:
    """The toll-free package: pay-per-use, or minutes that are included, with the overage above them (USE-4, USE-6).

    In onboarding more minutes are refused, unless the brand allows them (ONB-5).
    """
    done = redirect("telephony:contact-center-toll-free", account=request.account.slug)
    return choose_package(
        request,
        contact_center,
        "telephony/contact_center/toll_free.html",
        {"contact_center": contact_center, "tabs": tabs_of(request, "contact-center-toll-free")},
        done,
    )


def _status(request: AccountRequest, form: Any) -> int:
    return 400 if request.method == "POST" and form.errors else 200

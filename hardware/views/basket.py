"""A new order: the basket, the review with what it costs, and the confirmation (ORD-3).

The basket is in the address of the review, with a key of its own, so that it works without script, the way back
keeps what was typed, and a basket that is confirmed twice, from whatever tab, is one order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from django.contrib import messages
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from accounts.forms import show_refusal
from accounts.models import Location
from accounts.permissions import AccountRequest, account_page
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.engine import BillingFault
from billing.models import Family, Order
from hardware.order_forms import BasketForm
from hardware.orders import check_ship_to, confirm_basket, confirmed
from hardware.shop import price_order, shelves

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpResponse

NO_PRICE: Final = (
    "What this costs cannot be worked out at the moment, because the next invoice cannot be drawn. "
    "Our billing team has to mend that first. Nothing was changed."
)


@require_safe
@account_page(is_form=True)
def order_new(request: AccountRequest) -> HttpResponse:
    """The basket: what there is with its price, and how many of each. What the address holds is filled in."""
    initial = {**request.GET.dict(), "basket": uuid4()}
    return _basket(request, _form(request, None, initial=initial))


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def order_review(request: AccountRequest) -> HttpResponse:
    """What the basket costs, when billing of it begins and what the next invoice will hold; then it is confirmed."""
    sent = request.POST if request.method == "POST" else request.GET
    if "basket" not in sent:
        return redirect("hardware:order-new", account=request.account.slug)
    form = _form(request, sent)
    if not form.is_valid():
        return _basket(request, form, status=400)
    known = confirmed(request.account, form.cleaned_data["basket"])
    if known is not None:
        return _known(request, known)
    items = form.items()
    location = form.cleaned_data["location"]
    by: dict[str, Any] = {"actor": Actor.of(request), "at": request.at}
    try:
        if any(item[0].family == Family.HARDWARE for item in items):
            check_ship_to(location)
        priced = price_order(request.account, items, **by)
        has_seen = request.method == "POST" and request.POST.get("seen") == priced.seen
        if has_seen:
            reference = form.cleaned_data["reference"]
            order, is_new = confirm_basket(
                request.account,
                form.cleaned_data["basket"],
                items,
                reference=reference,
                ship_to=location,
                **by,
            )
            if not is_new:
                return _known(request, order)
            messages.success(request, f"Order {order.pk} is placed.")
            return redirect("hardware:order", account=request.account.slug, pk=order.pk)
    except Refused as refusal:
        show_refusal(form, refusal)
        return _basket(request, form, status=400)
    except BillingFault:
        show_refusal(form, Refused(NO_PRICE, rule="BIL-10"))
        return _basket(request, form, status=400)
    context = {
        "form": form,
        "priced": priced,
        "location": location if priced.shipped_total is not None else None,
        "has_changed": request.method == "POST",
    }
    return render(request, "hardware/order_review.html", context)


def _form(
    request: AccountRequest, data: Mapping[str, Any] | None, initial: Mapping[str, Any] | None = None
) -> BasketForm:
    found = shelves(request.account, request.today)
    form = BasketForm(data, account=request.account, shelves=found, initial=initial or {})
    if data is None and not (initial or {}).get("location"):
        only = list(Location.objects.filter(account=request.account)[:2])
        if len(only) == 1:
            form.initial["location"] = only[0].pk
    return form


def _basket(request: AccountRequest, form: BasketForm, status: int = 200) -> HttpResponse:
    context = {"form": form, "rows": list(form.rows())}
    return render(request, "hardware/order_new.html", context, status=status)


def _known(request: AccountRequest, order: Order) -> HttpResponse:
    messages.info(request, f"This basket is order {order.pk} already. Nothing was ordered again.")
    return redirect("hardware:order", account=request.account.slug, pk=order.pk)

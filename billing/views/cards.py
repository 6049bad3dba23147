"""Saved cards: the list, adding one on the gateway's own page, which is the default, removing one (INV-6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.mail import panel_url
from accounts.permissions import BILLING_ADMINS, EVERY_ROLE, AccountRequest, account_page
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.models import CardSetup, PaymentMethod
from billing.payments import gateways
from billing.payments.methods import begin_card, finish_card, make_default, remove_method, saved_methods
from billing.plan_words import expiry_of
from billing.views.places import place

if TYPE_CHECKING:
    from django.http import HttpResponse

MOST_CHARACTERS = 300


@require_safe
@account_page(read=EVERY_ROLE, write=BILLING_ADMINS, while_suspended=True)
def cards(request: AccountRequest) -> HttpResponse:
    """The saved cards: which one is collected from, and which expire."""
    rows = [(card, expiry_of(card, request.at)) for card in saved_methods(request.account)]
    context = {
        "rows": rows,
        "takes_cards": gateways.current() is not None,
        "up": place(request, "billing:overview"),
    }
    return render(request, "billing/cards.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(read=EVERY_ROLE, write=BILLING_ADMINS, is_form=True, while_suspended=True)
def card_add(request: AccountRequest) -> HttpResponse:
    """Say where a card is entered, and begin. `next`: the page of this account to come back to."""
    following = _next(request)
    refusal = None
    if request.method == "POST":
        try:
            setup = begin_card(
                request.account,
                return_url=lambda setup: panel_url(place(request, "billing:card-return", key=setup.key)),
                next_url=following,
                actor=Actor.of(request),
                at=request.at,
            )
        except Refused as refused:
            refusal = refused
        else:
            return redirect(place(request, "billing:card-continue", key=setup.key))
    context = {
        "refusal": refusal,
        "next": following,
        "up": following or place(request, "billing:cards"),
        "takes_cards": gateways.current() is not None,
    }
    return render(request, "billing/card_add.html", context, status=400 if refusal else 200)


@require_safe
@account_page(read=EVERY_ROLE, write=BILLING_ADMINS, is_form=True, while_suspended=True)
def card_continue(request: AccountRequest, key: Any) -> HttpResponse:
    """The way to the gateway's own page: a link, as a form may not lead to another host."""
    setup = own_setup(request, key)
    if setup.method_id is not None or not setup.url:
        return redirect(_back(request, setup))
    up = setup.next_url or place(request, "billing:cards")
    return render(request, "billing/card_continue.html", {"setup": setup, "up": up})


@require_safe
@account_page(read=EVERY_ROLE, write=BILLING_ADMINS, is_form=True, while_suspended=True)
def card_return(request: AccountRequest, key: Any) -> HttpResponse:
    """Back from the gateway's page: the card that was entered is saved, and the person goes on."""
    setup = own_setup(request, key)
    if setup.method_id is not None:
        return redirect(_back(request, setup))
    try:
        card = finish_card(setup, actor=Actor.of(request), at=request.at)
    except Refused as refusal:
        messages.error(request, refusal.message)
        return redirect(_back(request, setup))
    if card is None:
        messages.info(request, "No card was saved.")
    else:
        messages.success(request, f"{card} is saved.")
    return redirect(_back(request, setup))


@require_POST
@account_page(read=EVERY_ROLE, write=BILLING_ADMINS, while_suspended=True)
def card_default(request: AccountRequest, pk: int) -> HttpResponse:
    """Collect from this card from now on."""
    card = own_card(request, pk)
    try:
        make_default(card, actor=Actor.of(request), at=request.at)
    except Refused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"{card} is what is collected from.")
    return redirect(place(request, "billing:cards"))


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(read=EVERY_ROLE, write=BILLING_ADMINS, is_form=True)
def card_remove(request: AccountRequest, pk: int) -> HttpResponse:
    """Keep a card no longer, after a look at what is collected from then."""
    card = own_card(request, pk)
    up = place(request, "billing:cards")
    refusal = None
    if request.method == "POST":
        try:
            remove_method(card, actor=Actor.of(request), at=request.at)
        except Refused as refused:
            refusal = refused
        else:
            messages.success(request, f"{card} is removed.")
            return redirect(up)
    others = saved_methods(request.account).exclude(pk=card.pk).order_by("id")
    context = {"card": card, "following": others.first(), "refusal": refusal, "up": up}
    return render(request, "billing/card_remove.html", context, status=400 if refusal else 200)


def _next(request: AccountRequest) -> str:
    """The page to come back to, as long as it is one of this account; "" otherwise."""
    asked = request.POST.get("next", "") or request.GET.get("next", "")
    is_own = asked.startswith(f"/a/{request.account.slug}/") and len(asked) <= MOST_CHARACTERS
    return asked if is_own and url_has_allowed_host_and_scheme(asked, allowed_hosts=None) else ""


def _back(request: AccountRequest, setup: CardSetup) -> str:
    """To where the person came from, which is told of the card that was saved."""
    if not setup.next_url:
        return place(request, "billing:cards")
    if setup.method_id is None:
        return setup.next_url
    path, _, query = setup.next_url.partition("?")
    added = urlencode({"card": setup.method_id})
    return f"{path}?{query}&{added}" if query else f"{path}?{added}"


def own_setup(request: AccountRequest, key: Any) -> CardSetup:
    """The account's own card on its way; 404 for another's (ACC-4)."""
    setup = get_object_or_404(CardSetup, account=request.account, key=key)
    setup.account = request.account
    return setup


def own_card(request: AccountRequest, pk: int) -> PaymentMethod:
    """The account's own card; 404 for another's, and for one that was removed (ACC-4)."""
    card = get_object_or_404(saved_methods(request.account), pk=pk)
    card.account = request.account
    return card

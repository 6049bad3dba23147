"""The payments of an account: what came in, what it settled, paying now, and collecting by card (INV-6)."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.exporting import csv_response
from accounts.forms import filters_of, show_refusal
from accounts.paging import chosen_order, page_of_list
from accounts.permissions import BILLING_ADMINS, EVERY_ROLE, AccountRequest, account_page
from accounts.refusals import Refused
from accounts.trail import Actor
from billing import queries
from billing.explain import money_words, whole
from billing.models import Payment, RefundState
from billing.payment_forms import MoveFilter, PayForm
from billing.payments.collecting import collection_url, drive
from billing.payments.foreseen import owed_by
from billing.payments.methods import default_method, saved_methods
from billing.payments.paying import (
    Changed,
    check_payable,
    pay_owed,
    payment_on_its_way,
    set_collects_by_card,
)
from billing.payments.reading import Moved, moves_of, settled_with
from billing.payments.refunds import refundable
from billing.views.places import place, tabs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpResponse, StreamingHttpResponse

    from accounts.exporting import Cell

ORDERS: Final = {"date": ("on", "place"), "amount": ("amount", "place")}
COLUMNS: Final = (
    "date",
    "kind",
    "reference or reason",
    "amount",
    "currency",
    "credit left",
    "state",
    "payment",
)


@require_safe
@account_page(read=EVERY_ROLE, write=BILLING_ADMINS, while_suspended=True)
def payments(request: AccountRequest) -> HttpResponse:
    """What is owed and by when, the ways to pay it, and what came in and went out."""
    account = request.account
    form, found = _asked(request)
    owed = owed_by(account)
    balance = queries.balance_of(account, request.today)
    page = page_of_list(found, order=chosen_order(request.GET, ORDERS, default="-date"), query=request.GET)
    context = {
        "tabs": tabs(request, "payments"),
        "form": form,
        "page": page,
        "is_filtered": any(filters_of(form).values()),
        "export_url": place(request, "billing:payments-csv"),
        "balance": balance,
        "open": [(invoice, invoice.due_on < request.today) for invoice in owed.invoices],
        "card": default_method(account),
        "card_url": place(request, "billing:card-add"),
        "cards_url": place(request, "billing:cards"),
        "on_its_way": _on_its_way(request),
        "bank_details": account.brand.bank_details,
    }
    return render(request, "billing/payments.html", context)


@require_safe
@account_page(read=EVERY_ROLE)
def payments_csv(request: AccountRequest) -> StreamingHttpResponse:
    """The same payments and refunds as a file, newest first."""
    _, found = _asked(request)
    currency = request.account.currency

    def rows() -> Iterator[list[Cell]]:
        for move in sorted(found, key=lambda move: (move.on, move.place), reverse=True):
            left = None if move.state else whole(move.left, currency)
            yield [
                move.on,
                move.label,
                move.words,
                whole(move.amount, currency),
                currency,
                left,
                RefundState(move.state).label if move.state else "Received",
                move.payment,
            ]

    return csv_response(f"{request.account.slug}-payments", COLUMNS, rows())


@require_safe
@account_page(read=EVERY_ROLE)
def payment(request: AccountRequest, pk: int) -> HttpResponse:
    """One payment: the invoices that it settled, what of it is left, and what was given back."""
    if pk > 2**62:
        raise Http404
    found = get_object_or_404(Payment.objects.select_related("method"), account=request.account, pk=pk)
    found.account = request.account
    settled = settled_with(found)
    context = {
        "payment": found,
        "settled": settled,
        "settled_sum": sum((each.amount for each in settled), Decimal(0)),
        "refunds": list(found.refunds.select_related("credit").order_by("pk")),
        "refunded": refundable(found).refunded,
    }
    return render(request, "billing/payment.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(read=BILLING_ADMINS, write=BILLING_ADMINS, is_form=True, while_suspended=True)
def pay(request: AccountRequest) -> HttpResponse:
    """Choose how much of what is owed is paid and by which card, look at it, then pay."""
    account = request.account
    owed = owed_by(account)
    way = _on_its_way(request)
    cards = list(saved_methods(account))
    form = _pay_form(request, owed.total, cards)
    context: dict[str, Any] = {
        "form": form,
        "owed": owed,
        "on_its_way": way,
        "cards": cards,
        "card_url": place(request, "billing:card-add"),
        "pay_url": place(request, "billing:pay"),
        "bank_details": account.brand.bank_details,
    }
    if request.method == "POST" and owed.invoices and form.is_valid() and "edit" not in request.POST:
        try:
            check_payable(form.chosen, owed.total, account.currency)
            if "confirmed" in request.POST:
                return _pay(request, form)
            context["review"] = _fields(form, owed.fingerprint)
        except Changed as changed:
            messages.warning(request, changed.message)
            context["review"] = _fields(form, owed.fingerprint)
        except Refused as refusal:
            show_refusal(form, refusal)
    elif request.method == "GET" and form.is_bound:
        form.is_valid()
        form.errors.clear()
    context["foreseen"] = owed.settled_by(min(max(form.chosen, Decimal(0)), owed.total))
    context["chosen"] = form.chosen
    return render(request, "billing/pay.html", context)


@require_POST
@account_page(read=BILLING_ADMINS, write=BILLING_ADMINS, is_form=True)
def collect_by_card(request: AccountRequest) -> HttpResponse:
    """Have invoices collected from the saved card on their due day, or not any more."""
    is_on = request.POST.get("on") == "yes"
    set_collects_by_card(request.account, is_on, actor=Actor.of(request), at=request.at)
    messages.success(
        request,
        "Invoices are collected from your card on the day they are due."
        if is_on
        else "Invoices are no longer collected from your card. Pay each by its due day.",
    )
    return redirect(place(request, "billing:payments"))


# --- parts ---------------------------------------------------------------------------------------


def _asked(request: AccountRequest) -> tuple[MoveFilter, list[Moved]]:
    form = MoveFilter(request.GET)
    asked = filters_of(form)
    found = moves_of(
        request.account,
        search=asked["q"] or "",
        kind=asked["kind"] or "",
        first=asked["first"],
        last=asked["last"],
    )
    return form, found


def _on_its_way(request: AccountRequest) -> dict[str, Any] | None:
    """The payment of which nobody knows yet what comes of it, with its page."""
    found = payment_on_its_way(request.account)
    if found is None:
        return None
    found.account = request.account
    return {"collection": found, "url": place(request, "billing:collection", key=found.key)}


def _pay_form(request: AccountRequest, owed: Decimal, cards: list[Any]) -> PayForm:
    named = [
        (
            card,
            f"{card}, expired"
            if card.is_expired(request.at)
            else f"{card}, to {card.exp_month:02}/{card.exp_year}",
        )
        for card in cards
    ]
    initial = {
        "how_much": "all",
        "amount": whole(owed, request.account.currency),
        "method": str(cards[0].pk) if cards else None,
    }
    data = request.POST if request.method == "POST" else request.GET if "how_much" in request.GET else None
    words = money_words(owed, request.account.currency)
    return PayForm(data, initial=initial, owed=owed, words=words, methods=named)


def _fields(form: PayForm, fingerprint: str) -> dict[str, Any]:
    """What the review shows, and the form's fields to send once more with it."""
    fields = [
        ("how_much", "part"),
        ("amount", f"{form.chosen.normalize():f}"),
        ("method", form.cleaned_data["method"]),
        ("seen", fingerprint),
    ]
    return {"card": form.card, "fields": fields}


def _pay(request: AccountRequest, form: PayForm) -> HttpResponse:
    """Take the money, and on to the page that tells what has become of it."""
    actor = Actor.of(request)
    collection = pay_owed(
        request.account,
        form.chosen,
        form.card,
        seen=request.POST.get("seen", "")[:40],
        actor=actor,
        at=request.at,
    )
    now = drive(collection, actor=actor, clock=timezone.now)
    now.account = request.account
    return redirect(collection_url(now))

"""Finance: the payments of all accounts, one of them, and giving money back (INV-5, INV-6)."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.db.models import Q
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.exporting import csv_response
from accounts.forms import filters_of, show_refusal
from accounts.paging import COUNT_CAP, chosen_order, page_of
from accounts.permissions import FINANCE, StaffRequest, staff_page
from accounts.refusals import Refused
from accounts.trail import Actor
from billing import finance
from billing.explain import money_words, whole
from billing.models import Invoice, Payment, Refund, RefundState
from billing.payment_forms import PaymentFilter, ReasonForm, RefundFilter, RefundForm, SentForm
from billing.payments.reading import COLUMNS, PaymentFilters, payment_rows, payments_of_all, settled_with
from billing.payments.reading import totals_of_payments as totals_of
from billing.payments.refunds import (
    Refundable,
    ask_refund,
    call_off,
    drive_refund,
    finish_by_hand,
    refundable,
)
from billing.payments.settling import check_amount
from billing.views.finance_tabs import money_tabs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet
    from django.http import HttpResponse, QueryDict
    from django.http.response import HttpResponseBase

    from accounts.exporting import Cell

ORDERS: Final = {"date": ("on", "id"), "amount": ("amount", "id"), "left": ("left", "id")}
REFUND_ORDERS: Final = {"date": ("on", "id"), "amount": ("amount", "id")}
REFUND_COLUMNS: Final = (
    "date", "account", "payment", "kind", "amount", "currency", "out of", "reason", "state", "reference", "asked by",
)  # fmt: skip


@require_safe
@staff_page(FINANCE)
def payments(request: StaffRequest) -> HttpResponse:
    """The payments of all accounts with their totals, filtered, sorted and paged by key."""
    form = _filter(request)
    if not form.is_valid():
        return render(
            request,
            "finance/payments.html",
            {"form": form, "page": None, "tabs": money_tabs("payments")},
            status=400,
        )
    found = payments_of_all(form.filters())
    order = chosen_order(request.GET, ORDERS, default="-date")
    page = page_of(found.select_related("account__brand"), order=order, query=request.GET)
    context = {
        "form": form,
        "page": page,
        "is_filtered": form.filters() != PaymentFilters(),
        "totals": None if page.is_capped else totals_of(found),
        "columns": COLUMNS.items(),
        "cap": COUNT_CAP,
    }
    return render(request, "finance/payments.html", context | {"tabs": money_tabs("payments")})


@require_safe
@staff_page(FINANCE)
def payments_csv(request: StaffRequest) -> HttpResponseBase:
    """A row for each payment of the filter, newest first, all of them."""
    form = _filter(request)
    if not form.is_valid():
        return render(
            request,
            "finance/payments.html",
            {"form": form, "page": None, "tabs": money_tabs("payments")},
            status=400,
        )
    return csv_response("payments", list(COLUMNS), payment_rows(payments_of_all(form.filters())))


@require_safe
@staff_page(FINANCE)
def payment(request: StaffRequest, pk: int) -> HttpResponse:
    """One payment: what it settled, what is left, what was given back, and giving it back."""
    found = _found(pk)
    settled = settled_with(found)
    can = refundable(found)
    line = getattr(found, "bank_line", None)
    context = {
        "payment": found,
        "settled": settled,
        "settled_sum": sum((each.amount for each in settled), Decimal(0)),
        "refunds": list(found.refunds.select_related("credit").order_by("pk")),
        "can": can,
        "can_refund": can.now > 0,
        "line": line,
    }
    return render(request, "finance/payment.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(FINANCE)
def refund(request: StaffRequest, pk: int) -> HttpResponse:
    """Give money back: how much, out of which credit and why, a look at it, then the button."""
    found = _found(pk)
    can = refundable(found)
    form = _refund_form(request, found, can)
    context: dict[str, Any] = {"payment": found, "can": can, "form": form}
    if request.method == "POST" and form.is_valid() and "edit" not in request.POST:
        try:
            if "confirmed" in request.POST:
                return _refunded(request, found, form)
            _check_refund(found, form, can)
            asked = form.cleaned_data
            context["review"] = {
                "amount": asked["amount"],
                "credit": form.credit,
                "reason": asked["reason"],
                "fields": [
                    ("source", asked["source"]),
                    ("amount", f"{asked['amount'].normalize():f}"),
                    ("reason", asked["reason"]),
                    ("seen", f"{can.refunded:f}"),
                ],
            }
        except Refused as refusal:
            show_refusal(form, refusal)
    return render(request, "finance/refund.html", context)


@require_safe
@staff_page(FINANCE)
def refunds(request: StaffRequest) -> HttpResponse:
    """The refunds of all accounts: those on their way, those done, those that failed."""
    form, found = _asked_refunds(request)
    order = chosen_order(request.GET, REFUND_ORDERS, default="-date")
    context = {
        "form": form,
        "page": page_of(found, order=order, query=request.GET),
        "is_filtered": any(filters_of(form).values()),
    }
    return render(request, "finance/refunds.html", context | {"tabs": money_tabs("refunds")})


@require_safe
@staff_page(FINANCE)
def refunds_csv(request: StaffRequest) -> HttpResponseBase:
    """The same refunds as a file, newest first."""
    _, found = _asked_refunds(request)

    def rows() -> Iterator[list[Cell]]:
        for each in found.order_by("-on", "-id").iterator(chunk_size=1000):
            paid = each.payment
            yield [
                each.on,
                paid.account.slug,
                paid.pk,
                paid.kind,
                whole(each.amount, paid.currency),
                paid.currency,
                str(each.credit) if each.credit else "the payment",
                each.reason,
                each.state,
                each.gateway_id,
                each.asked_by,
            ]

    return csv_response("refunds", REFUND_COLUMNS, rows())


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(FINANCE)
def refund_sent(request: StaffRequest, pk: int) -> HttpResponse:
    """A refund by bank transfer has been sent, under a reference."""
    found = _found_refund(pk)
    form = SentForm(_sent(request))
    if request.method == "POST" and form.is_valid():
        try:
            finish_by_hand(found, form.cleaned_data["reference"], actor=Actor.of(request), at=request.at)
        except Refused as refusal:
            show_refusal(form, refusal)
        else:
            messages.success(request, "The refund is recorded as sent.")
            return redirect("finance:payment", pk=found.payment_id)
    return render(request, "finance/refund_sent.html", {"refund": found, "form": form})


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(FINANCE)
def refund_off(request: StaffRequest, pk: int) -> HttpResponse:
    """A refund by bank transfer is not sent after all: its amount is credit again."""
    found = _found_refund(pk)
    form = ReasonForm(_sent(request))
    if request.method == "POST" and form.is_valid():
        try:
            call_off(found, form.cleaned_data["reason"], actor=Actor.of(request), at=request.at)
        except Refused as refusal:
            show_refusal(form, refusal)
        else:
            messages.success(request, "The refund is called off. Its amount is the account's credit again.")
            return redirect("finance:payment", pk=found.payment_id)
    return render(request, "finance/refund_off.html", {"refund": found, "form": form})


@require_POST
@staff_page(FINANCE)
def refund_again(request: StaffRequest, pk: int) -> HttpResponse:
    """Ask the card's gateway once more, without waiting for the task that does."""
    found = _found_refund(pk)
    drive_refund(found, actor=Actor.of(request), clock=timezone.now)
    return redirect("finance:payment", pk=found.payment_id)


# --- parts ---------------------------------------------------------------------------------------


def _sent(request: StaffRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None


def _filter(request: StaffRequest) -> PaymentFilter:
    return PaymentFilter(request.GET, brands=finance.brands())


def _not_understood(request: StaffRequest, form: PaymentFilter) -> HttpResponse:
    """The list's page with what was wrong in its address, and no list (400)."""
    context = {"form": form, "page": None, "tabs": money_tabs("payments")}
    return render(request, "finance/payments.html", context, status=400)


def _found(pk: int) -> Payment:
    if pk > 2**62:
        raise Http404
    known: QuerySet[Payment] = Payment.objects.select_related("account__brand", "method", "bank_line__file")
    return get_object_or_404(known, pk=pk, account__is_simulation=False)


def _found_refund(pk: int) -> Refund:
    if pk > 2**62:
        raise Http404
    return get_object_or_404(Refund.objects.select_related("payment__account__brand", "credit"), pk=pk)


def _asked_refunds(request: StaffRequest) -> tuple[RefundFilter, QuerySet[Refund]]:
    form = RefundFilter(request.GET)
    asked = filters_of(form)
    found = Refund.objects.select_related("payment__account", "credit")
    if asked["q"]:
        text = asked["q"]
        found = found.filter(
            Q(payment__account__name__icontains=text)
            | Q(payment__account__slug=text)
            | Q(reason__icontains=text)
            | Q(gateway_id=text)
        )
    if asked["state"]:
        found = found.filter(state=asked["state"])
    if asked["first"]:
        found = found.filter(on__gte=asked["first"])
    if asked["last"]:
        found = found.filter(on__lte=asked["last"])
    return form, found


def _refund_form(request: StaffRequest, found: Payment, can: Refundable) -> RefundForm:
    sources: list[tuple[Invoice | None, str]] = []
    if can.own:
        sources.append((None, f"This payment: {money_words(can.own, found.currency)} of it is credit"))
    sources += [
        (credit, f"{credit}: {money_words(-credit.open_amount, found.currency)} of it is credit")
        for credit in can.credits
    ]
    first = sources[0][0] if sources else None
    left = can.own if first is None else -first.open_amount
    initial = {
        "source": "own" if first is None else str(first.pk),
        "amount": whole(min(can.most, left), found.currency),
    }
    return RefundForm(_sent(request), initial=initial, credits_left=sources)


def _check_refund(found: Payment, form: RefundForm, can: Refundable) -> None:
    """Raise Refused on the review for what the action would refuse."""
    credit, amount = form.credit, form.cleaned_data["amount"]
    left = can.own if credit is None else -credit.open_amount
    most = min(can.most, left)
    if amount > most:
        raise Refused(
            f"At most {money_words(most, found.currency)} can be refunded.", rule="INV-6", field="amount"
        )
    check_amount(amount, found.currency)


def _refunded(request: StaffRequest, found: Payment, form: RefundForm) -> HttpResponse:
    actor = Actor.of(request)
    asked = ask_refund(
        found,
        form.cleaned_data["amount"],
        credit=form.credit,
        reason=form.cleaned_data["reason"],
        seen=_decimal(request.POST.get("seen", "")),
        actor=actor,
        at=request.at,
    )
    now = drive_refund(asked, actor=actor, clock=timezone.now)
    if now.state == RefundState.DONE:
        messages.success(request, f"{money_words(now.amount, found.currency)} is refunded to {found.method}.")
    elif now.state == RefundState.FAILED:
        messages.error(request, f"It was not refunded, and is credit again. {now.failure}")
    elif found.kind == Payment.Kind.CARD:
        messages.info(request, "The card's gateway does not answer. It is asked again by itself.")
    else:
        messages.success(request, "It is taken out of the credit. Transfer it, then record that here.")
    return redirect("finance:payment", pk=found.pk)


def _decimal(text: str) -> Decimal:
    """An amount that the page itself wrote; anything else is one that nothing is equal to."""
    return Decimal(text) if text.replace(".", "", 1).isdecimal() and len(text) < 30 else Decimal(-1)

"""Finance: bank transfers recorded one by one, and the accounts that have credit (INV-6)."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from accounts.exporting import csv_response
from accounts.forms import filters_of, show_refusal
from accounts.models import Account
from accounts.paging import chosen_order, page_of
from accounts.permissions import FINANCE, StaffRequest, staff_page
from accounts.refusals import Refused
from accounts.trail import Actor
from billing import finance
from billing.explain import money_words, whole
from billing.models import Invoice, Payment
from billing.payment_forms import CreditFilter, TransferForm
from billing.payments.finding import find_accounts
from billing.payments.foreseen import owed_by
from billing.payments.paying import Changed, books_seen, record_transfer
from billing.payments.reading import accounts_with_credit, credit_rows
from billing.payments.settling import Received, check_amount
from billing.views.finance_tabs import money_tabs

if TYPE_CHECKING:
    from datetime import date

    from django.db.models import QuerySet
    from django.http import HttpResponse
    from django.http.response import HttpResponseBase

ORDERS: Final = {"name": ("name", "pk"), "credit": ("credit", "pk")}


@require_safe
@staff_page(FINANCE)
def record(request: StaffRequest) -> HttpResponse:
    """Find the account that a transfer is for."""
    search = request.GET.get("q", "").replace("\0", "").strip()[:120]
    context = {
        "search": search,
        "found": [
            (each, reverse("finance:transfer", kwargs={"slug": each.account.slug}))
            for each in find_accounts(search)
        ],
    }
    return render(request, "finance/transfer_for.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(FINANCE)
def transfer(request: StaffRequest, slug: str) -> HttpResponse:
    """Record a transfer for an account: amount, day and reference, a look at what it settles, then the button."""
    account = get_object_or_404(Account.objects.select_related("brand"), slug=slug, is_simulation=False)
    return transfer_page(request, account)


def transfer_page(request: StaffRequest, account: Account, invoice: Invoice | None = None) -> HttpResponse:
    """The page that records a transfer for an account, perhaps from one of its invoices, whose sum it begins with."""
    owed = owed_by(account)
    first = invoice.open_amount if invoice is not None else owed.total
    today = account.local_date(request.at)
    initial = {"on": today, "amount": whole(first, account.currency) if first else None}
    asked = request.POST if request.method == "POST" else request.GET if "amount" in request.GET else None
    form = TransferForm(asked, initial=initial)
    is_right = form.is_bound and form.is_valid()
    context: dict[str, Any] = {"account": account, "invoice": invoice, "form": form, "owed": owed}
    if request.method == "POST" and is_right and "edit" not in request.POST:
        try:
            _check(account, form, today)
            if "seen" in request.POST:
                return _recorded(request, account, form, invoice)
            context["fields"] = _fields(account, form)
        except Changed as changed:
            messages.warning(request, changed.message)
            context["fields"] = _fields(account, form)
        except Refused as refusal:
            show_refusal(form, refusal)
    elif request.method != "POST":
        form.errors.clear()
    amount = getattr(form, "cleaned_data", {}).get("amount", first) if form.is_bound else first
    context |= {"amount": amount, "foreseen": owed.settled_by(max(amount, Decimal(0)))}
    return render(request, "finance/transfer.html", context)


@require_safe
@staff_page(FINANCE)
def credits_(request: StaffRequest) -> HttpResponse:
    """The accounts that have credit, with how much."""
    form, found = _asked_credits(request)
    order = chosen_order(request.GET, ORDERS, default="-credit")
    context = {
        "form": form,
        "page": page_of(found, order=order, query=request.GET),
        "is_filtered": any(filters_of(form).values()),
    }
    return render(request, "finance/credits.html", context | {"tabs": money_tabs("credits")})


@require_safe
@staff_page(FINANCE)
def credits_csv(request: StaffRequest) -> HttpResponseBase:
    """The same accounts as a file."""
    _, found = _asked_credits(request)
    header = ("brand", "account", "account_name", "currency", "credit")
    return csv_response("accounts-with-credit", header, credit_rows(found.order_by("name", "pk").iterator()))


def _asked_credits(request: StaffRequest) -> tuple[CreditFilter, QuerySet[Account]]:
    form = CreditFilter(request.GET, brands=finance.brands())
    asked = filters_of(form)
    found = accounts_with_credit(
        search=asked["q"] or "",
        brand=int(asked["brand"]) if asked["brand"] else None,
        currency=asked["currency"] or "",
    )
    return form, found


def _check(account: Account, form: TransferForm, today: date) -> None:
    check_amount(form.cleaned_data["amount"], account.currency)
    if form.cleaned_data["on"] > today:
        raise Refused("This day is still to come.", rule="INV-6", field="on")


def _fields(account: Account, form: TransferForm) -> list[tuple[str, str]]:
    """The form's fields to send once more from the review."""
    return [
        ("amount", f"{form.cleaned_data['amount'].normalize():f}"),
        ("on", form.cleaned_data["on"].isoformat()),
        ("reference", form.cleaned_data["reference"]),
        ("seen", books_seen(account)),
    ]


def _recorded(
    request: StaffRequest, account: Account, form: TransferForm, invoice: Invoice | None
) -> HttpResponse:
    asked = form.cleaned_data
    received = Received(Payment.Kind.TRANSFER, asked["amount"], asked["on"], asked["reference"])
    payment = record_transfer(
        account,
        received,
        seen=request.POST.get("seen", "")[:60],
        actor=Actor.of(request),
        at=request.at,
    )
    left = f" {money_words(payment.left, payment.currency)} of it is credit." if payment.left else ""
    messages.success(request, f"The transfer is recorded.{left}")
    if invoice is not None:
        return redirect("finance:invoice", number=invoice.number)
    return redirect("finance:payment", pk=payment.pk)

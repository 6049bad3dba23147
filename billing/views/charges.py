"""The ledger of an account: all charges, as a list and as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.shortcuts import render
from django.urls import NoReverseMatch
from django.views.decorators.http import require_safe

from accounts.exporting import csv_response
from accounts.forms import filters_of
from accounts.models import Role
from accounts.paging import chosen_order, page_of
from accounts.permissions import EVERY_ROLE, AccountRequest, account_page
from billing import explain, queries
from billing.forms import ChargeFilter
from billing.models import Charge, ChargeState
from billing.views.places import place, tabs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet
    from django.http import HttpResponse, StreamingHttpResponse

    from accounts.exporting import Cell

ORDERS = {
    "added": ("added_on", "id"),
    "begins": ("begins", "id"),
    "product": ("product__rank", "product_id", "id"),
    "price": ("price", "id"),
    "for": ("subject_label", "id"),
}
# Pages of other apps that show what a charge is for, by the kind of its subject.
SUBJECT_PAGES = {"number": "telephony:number", "service": "telephony:service"}
COLUMNS = (
    "charge",
    "product",
    "name",
    "state",
    "quantity",
    "unit price",
    "currency",
    "added on",
    "billing begins on",
    "ends on (excluded)",
    "for",
    "end user or service",
    "why",
)


@require_safe
@account_page(read=EVERY_ROLE)
def charges(request: AccountRequest) -> HttpResponse:
    """All that is, was or will be billed: product, price, dates and what it is for."""
    form, found = _asked(request)
    order = chosen_order(request.GET, ORDERS, default="-added")
    page = page_of(found, order=order, query=request.GET)
    context = {
        "tabs": tabs(request, "charges"),
        "form": form,
        "page": page,
        "rows": [_row(request, charge) for charge in page.rows],
        "is_filtered": any(filters_of(form).values()),
        "export_url": place(request, "billing:charges-csv"),
    }
    return render(request, "billing/charges.html", context)


@require_safe
@account_page(read=EVERY_ROLE)
def charges_csv(request: AccountRequest) -> StreamingHttpResponse:
    """The same charges as a file, all of them."""
    _, found = _asked(request)

    def rows() -> Iterator[list[Cell]]:
        for charge in found.order_by("id").iterator(chunk_size=1000):
            yield [
                charge.pk,
                charge.product_id,
                charge.product.name,
                ChargeState(charge.state).label,
                charge.quantity,
                None if charge.unit_price is None else charge.unit_price.normalize(),
                request.account.currency,
                charge.added_on,
                charge.billing_starts_on,
                ends_on(charge),
                charge.subject_label,
                charge.holder,
                why(charge),
            ]

    return csv_response(f"{request.account.slug}-charges", COLUMNS, rows())


def ends_on(charge: Charge) -> Any:
    """The first day that is no longer billed: the end that came, or the one agreed on, whichever is earlier."""
    ends = [end for end in (charge.ended_on, charge.term_ends_on) if end is not None]
    return min(ends) if ends else None


def why(charge: Charge) -> str:
    """Why billing begins on its day, or what it waits for."""
    if charge.billing_starts_on is None:
        return explain.waits_words(charge.basis)
    return explain.begins_words(charge.basis, charge.basis_days)


def _row(request: AccountRequest, charge: Charge) -> dict[str, Any]:
    label = explain.label_words(charge.subject_label)
    holder = explain.label_words(charge.holder)
    return {
        "charge": charge,
        "label": label,
        "holder": holder if holder != label else "",
        "url": _subject_url(request, charge),
        "ends_on": ends_on(charge),
        "why": why(charge),
        "never": charge.state == ChargeState.ENDED and _never_billed(charge),
    }


def _never_billed(charge: Charge) -> bool:
    """Whether it was over before its billing began (BIL-5)."""
    end = ends_on(charge)
    return charge.billing_starts_on is None or (end is not None and end <= charge.billing_starts_on)


def _subject_url(request: AccountRequest, charge: Charge) -> str:
    """Where what a charge is for is to be seen; "" where it is gone, or the person has no business there."""
    if charge.state == ChargeState.ENDED:
        return ""
    kind, _, key = charge.subject.partition(":")
    if request.membership_role is Role.BILLING or kind not in SUBJECT_PAGES or not key.isdigit():
        return ""
    try:
        return place(request, SUBJECT_PAGES[kind], pk=int(key))
    except NoReverseMatch:
        return ""


def _asked(request: AccountRequest) -> tuple[ChargeFilter, QuerySet[Charge]]:
    form = ChargeFilter(request.GET, products=queries.products_in_ledger(request.account))
    asked = filters_of(form)
    found = queries.charges_of(
        request.account,
        search=asked["q"] or "",
        state=asked["state"] or "",
        product=asked["product"] or "",
    )
    return form, found

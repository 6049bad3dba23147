"""Where the billing pages lead: their tabs, and the addresses that several of them give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.urls import reverse

from billing.explain import MOST_LINES, is_of_plan

if TYPE_CHECKING:
    from django.http import HttpRequest

    from accounts.permissions import AccountRequest
    from billing.explain import ChargesUrl
    from billing.models import InvoiceLine

_TABS = (
    ("overview", "Overview"),
    ("next-invoice", "Next invoice"),
    ("invoices", "Invoices"),
    ("payments", "Payments"),
    ("charges", "Charges"),
)


def tabs(request: AccountRequest, current: str) -> list[dict[str, Any]]:
    """The tabs of the billing pages; `current` is the name of one."""
    return [
        {"label": label, "url": place(request, f"billing:{name}"), "is_active": name == current}
        for name, label in _TABS
    ]


def place(request: AccountRequest, name: str, **kwargs: Any) -> str:
    """The address of a page of the request's account."""
    return reverse(name, kwargs={"account": request.account.slug, **kwargs})


def invoice_url(request: AccountRequest, number: str) -> str:
    """Where an invoice of the account is."""
    return place(request, "billing:invoice", number=number)


def charges_url_of(request: AccountRequest) -> ChargesUrl:
    """Says for a line where the charges behind it are listed; a plan is paid for outside of the ledger."""
    ledger, plan = place(request, "billing:charges"), place(request, "billing:plan")

    def url(line: InvoiceLine) -> str:
        if is_of_plan(line):
            return plan
        about = {"q": line.subject_label} if line.subject_label else {}
        return f"{ledger}?{urlencode({'product': line.product, **about})}"

    return url


def window(request: HttpRequest, total: int, name: str = "from") -> tuple[int, dict[str, Any]]:
    """Which lines of a long document are asked for by ?from=, or `name`: the place of the first, and the ways on.

    What is no line's number begins at the beginning.
    """
    asked = request.GET.get(name, "")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 9 else 1
    first = number - 1 if 0 < number <= total else 0
    last = min(first + MOST_LINES, total)
    return first, {
        "first": first + 1,
        "last": last,
        "total": total,
        "is_part": total > MOST_LINES,
        "previous": max(first - MOST_LINES, 0) + 1 if first else None,
        "next": last + 1 if last < total else None,
    }

"""The statement of an account: a page that prints well, and the same as a file (INV-7)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.exporting import csv_response
from accounts.permissions import EVERY_ROLE, AccountRequest, account_page
from billing.explain import whole
from billing.payment_forms import StatementForm
from billing.payments.statements import Entry, EntryKind, Statement, statement_of
from billing.views.places import place, window

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from django.http.response import HttpResponseBase

    from accounts.exporting import Cell

COLUMNS = ("date", "what", "number", "words", "invoiced", "paid", "balance", "currency")
_ON_THE_LEFT = frozenset({EntryKind.INVOICE, EntryKind.CREDIT_NOTE})


@require_safe
@account_page(read=EVERY_ROLE)
def statement(request: AccountRequest) -> HttpResponse:
    """What was owed at the beginning, all that happened, and what is owed at the end."""
    form, found = _asked(request)
    context: dict[str, Any] = {"form": form, "presets": _presets(request)}
    if found is None:
        return render(request, "billing/statement.html", context, status=400)
    first, part = window(request, len(found.entries), "row")
    shown = found.entries[first : part["last"]]
    query = urlencode({"from": found.first, "to": found.last})
    context |= {
        "statement": found,
        "closing": abs(found.closing),
        "paid": -found.received,
        "rows": [(entry, _url(request, entry), *_columns(entry)) for entry in shown],
        "before": found.entries[first - 1].balance if first else found.opening,
        "is_first": first == 0,
        "is_last": part["next"] is None,
        "part": part | {"query": query},
        "csv_url": f"{place(request, 'billing:statement-csv')}?{query}",
    }
    return render(request, "billing/statement.html", context)


@require_safe
@account_page(read=EVERY_ROLE)
def statement_csv(request: AccountRequest) -> HttpResponseBase:
    """The same as a file, the opening balance first and the closing one last."""
    _, found = _asked(request)
    if found is None:
        return HttpResponse("These days were not understood.", status=400, content_type="text/plain")
    name = f"{request.account.slug}-statement-{found.first}-{found.last}"
    return csv_response(name, COLUMNS, _rows(found, request.account.currency))


def _asked(request: AccountRequest) -> tuple[StatementForm, Statement | None]:
    """The days that the address asks for, and their statement; None where they are not understood."""
    first, last = _quarter(request.today)
    form = StatementForm(request.GET, first=first, last=last)
    if not form.is_valid():
        return form, None
    return form, statement_of(request.account, form.cleaned_data["from"], form.cleaned_data["to"])


def _quarter(today: date) -> tuple[date, date]:
    """From the first of the month before the last to today."""
    first = today.replace(day=1)
    for _ in range(2):
        first = (first - timedelta(days=1)).replace(day=1)
    return first, today


def _presets(request: AccountRequest) -> list[tuple[str, str]]:
    """Days that are often asked for, with what the address says for them."""
    today = request.today
    month = today.replace(day=1)
    last_month = month - timedelta(days=1)
    wanted = (
        ("This month", month, today),
        ("Last month", last_month.replace(day=1), last_month),
        ("This year", today.replace(month=1, day=1), today),
        ("Since the beginning", request.account.opened_on, today),
    )
    return [(label, urlencode({"from": first, "to": last})) for label, first, last in wanted]


def _url(request: AccountRequest, entry: Entry) -> str:
    if entry.kind in _ON_THE_LEFT:
        return place(request, "billing:invoice", number=entry.key)
    return place(request, "billing:payment", pk=entry.key)


def _columns(entry: Entry) -> tuple[Decimal | None, Decimal | None]:
    """What stands under Invoiced and under Paid: a refund is below zero there."""
    return (entry.amount, None) if entry.kind in _ON_THE_LEFT else (None, -entry.amount)


def _rows(found: Statement, currency: str) -> Iterator[list[Cell]]:
    yield [found.first, "opening balance", "", "", None, None, whole(found.opening, currency), currency]
    for entry in found.entries:
        invoiced, paid = _columns(entry)
        yield [
            entry.on,
            entry.kind,
            entry.key,
            f"{entry.words}, {entry.note}" if entry.note else entry.words,
            None if invoiced is None else whole(invoiced, currency),
            None if paid is None else whole(paid, currency),
            whole(entry.balance, currency),
            currency,
        ]
    yield [found.last, "closing balance", "", "", None, None, whole(found.closing, currency), currency]

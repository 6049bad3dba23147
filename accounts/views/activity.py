"""The audit trail of an account, to read and to take along (ACC-5)."""

from __future__ import annotations

import json
from datetime import UTC
from itertools import groupby
from typing import TYPE_CHECKING, Any

from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.exporting import csv_response
from accounts.forms import ActivityFilter, action_label, filters_of
from accounts.paging import page_of
from accounts.permissions import ADMINS, AccountRequest, account_page
from accounts.queries import actions_in_trail, people_in_trail, trail_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet
    from django.http import HttpResponse, StreamingHttpResponse

    from accounts.exporting import Cell
    from accounts.models import AuditEntry

COLUMNS = (
    "time (UTC)",
    "time (account)",
    "who",
    "name",
    "scheduled task",
    "address",
    "action",
    "of",
    "what",
    "before",
    "after",
)


@require_safe
@account_page(read=ADMINS)
def activity(request: AccountRequest) -> HttpResponse:
    """Who changed what, newest first, by the days of the account."""
    form, trail = _asked(request)
    page = page_of(trail, order=("-id",), query=request.GET)
    days = [
        {"on": on, "entries": list(entries)}
        for on, entries in groupby(page.rows, key=lambda row: request.account.local_date(row.at))
    ]
    context = {
        "form": form,
        "page": page,
        "days": days,
        "is_filtered": any(filters_of(form).values()),
        "export_url": reverse("accounts:activity-csv", kwargs={"account": request.account.slug}),
    }
    return render(request, "accounts/activity.html", context)


@require_safe
@account_page(read=ADMINS)
def activity_csv(request: AccountRequest) -> StreamingHttpResponse:
    """The same entries as a file, all of them."""
    _, trail = _asked(request)
    zone = request.account.zone

    def rows() -> Iterator[list[Cell]]:
        for entry in trail.iterator(chunk_size=1000):
            yield [
                entry.at.astimezone(UTC),
                entry.at.astimezone(zone),
                entry.by,
                entry.user.full_name if entry.user else "",
                "yes" if entry.is_task else "",
                entry.address,
                action_label(entry.action),
                entry.target,
                entry.summary,
                _text(entry.before),
                _text(entry.after),
            ]

    return csv_response(f"{request.account.slug}-activity", COLUMNS, rows())


def _asked(request: AccountRequest) -> tuple[ActivityFilter, QuerySet[AuditEntry]]:
    form = ActivityFilter(
        request.GET,
        people=people_in_trail(request.account),
        actions=actions_in_trail(request.account),
    )
    asked = filters_of(form)
    trail = trail_of(
        request.account,
        search=asked["q"] or "",
        person=asked["who"] or "",
        action=asked["action"] or "",
        first=asked["first"],
        last=asked["last"],
    )
    return form, trail


def _text(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False) if values else ""

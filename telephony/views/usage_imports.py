"""The staff's pages of usage imports: sending a file, how far it is, and the lines that were refused (USE-1)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from accounts.exporting import Cell, csv_response
from accounts.forms import filters_of
from accounts.paging import chosen_order, page_of
from accounts.permissions import FINANCE, SUPPORT, StaffRequest, is_in_group, staff_page
from accounts.trail import Actor
from billing.models import Meter, UsageFault, UsageImport
from telephony.tasks import import_soon
from telephony.usage_files import SAMPLE
from telephony.usage_forms import FaultFilter, ImportFilter, ImportForm
from telephony.usage_import import KEPT_FAULTS, receive_file

if TYPE_CHECKING:
    from django.http.response import HttpResponseBase

WHO: Final = (FINANCE, SUPPORT)
WHOLE_LINE: Final = "-"
"""Stands in addresses for faults of a line as a whole, which name no field."""

FORMAT: Final = {
    "id": "Always: up to 64 characters, the record's own in its account. The same one again counts once.",
    "at": "Always: when it began, with its offset, like 2026-02-03T14:05:00-05:00 or 2026-02-03T19:05:00Z.",
    "account": "The account's name in addresses, like harbor-dental. A call may leave it out where one of its "
    "numbers is one account's alone.",
    "from": "Calls: the caller's number. Empty or anonymous where an inbound caller withheld it.",
    "to": "Calls: the number that was called.",
    "seconds": "Calls: how long, in whole seconds.",
    "direction": "Calls, if you know it: inbound or outbound. Else the account's numbers tell.",
    "meter": "Other usage: the meter's code, as listed below.",
    "quantity": "Other usage: how much, a whole number.",
    "subscription": "Other usage: the name of the subscription that it belongs to. Empty counts as the primary's.",
    "subject": "Other usage: who or what is counted, where the meter counts different ones, like named agents.",
    "currency": "If you like to be sure: the account's currency. A record in another one is refused.",
}
IMPORT_COLUMNS: Final = (
    "import",
    "file",
    "bytes",
    "source",
    "by",
    "received_at",
    "started_at",
    "finished_at",
    "state",
    "lines",
    "taken",
    "known",
    "free",
    "refused",
    "without_a_rate",
    "reason",
)
ORDERS: Final = {
    "received": ("id",),
    "size": ("size", "id"),
    "taken": ("taken", "id"),
    "refused": ("refused", "id"),
}
TONES: Final = {
    UsageImport.State.WAITING: "neutral",
    UsageImport.State.RUNNING: "info",
    UsageImport.State.FINISHED: "ok",
    UsageImport.State.FAILED: "bad",
}


@require_safe
@staff_page(*WHO)
def imports(request: StaffRequest) -> HttpResponse:
    """All imports, newest first, whichever way their files came."""
    form = ImportFilter(request.GET)
    asked = filters_of(form)
    order = chosen_order(request.GET, ORDERS, default="-received")
    page = page_of(_imports(asked), order=order, query=request.GET)
    context = {
        "form": form,
        "page": page,
        "rows": [(found, *_state(found), _percent(found)) for found in page.rows],
        "is_filtered": any(asked.values()),
        "is_busy": any(_is_unfinished(found) for found in page.rows),
    }
    return render(request, "telephony/usage/imports.html", context)


@require_safe
@staff_page(*WHO)
def imports_csv(request: StaffRequest) -> HttpResponseBase:
    """A row for each import that the filters let through, newest first."""
    found = _imports(filters_of(ImportFilter(request.GET))).order_by("-id")
    return csv_response("usage-imports", IMPORT_COLUMNS, _import_rows(found))


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(*WHO)
def send(request: StaffRequest) -> HttpResponse:
    """Take a file, and leave the rest to a worker."""
    is_sent = request.method == "POST"
    form = ImportForm(request.POST, request.FILES) if is_sent else ImportForm()
    if form.is_valid():
        file = form.cleaned_data["file"]
        with transaction.atomic():
            found = receive_file(
                str(file.name),
                file.file,
                source=UsageImport.Source.UPLOAD,
                actor=Actor.of(request),
                at=request.at,
            )
            import_soon(found)
        messages.success(request, f"{found.name} is received. A worker imports it.")
        return redirect("imports:import", pk=found.pk)
    context = {
        "form": form,
        "columns": FORMAT.items(),
        "meters": Meter.objects.filter(is_call=False),
    }
    return render(request, "telephony/usage/send.html", context)


@require_safe
@staff_page(*WHO)
def sample(request: StaffRequest) -> HttpResponse:
    """A file with one line of each kind."""
    return HttpResponse(
        SAMPLE,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="usage-sample.csv"'},
    )


@require_safe
@staff_page(*WHO)
def report(request: StaffRequest, pk: int) -> HttpResponse:
    """One import: how far it is, what came of it, and the lines that were refused. It stays for ever."""
    found = get_object_or_404(UsageImport, pk=pk)
    by_field = list(
        UsageFault.objects.filter(usage_import=found)
        .values_list("field")
        .annotate(lines=Count("pk"))
        .order_by("-lines", "field")
    )
    form = FaultFilter(request.GET, fields=[field for field, _ in by_field])
    asked = filters_of(form)
    page = page_of(_faults(found, asked), order=("line", "id"), query=request.GET)
    kept = sum(lines for _, lines in by_field)
    state, tone = _state(found)
    context: dict[str, Any] = {
        "found": found,
        "state": state,
        "tone": tone,
        "is_busy": _is_unfinished(found),
        "percent": _percent(found),
        "took": _took(found, request.at),
        "speed": _speed(found, request.at),
        "lines": _lines(found),
        "form": form,
        "page": page,
        "by_field": [(field or "the whole line", field or WHOLE_LINE, lines) for field, lines in by_field],
        "is_filtered": any(asked.values()),
        "left_out": found.refused - kept if found.refused > kept and not _is_unfinished(found) else 0,
        "kept": KEPT_FAULTS,
        "is_finance": is_in_group(request.user, FINANCE),
    }
    return render(request, "telephony/usage/import.html", context)


@require_safe
@staff_page(*WHO)
def faults_csv(request: StaffRequest, pk: int) -> HttpResponseBase:
    """The refused lines that the filters let through, each with its reason, as they came."""
    found = get_object_or_404(UsageImport, pk=pk)
    fields = [*UsageFault.objects.filter(usage_import=found).values_list("field", flat=True).distinct()]
    faults = _faults(found, filters_of(FaultFilter(request.GET, fields=fields)))
    rows = faults.order_by("line", "id").values_list("line", "field", "reason", "content")
    return csv_response(
        f"usage-import-{found.pk}-refused", ("line", "field", "reason", "content"), rows.iterator()
    )


# --- parts ---------------------------------------------------------------------------------------


def _imports(asked: dict[str, Any]) -> QuerySet[UsageImport]:
    found = UsageImport.objects.all()
    words = (asked["q"] or "").replace("\0", "").strip()
    if words:
        found = found.filter(Q(name__icontains=words) | Q(by__icontains=words))
    if asked["state"]:
        found = found.filter(state=asked["state"])
    if asked["source"]:
        found = found.filter(source=asked["source"])
    return found.filter(refused__gt=0) if asked["refused"] else found


def _faults(found: UsageImport, asked: dict[str, Any]) -> QuerySet[UsageFault]:
    faults = UsageFault.objects.filter(usage_import=found)
    if asked["field"]:
        faults = faults.filter(field="" if asked["field"] == WHOLE_LINE else asked["field"])
    words = (asked["q"] or "").replace("\0", "").strip()
    if words:
        faults = faults.filter(Q(reason__icontains=words) | Q(content__icontains=words))
    return faults


def _import_rows(found: QuerySet[UsageImport]) -> Iterator[list[Cell]]:
    for each in found.iterator():
        yield [
            each.pk,
            each.name,
            each.size,
            each.source,
            each.by,
            each.created_at,
            each.started_at,
            each.finished_at,
            each.state,
            _lines(each),
            each.taken,
            each.known,
            each.free,
            each.refused,
            each.unrated,
            each.failed_reason,
        ]


def _is_unfinished(found: UsageImport) -> bool:
    return found.state in (UsageImport.State.WAITING, UsageImport.State.RUNNING)


def _state(found: UsageImport) -> tuple[str, str]:
    """How an import stands, in words and a tone."""
    if found.state == UsageImport.State.FINISHED and found.refused:
        return "Finished, lines refused", "warn"
    state = UsageImport.State(found.state)
    return state.label, TONES[state]


def _lines(found: UsageImport) -> int:
    """The lines that were dealt with, without the header."""
    return max(0, found.lines_done - 1)


def _percent(found: UsageImport) -> int:
    """How much of the file was read, as a whole number that reaches 100 only at its end."""
    return min(100, found.bytes_done * 100 // found.size) if found.size else 100


def _span(found: UsageImport, at: datetime) -> timedelta:
    if found.started_at is None:
        return timedelta(0)
    return max(timedelta(0), (found.finished_at or at) - found.started_at)


def _took(found: UsageImport, at: datetime) -> str:
    """How long it took, or has taken by `at`: 0.4 s, 12 s, 3 min 20 s, 2 h 5 min."""
    if found.started_at is None:
        return "–"
    seconds = _span(found, at).total_seconds()
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _speed(found: UsageImport, at: datetime) -> int | None:
    """Lines a second; None where there is nothing to tell it by."""
    seconds = _span(found, at).total_seconds()
    return round(_lines(found) / seconds) if seconds > 0.05 and _lines(found) else None

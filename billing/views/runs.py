"""The invoice runs: what each came to, whom it set aside and why, and running those again (BIL-9)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts.paging import page_of
from accounts.permissions import (
    FINANCE,
    STAFF_GROUPS,
    StaffRequest,
    is_in_group,
    staff_page,
)
from accounts.trail import Actor
from billing.models import InvoiceRun, RunFailure
from billing.tasks import run_again_now

if TYPE_CHECKING:
    from datetime import datetime

    from django.db.models import QuerySet
    from django.http import HttpResponse

MOST_HELD: Final = 20


@require_safe
@staff_page(*STAFF_GROUPS)
def runs(request: StaffRequest) -> HttpResponse:
    """All runs, newest first, and above them the accounts that no run bills until somebody has looked."""
    page = page_of(InvoiceRun.objects.prefetch_related("totals"), order=("-id",), query=request.GET)
    held = _held()
    held_count = held.count()
    context = {
        "page": page,
        "rows": [(run, *_state(run), duration(run, request.at)) for run in page.rows],
        "held": list(held[:MOST_HELD]),
        "held_count": held_count,
        "held_more": held_count - MOST_HELD if held_count > MOST_HELD else 0,
        "may_run_again": is_in_group(request.user, FINANCE),
    }
    return render(request, "staff/runs.html", context)


@require_safe
@staff_page(*STAFF_GROUPS)
def run(request: StaffRequest, pk: int) -> HttpResponse:
    """One run: counts, totals, the invoices it made, and the accounts it set aside with the reasons."""
    found = get_object_or_404(InvoiceRun.objects.select_related("only"), pk=pk)
    failures = RunFailure.objects.filter(run=found).select_related("account")
    page = page_of(failures, order=("id",), query=request.GET)
    state, tone = _state(found)
    context: dict[str, Any] = {
        "run": found,
        "state": state,
        "tone": tone,
        "duration": duration(found, request.at),
        "totals": list(found.totals.all()),
        "page": page,
        "still_held": failures.filter(resolved_at=None).count(),
        "is_finance": is_in_group(request.user, FINANCE),
    }
    return render(request, "staff/run.html", context)


@require_POST
@staff_page(FINANCE)
def again(request: StaffRequest, pk: int) -> HttpResponse:
    """Run again those whom this run set aside: one, where `failure` names it, or all of them."""
    found = get_object_or_404(InvoiceRun, pk=pk)
    failures = RunFailure.objects.filter(run=found)
    asked = request.POST.get("failure", "")
    if asked:
        failures = failures.filter(pk=int(asked) if asked.isdecimal() and len(asked) < 19 else 0)
    return _run_again(request, failures, back_to=found)


@require_POST
@staff_page(FINANCE)
def again_all(request: StaffRequest) -> HttpResponse:
    """Run again all accounts that are held now, whichever run set them aside."""
    return _run_again(request, RunFailure.objects.all(), back_to=None)


def _run_again(
    request: StaffRequest, failures: QuerySet[RunFailure], *, back_to: InvoiceRun | None
) -> HttpResponse:
    new = run_again_now(failures, actor=Actor.of(request), at=request.at)
    if new is None:
        messages.info(request, "Nobody is held any more: nothing to run again.")
        return redirect("staff:run", pk=back_to.pk) if back_to else redirect("staff:runs")
    messages.success(request, "Running again. What was missed is made up with its own dates.")
    return redirect("staff:run", pk=new.pk)


def _held() -> QuerySet[RunFailure]:
    return RunFailure.objects.filter(resolved_at=None).select_related("account", "run").order_by("-id")


def _state(run: InvoiceRun) -> tuple[str, str]:
    """How a run stands, in a word and a tone."""
    if run.finished_at is None:
        return "Running", "info"
    return ("With failures", "warn") if run.failures else ("Finished", "ok")


def duration(run: InvoiceRun, at: datetime) -> str:
    """How long a run took, or has taken by `at`: 0.4 s, 12 s, 3 min 20 s, 2 h 5 min."""
    took: timedelta = max(timedelta(0), (run.finished_at or at) - run.started_at)
    seconds = took.total_seconds()
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest} s"
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"

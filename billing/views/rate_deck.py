"""Finance: the rate deck of international calls, its file, and importing one after a look at every row (USE-2)."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from accounts.exporting import csv_response
from accounts.forms import filters_of
from accounts.models import Brand
from accounts.paging import chosen_order, page_of
from accounts.permissions import FINANCE, StaffRequest, staff_page
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.rate_deck import (
    COLUMNS,
    MAY_BE_MISSING,
    Deck,
    Kind,
    deck_rows,
    import_deck,
    judge_deck,
    rates_of_deck,
    verdict_rows,
)
from billing.rate_forms import DeckFilter, DeckUploadForm
from billing.rating import INTERNATIONAL
from billing.views.file_rows import rows_of
from billing.views.kept_files import KeptFiles

if TYPE_CHECKING:
    from django.http import HttpResponse
    from django.http.response import HttpResponseBase

ORDERS: Final = {
    "prefix": ("prefix", "effective_on", "id"),
    "from": ("effective_on", "id"),
    "rate": ("per_unit", "id"),
}
LABELS: Final = {
    Kind.NEW: ("Added", "ok"),
    Kind.ENDS: ("Ends a rate", "info"),
    Kind.SAME: ("Known already", "neutral"),
    Kind.REFUSED: ("Refused", "bad"),
}
ALL: Final = "all"
FILES: Final = KeptFiles("rate-decks")
SAMPLE: Final = (
    ("+44", "United Kingdom", "0.0190", "USD", "2026-12-01", "", ""),
    ("+447", "United Kingdom, mobile", "0.0450", "USD", "2026-12-01", "", ""),
    ("+1876", "Jamaica", "0.1800", "USD", "2026-12-01", "2027-03-01", ""),
)


@require_safe
@staff_page(FINANCE)
def deck(request: StaffRequest) -> HttpResponse:
    """The deck's rates: searched, filtered, sorted and paged by key."""
    form = _filter(request)
    asked = filters_of(form)
    found = rates_of_deck(**_narrowed(asked))
    page = page_of(found, order=chosen_order(request.GET, ORDERS, default="prefix"), query=request.GET)
    today = request.at.astimezone(UTC).date()
    context = {
        "form": form,
        "page": page,
        "rows": [(rate, _state(rate.effective_on, rate.ends_on, today)) for rate in page.rows],
        "is_filtered": any(asked.values()),
        "columns": COLUMNS.items(),
        "international": INTERNATIONAL,
    }
    return render(request, "finance/rate_deck.html", context)


@require_safe
@staff_page(FINANCE)
def deck_csv(request: StaffRequest) -> HttpResponseBase:
    """The deck's rates that the filters let through, with the columns of a file to import."""
    found = rates_of_deck(**_narrowed(filters_of(_filter(request))))
    return csv_response("rate-deck", list(COLUMNS), deck_rows(found))


@require_safe
@staff_page(FINANCE)
def deck_sample(request: StaffRequest) -> HttpResponseBase:
    """A file as it is taken, to begin with."""
    return csv_response("rate-deck-sample", list(COLUMNS), SAMPLE)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(FINANCE)
def upload(request: StaffRequest) -> HttpResponse:
    """Take a file, and on to what would become of each of its rows."""
    is_sent = request.method == "POST"
    form = DeckUploadForm(request.POST, request.FILES) if is_sent else DeckUploadForm()
    if form.is_valid():
        digest = FILES.keep(request, form.cleaned_data["file"], request.at)
        return redirect("finance:rate-deck-review", digest=digest)
    context = {"form": form, "columns": COLUMNS.items(), "may_be_missing": MAY_BE_MISSING}
    return render(request, "finance/rate_deck_import.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(FINANCE)
def review(request: StaffRequest, digest: str) -> HttpResponse:
    """What would become of each row of a file, and the button that takes all of them."""
    name, path = FILES.find(request, digest)
    if path is None:
        messages.info(request, "That file is no longer here. Choose it again.")
        return redirect("finance:rate-deck-import")
    try:
        if request.method == "POST":
            with path.open("rb") as lines:
                done = import_deck(lines, name=name, actor=Actor.of(request), at=request.at)
            path.unlink(missing_ok=True)
            return _imported(request, done)
        judged = _judged(request, path)
    except Refused as refusal:
        context: dict[str, Any] = {"name": name, "refusal": refusal, "deck": None}
        return render(request, "finance/rate_deck_review.html", context, status=400)
    counts = judged.counts
    kind = request.GET.get("kind") or (Kind.REFUSED if judged.refused else "")
    if kind not in set(Kind):
        kind = ""
    shown = [each for each in judged.verdicts if not kind or each.kind == kind]
    page = rows_of(shown, request)
    context = {
        "name": name,
        "deck": judged,
        "digest": digest,
        "kinds": [
            {
                "label": label,
                "url": f"?kind={one or ALL}",
                "is_active": one == kind,
                "count": counts.get(one, 0) if one else len(judged.verdicts),
            }
            for one, label in (("", "All rows"), *((str(key), label) for key, (label, _) in LABELS.items()))
        ],
        "page": page,
        "total": len(shown),
        "rows": [(each, *LABELS[each.kind]) for each in page.rows],
        "kind": kind,
    }
    return render(request, "finance/rate_deck_review.html", context)


@require_safe
@staff_page(FINANCE)
def review_csv(request: StaffRequest, digest: str) -> HttpResponseBase:
    """The rows of a file with what would become of each and why; of one kind, where `kind` asks for it."""
    _, path = FILES.find(request, digest)
    if path is None:
        return redirect("finance:rate-deck-import")
    try:
        judged = _judged(request, path)
    except Refused:
        return redirect("finance:rate-deck-review", digest=digest)
    header = [*judged.header, "line", "verdict", "field", "reason"]
    return csv_response("rate-deck-rows", header, verdict_rows(judged, request.GET.get("kind", "")))


# --- parts ---------------------------------------------------------------------------------------


def _filter(request: StaffRequest) -> DeckFilter:
    return DeckFilter(request.GET, brands=Brand.objects.order_by("name"))


def _narrowed(asked: dict[str, Any]) -> dict[str, Any]:
    return {
        "search": asked["q"] or "",
        "brand": asked["brand"] or "",
        "currency": asked["currency"] or "",
        "on": asked["on"],
    }


def _state(effective_on: Any, ends_on: Any, today: Any) -> tuple[str, str]:
    if effective_on > today:
        return "To come", "info"
    return ("Ended", "neutral") if ends_on is not None and ends_on <= today else ("Begun", "ok")


def _judged(request: StaffRequest, path: Path) -> Deck:
    with path.open("rb") as lines:
        return judge_deck(lines, request.at)


def _imported(request: StaffRequest, done: Deck) -> HttpResponse:
    """Say what was done, and where rates are of days gone by, on to rating anew what has come in since."""
    counts = done.counts
    if not done.changes:
        messages.info(request, "The deck holds all of these rates already. Nothing was changed.")
        return redirect("finance:rate-deck")
    messages.success(request, f"{counts.get(Kind.NEW, 0):,} rates added, {counts.get(Kind.ENDS, 0):,} ended.")
    first = done.earliest()
    if first is None or first >= request.at.astimezone(UTC).date():
        return redirect("finance:rate-deck")
    url = reverse("finance:rerate", kwargs={"code": INTERNATIONAL})
    return redirect(f"{url}?first={first}")

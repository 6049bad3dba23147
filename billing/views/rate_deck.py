"""Finance: the rate deck of international calls, its file, and importing one after a look at every row (USE-2)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.contrib import messages
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from accounts.exporting import csv_response
from accounts.forms import filters_of
from accounts.models import Brand
from accounts.paging import PAGE_SIZE, chosen_order, page_of
from accounts.permissions import FINANCE, StaffRequest, staff_page
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.rate_deck import (
    COLUMNS,
    MAY_BE_MISSING,
    Deck,
    Kind,
    Verdict,
    deck_rows,
    import_deck,
    judge_deck,
    rates_of_deck,
    verdict_rows,
)
from billing.rate_forms import DeckFilter, DeckUploadForm
from billing.rating import INTERNATIONAL

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile
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
KEPT: Final = timedelta(days=1)
"""A file that nobody imports is kept so long."""
_KNOWN_FILES: Final = "rate-decks"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
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
        file = form.cleaned_data["file"]
        digest = _keep(file)
        request.session[_KNOWN_FILES] = {
            **request.session.get(_KNOWN_FILES, {}),
            digest: str(file.name or "upload.csv")[:120],
        }
        return redirect("finance:rate-deck-review", digest=digest)
    context = {"form": form, "columns": COLUMNS.items(), "may_be_missing": MAY_BE_MISSING}
    return render(request, "finance/rate_deck_import.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(FINANCE)
def review(request: StaffRequest, digest: str) -> HttpResponse:
    """What would become of each row of a file, and the button that takes all of them."""
    name, path = _kept(request, digest)
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
    page = _page(shown, request)
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
    _, path = _kept(request, digest)
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


def _folder() -> Path:
    """Where files lie between the look at them and their import."""
    folder: Path = settings.DATA_DIR / "rate-decks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _keep(file: UploadedFile[Any]) -> str:
    """Keep a file for the look at it, under its own digest; those that nobody came back for go."""
    forgotten = (timezone.now() - KEPT).timestamp()
    for old in _folder().iterdir():
        if old.stat().st_mtime < forgotten:
            old.unlink(missing_ok=True)
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    name = digest.hexdigest()
    part = _folder() / f"{name}.part"
    with part.open("wb") as copy:
        for chunk in file.chunks():
            copy.write(chunk)
    part.replace(_folder() / f"{name}.csv")
    return name


def _kept(request: StaffRequest, digest: str) -> tuple[str, Path | None]:
    """The name and the place of a file that this person has chosen; no place where it is no longer there."""
    name = request.session.get(_KNOWN_FILES, {}).get(digest)
    path = _folder() / f"{digest}.csv"
    if name is None or not _DIGEST.fullmatch(digest) or not path.is_file():
        return "", None
    return name, path


def _judged(request: StaffRequest, path: Path) -> Deck:
    with path.open("rb") as lines:
        return judge_deck(lines, request.at)


@dataclass(frozen=True, slots=True)
class _Rows:
    """A page of a file's rows; `previous` and `next` are places in it, as text, None at an end."""

    rows: Sequence[Verdict]
    previous: str | None
    next: str | None


def _page(rows: Sequence[Verdict], request: StaffRequest) -> _Rows:
    """The rows that begin after, or end before, the place that the address names."""
    after, before = _place(request.GET.get("after", "")), _place(request.GET.get("before", ""))
    first = after or max(0, before - PAGE_SIZE)
    last = first + PAGE_SIZE
    return _Rows(rows[first:last], str(first) if first else None, str(last) if last < len(rows) else None)


def _place(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


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

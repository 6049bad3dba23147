"""Adding end users from a file: choosing it, a look at every row and the cost, and doing all of it or nothing (LIC-2).

Between the look and the confirmation the file lies under DATA_DIR, in a folder of its account, under a
name that only the session of who chose it knows.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods, require_safe

from accounts.exporting import csv_response
from accounts.extensions import example
from accounts.forms import show_refusal
from accounts.paging import page_of_list
from accounts.permissions import AccountRequest, account_page
from accounts.refusals import Refused
from accounts.trail import Actor
from telephony.user_file import COLUMNS, MOST_BYTES, MOST_ROWS, OWN_COLUMNS, SAMPLE, Table, read_table
from telephony.user_import import Changed, Imported, carry_out, import_end_users
from telephony.user_rows import Plan, judge
from telephony.views.costs import Priced, priced, remark

if TYPE_CHECKING:
    from datetime import datetime

    from django.core.files.uploadedfile import UploadedFile
    from django.http import HttpResponse, StreamingHttpResponse

    from accounts.exporting import Cell

KEPT: Final = timedelta(days=1)
"""A file that nobody imports is kept so long."""
_KNOWN_FILES: Final = "user-imports"
_MOST_KNOWN: Final = 20
_TOKEN: Final = re.compile(r"[0-9a-f]{32}")
MEANINGS: Final = {
    "name": "The person’s name. The only column that is needed.",
    "email": "An address that nobody else of the account has.",
    "extension": "{length} digits, like {example}, that nobody has.",
    "department": "Any name.",
    "location": "The name of one of your locations.",
    "licence": "A licence by name or code, like UC licence.",
    "subscription": "Of which subscription the licence is; empty: one of your own.",
    "number": "One of your parked numbers, or an area code like 212 for one from the stock. Needs a UC licence.",
}


class UserFileForm(forms.Form):
    """The file with the end users."""

    file = forms.FileField(
        label="CSV file",
        help_text=f"In UTF-8, up to {MOST_ROWS:,} rows and 2 MB.",
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv"}),
        error_messages={"required": "Choose a file.", "empty": "The file is empty. Choose another."},
    )


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that somebody chose: what it was called, and where it lies."""

    name: str
    path: Path


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def choose_file(request: AccountRequest) -> HttpResponse:
    """Take a file, and on to what would become of each of its rows."""
    form = UserFileForm(request.POST, request.FILES) if request.method == "POST" else UserFileForm()
    if form.is_valid():
        try:
            token = _keep(request, form.cleaned_data["file"])
        except Refused as refusal:
            show_refusal(form, refusal)
        else:
            return redirect("accounts:end-users-import-review", account=request.account.slug, token=token)
    words = {"length": request.account.extension_length, "example": example(request.account)}
    context = {
        "form": form,
        "columns": [(column, MEANINGS[column].format(**words)) for column in COLUMNS],
    }
    status = 400 if form.errors else 200
    return render(request, "controlpanel/user_import.html", context, status=status)


@require_safe
@account_page(is_form=True)
def sample(request: AccountRequest) -> StreamingHttpResponse:
    """A file as it is taken, to begin with."""
    return csv_response("users-sample", COLUMNS, SAMPLE)


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def review(request: AccountRequest, token: str) -> HttpResponse:
    """What would become of each row of a file and what it costs, and the button that does all of it (LIC-2)."""
    kept = _kept(request, token)
    if kept is None:
        return _missing(request, token)
    if request.method == "POST":
        return _confirmed(request, token, kept)
    table = read_table(kept.path.read_bytes())
    plan = judge(request.account, table, is_buying=request.GET.get("buy") == "1", on=request.today)
    return _shown(request, token, kept, plan)


@require_safe
@account_page(is_form=True)
def rows(request: AccountRequest, token: str) -> HttpResponse | StreamingHttpResponse:
    """The file as it came, with a reason beside each row that is refused, to be mended and chosen again."""
    kept = _kept(request, token)
    if kept is None:
        return _missing(request, token)
    table = read_table(kept.path.read_bytes())
    plan = judge(request.account, table, is_buying=request.GET.get("buy") == "1", on=request.today)
    header = [*table.columns, *OWN_COLUMNS]
    lines: list[list[Cell]] = [
        [*verdict.row.cells.values(), verdict.row.line, verdict.reason] for verdict in plan.verdicts
    ]
    return csv_response("users-with-reasons", header, lines)


def _confirmed(request: AccountRequest, token: str, kept: Kept) -> HttpResponse:
    is_buying = request.POST.get("buy") == "1"
    try:
        with _claimed(kept) as table:
            done = import_end_users(
                request.account,
                table,
                name=kept.name,
                seen=request.POST.get("seen", ""),
                is_buying=is_buying,
                actor=Actor.of(request),
                at=request.at,
            )
    except FileNotFoundError:
        return _gone(request)
    except Changed as changed:
        return _shown(request, token, kept, changed.plan, changed)
    except Refused as refusal:
        table = read_table(kept.path.read_bytes())
        plan = judge(request.account, table, is_buying=is_buying, on=request.today)
        return _shown(request, token, kept, plan, refusal)
    messages.success(request, _words_of(done))
    return redirect("accounts:end-users", account=request.account.slug)


def _shown(
    request: AccountRequest, token: str, kept: Kept, plan: Plan, refusal: Refused | None = None
) -> HttpResponse:
    """The page of a plan; after a refusal with what it says, and a status that says that nothing was done."""
    wanted = request.GET.get("rows", "")
    shown = [each for each in plan.verdicts if wanted != "refused" or each.is_refused]
    cost = Priced() if plan.refused else _cost(request, plan)
    context = {
        "name": kept.name,
        "token": token,
        "plan": plan,
        "refused": len(plan.refused),
        "page": page_of_list(shown, order=("row__line",), query=request.GET),
        "tabs": _tabs(plan, wanted),
        "total": len(shown),
        "cost": cost,
        "refusal": refusal,
        "can_buy": any(each.can_be_bought for each in plan.missing),
        "users": f"{len(plan.verdicts):,} user{'' if len(plan.verdicts) == 1 else 's'}",
        "figures": _figures(plan),
    }
    status = 200 if refusal is None else 409 if isinstance(refusal, Changed) else 400
    return render(request, "controlpanel/user_import_review.html", context, status=status)


def _cost(request: AccountRequest, plan: Plan) -> Priced:
    """What all rows cost, found by doing them and taking it back; the first numbers are named though they are free."""
    account = request.account
    numbers = sum(verdict.number is not None for verdict in plan.verdicts)

    def remarks() -> list[dict[str, Any]]:
        if not numbers:
            return []
        label = "1 number" if numbers == 1 else f"{numbers:,} numbers"
        return [remark(account, label, Decimal(0), "included, each the first of its user")]

    return priced(
        account,
        lambda: carry_out(plan, account, actor=Actor.of(request), at=request.at),
        remarks=remarks,
    )


def _tabs(plan: Plan, wanted: str) -> list[dict[str, Any]]:
    buy = "&buy=1" if plan.is_buying else ""
    return [
        {
            "label": label,
            "url": f"?rows={value}{buy}",
            "is_active": (wanted == "refused") == (value == "refused"),
            "count": count,
        }
        for value, label, count in (
            ("all", "All rows", len(plan.verdicts)),
            ("refused", "Refused", len(plan.refused)),
        )
    ]


def _figures(plan: Plan) -> list[dict[str, str]]:
    """What is in the file, in numbers."""
    verdicts = plan.verdicts
    figures = {
        "Users": len(verdicts),
        "With a licence": sum(bool(verdict.says("licence")) for verdict in verdicts),
        "With a number": sum(bool(verdict.says("number")) for verdict in verdicts),
        "With a location": sum(bool(verdict.says("location")) for verdict in verdicts),
    }
    found = [{"label": label, "value": f"{count:,}"} for label, count in figures.items()]
    if plan.table.empty:
        found.append({"label": "Empty lines, passed over", "value": f"{plan.table.empty:,}"})
    return found


def _words_of(done: Imported) -> str:
    def some(count: int, noun: str) -> str:
        return f"{count:,} {noun}{'' if count == 1 else 's'}"

    parts = [f"{some(len(done.end_users), 'user')} added."]
    if done.bought:
        parts.append(f"Bought {' and '.join(each.words for each in done.bought)}.")
    if done.licences or done.numbers:
        parts.append(f"{some(done.licences, 'licence')} and {some(done.numbers, 'number')} assigned.")
    return " ".join(parts)


# --- the file, between the look and the confirmation ---------------------------------------------


def _folder(request: AccountRequest) -> Path:
    folder: Path = settings.DATA_DIR / "user-imports" / str(request.account.pk)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _keep(request: AccountRequest, file: UploadedFile[Any]) -> str:
    """Keep a file that can be read for the look at it; those that nobody came back for go. Raises Refused."""
    if (file.size or 0) > MOST_BYTES:
        raise Refused(
            f"The file has {file.size or 0:,} bytes. At most {MOST_BYTES:,} (2 MB) are taken at once. "
            "Nothing was changed.",
            rule="LIC-2",
            field="file",
        )
    content = file.read()
    read_table(content)
    _forget(_folder(request), request.at)
    token = secrets.token_hex(16)
    (_folder(request) / f"{token}.csv").write_bytes(content)
    known = [*request.session.get(_KNOWN_FILES, {}).items(), (token, str(file.name or "file")[:80])]
    request.session[_KNOWN_FILES] = dict(known[-_MOST_KNOWN:])
    return token


def _forget(folder: Path, at: datetime) -> None:
    forgotten = (at - KEPT).timestamp()
    for old in folder.iterdir():
        if old.stat().st_mtime < forgotten:
            old.unlink(missing_ok=True)


def _kept(request: AccountRequest, token: str) -> Kept | None:
    """The file that this person chose for this account; None where it is not, or no longer, there."""
    name = request.session.get(_KNOWN_FILES, {}).get(token)
    if name is None or not _TOKEN.fullmatch(token):
        return None
    path = _folder(request) / f"{token}.csv"
    return Kept(name, path) if path.is_file() else None


@contextmanager
def _claimed(kept: Kept) -> Iterator[Table]:
    """The file's rows, for one request alone: it goes when they are done, and is back where they are not.

    Raises FileNotFoundError where another request has it: a button that was pressed twice.
    """
    claimed = kept.path.with_suffix(".taken")
    kept.path.rename(claimed)
    try:
        yield read_table(claimed.read_bytes())
    except BaseException:
        claimed.rename(kept.path)
        raise
    claimed.unlink()


def _missing(request: AccountRequest, token: str) -> HttpResponse:
    """On to choosing a file anew for one that this person chose; anybody else's is not there (ACC-4)."""
    if token not in request.session.get(_KNOWN_FILES, {}):
        raise Http404
    return _gone(request)


def _gone(request: AccountRequest) -> HttpResponse:
    messages.info(request, "That file is no longer here. Choose it again.")
    return redirect("accounts:end-users-import", account=request.account.slug)


place = "a/<slug:account>/users/import/"

urlpatterns = [
    path(place, choose_file, name="end-users-import"),
    path(f"{place}sample.csv", sample, name="end-users-import-sample"),
    path(f"{place}<slug:token>/", review, name="end-users-import-review"),
    path(f"{place}<slug:token>/rows.csv", rows, name="end-users-import-rows"),
]

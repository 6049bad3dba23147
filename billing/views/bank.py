"""Finance: files of the bank, a look at each line before it is booked, and what waits for a person (INV-6)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.db.models import Count, Q, Sum
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.exporting import csv_response
from accounts.forms import filters_of, show_refusal
from accounts.models import Account
from accounts.paging import chosen_order, page_of
from accounts.permissions import FINANCE, StaffRequest, staff_page
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.models import BankFile, BankLine, BankLineState
from billing.payment_forms import BankLineFilter, BankUploadForm, ReasonForm
from billing.payments.banking import (
    COLUMNS,
    LINE_COLUMNS,
    Judged,
    Kind,
    assign_line,
    dismiss_line,
    judge_file,
    line_rows,
    take_file,
    take_up_line,
    verdict_rows,
)
from billing.payments.finding import find_accounts
from billing.payments.foreseen import owed_by
from billing.tasks import book_now
from billing.views.file_rows import rows_of
from billing.views.finance_tabs import money_tabs
from billing.views.kept_files import KeptFiles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import QuerySet
    from django.http import HttpResponse, QueryDict
    from django.http.response import HttpResponseBase

FILES: Final = KeptFiles("bank-files")
ORDERS: Final = {"date": ("on", "id"), "amount": ("amount", "id")}
LABELS: Final[Mapping[str, tuple[str, str]]] = {
    Kind.MATCHED: ("Matched", "ok"),
    Kind.WAITING: ("Unmatched", "warn"),
    Kind.KNOWN: ("Known already", "neutral"),
    Kind.REFUSED: ("Refused", "bad"),
}
TONES: Final[Mapping[str, str]] = {
    BankLineState.MATCHED: "info",
    BankLineState.BOOKED: "ok",
    BankLineState.WAITING: "warn",
    BankLineState.DISMISSED: "neutral",
}
SAMPLE: Final = (
    ("2026-02-16", "185.00", "USD", "Northwind Traders", "Invoice CP-000001", "20260216-0001"),
    ("2026-02-16", "1,240.50", "USD", "Harbor Dental", "CP 12 and CP 13, thank you", "20260216-0002"),
    ("2026-02-17", "96.00", "EUR", "Praha Design", "PLAN-42", "20260217-0001"),
)


@require_safe
@staff_page(FINANCE)
def files(request: StaffRequest) -> HttpResponse:
    """The files that were taken in, and how many lines wait for a person."""
    counted = BankFile.objects.annotate(
        **{state.value: Count("lines", filter=Q(lines__state=state)) for state in BankLineState}
    )
    context = {
        "page": page_of(counted, order=("-id",), query=request.GET),
        "waiting": BankLine.objects.filter(state=BankLineState.WAITING).count(),
        "sums": _sums(BankLine.objects.filter(state=BankLineState.WAITING)),
    }
    return render(request, "finance/bank_files.html", context | {"tabs": money_tabs("bank-files")})


@require_safe
@staff_page(FINANCE)
def sample(request: StaffRequest) -> HttpResponseBase:
    """A file as it is taken, to begin with."""
    return csv_response("bank-sample", list(COLUMNS), SAMPLE)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(FINANCE)
def upload(request: StaffRequest) -> HttpResponse:
    """Take a bank's file, and on to what would become of each of its lines."""
    is_sent = request.method == "POST"
    form = BankUploadForm(request.POST, request.FILES) if is_sent else BankUploadForm()
    if is_sent and form.is_valid():
        digest = FILES.keep(request, form.cleaned_data["file"], request.at)
        return redirect("finance:bank-review", digest=digest)
    return render(request, "finance/bank_upload.html", {"form": form, "columns": COLUMNS.items()})


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(FINANCE)
def review(request: StaffRequest, digest: str) -> HttpResponse:
    """What would become of each line of a file, and the button that books what is matched."""
    name, path = FILES.find(request, digest)
    if path is None:
        messages.info(request, "That file is no longer here. Choose it again.")
        return redirect("finance:bank-upload")
    try:
        if request.method == "POST":
            return _taken(request, name, path)
        judged = _judged(request, path)
    except Refused as refusal:
        context: dict[str, Any] = {"name": name, "refusal": refusal, "judged": None}
        return render(request, "finance/bank_review.html", context, status=400)
    asked = request.GET.get("kind", "")
    kind = asked if asked in set(Kind) else ""
    shown = [each for each in judged.verdicts if not kind or each.kind == kind]
    page = rows_of(shown, request)
    context = {
        "name": name,
        "judged": judged,
        "counts": {kind.value: judged.counts.get(kind, 0) for kind in Kind},
        "matched": sorted(judged.matched.items()),
        "digest": digest,
        "kinds": _kinds(judged, kind),
        "page": page,
        "total": len(shown),
        "rows": [(each, *LABELS[each.kind]) for each in page.rows],
        "kind": kind,
    }
    return render(request, "finance/bank_review.html", context)


@require_safe
@staff_page(FINANCE)
def review_csv(request: StaffRequest, digest: str) -> HttpResponseBase:
    """The lines of a file with what would become of each and why; of one kind, where `kind` asks for it."""
    _, path = FILES.find(request, digest)
    if path is None:
        return redirect("finance:bank-upload")
    try:
        judged = _judged(request, path)
    except Refused:
        return redirect("finance:bank-review", digest=digest)
    header = [*judged.header, "line", "verdict", "field", "account", "reason"]
    return csv_response("bank-lines", header, verdict_rows(judged, request.GET.get("kind", "")))


@require_safe
@staff_page(FINANCE)
def file(request: StaffRequest, pk: int) -> HttpResponse:
    """What became of the lines of a file that was taken in."""
    found = get_object_or_404(BankFile, pk=_key(pk))
    lines = found.lines.select_related("account", "payment").order_by("line")
    counts = dict(found.lines.order_by().values_list("state").annotate(count=Count("pk")))
    state = request.GET.get("state", "")
    if state in set(BankLineState):
        lines = lines.filter(state=state)
    page = page_of(lines, order=("line", "id"), query=request.GET)
    context = {
        "file": found,
        "is_busy": bool(counts.get(BankLineState.MATCHED)),
        "counts": {each.value: counts.get(each, 0) for each in BankLineState},
        "page": page,
        "rows": [(line, TONES[line.state]) for line in page.rows],
        "states": [
            {
                "label": label,
                "url": f"?state={value}" if value else "?",
                "is_active": value == state,
                "count": count,
            }
            for value, label, count in (
                ("", "All lines", sum(counts.values())),
                *((each.value, each.label, counts.get(each, 0)) for each in BankLineState),
            )
        ],
    }
    return render(request, "finance/bank_file.html", context)


@require_safe
@staff_page(FINANCE)
def lines(request: StaffRequest) -> HttpResponse:
    """The transfers that wait for a person, and on asking all others."""
    form, found = _asked(request)
    page = page_of(
        found.select_related("account", "payment"),
        order=chosen_order(request.GET, ORDERS, default="-date"),
        query=request.GET,
    )
    context = {
        "form": form,
        "page": page,
        "rows": [(line, TONES[line.state]) for line in page.rows],
        "is_filtered": any(filters_of(form).values()),
    }
    return render(request, "finance/bank_lines.html", context | {"tabs": money_tabs("bank-lines")})


@require_safe
@staff_page(FINANCE)
def lines_csv(request: StaffRequest) -> HttpResponseBase:
    """The same transfers as a file."""
    _, found = _asked(request)
    rows = found.select_related("account", "file").order_by("-on", "-id").iterator(chunk_size=1000)
    return csv_response("bank-transfers", list(LINE_COLUMNS), line_rows(rows))


@require_safe
@staff_page(FINANCE)
def line(request: StaffRequest, pk: int) -> HttpResponse:
    """One transfer: whose it may be, and where it is assigned or dismissed."""
    found = _found(pk)
    search = request.GET.get("q", "").replace("\0", "").strip()[:120]
    is_waiting = found.state == BankLineState.WAITING
    accounts = find_accounts(search, amount=found.amount, currency=found.currency) if is_waiting else []
    context = {
        "line": found,
        "tone": TONES[found.state],
        "is_waiting": is_waiting,
        "search": search,
        "accounts": [(each, _assign_url(found, each.account)) for each in accounts],
    }
    return render(request, "finance/bank_line.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(FINANCE)
def assign(request: StaffRequest, pk: int, slug: str) -> HttpResponse:
    """Assign a transfer to an account, after a look at what it settles."""
    found = _found(pk)
    account = get_object_or_404(Account.objects.select_related("brand"), slug=slug, is_simulation=False)
    error: Refused | None = None
    if request.method == "POST":
        try:
            payment = assign_line(found, account, actor=Actor.of(request), at=request.at)
        except Refused as refusal:
            error = refusal
        else:
            messages.success(request, f"The transfer is assigned to {account.name}.")
            return redirect("finance:payment", pk=payment.pk)
    context = {
        "line": found,
        "account": account,
        "error": error,
        "is_waiting": found.state == BankLineState.WAITING,
        "foreseen": owed_by(account).settled_by(found.amount),
    }
    return render(request, "finance/bank_assign.html", context, status=400 if error else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@staff_page(FINANCE)
def dismiss(request: StaffRequest, pk: int) -> HttpResponse:
    """Have nobody wait for a transfer any more, with a reason."""
    found = _found(pk)
    form = ReasonForm(_sent(request))
    if request.method == "POST" and form.is_valid():
        try:
            dismiss_line(found, form.cleaned_data["reason"], actor=Actor.of(request), at=request.at)
        except Refused as refusal:
            show_refusal(form, refusal)
        else:
            messages.success(request, "The transfer is dismissed.")
            return redirect("finance:bank-lines")
    return render(request, "finance/bank_dismiss.html", {"line": found, "form": form})


@require_POST
@staff_page(FINANCE)
def take_up(request: StaffRequest, pk: int) -> HttpResponse:
    """Have a dismissed transfer wait for a person again."""
    found = _found(pk)
    try:
        take_up_line(found, actor=Actor.of(request), at=request.at)
    except Refused as refusal:
        messages.error(request, refusal.message)
    return redirect("finance:bank-line", pk=found.pk)


# --- parts ---------------------------------------------------------------------------------------


def _sent(request: StaffRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None


def _key(pk: int) -> int:
    if pk > 2**62:
        raise Http404
    return pk


def _found(pk: int) -> BankLine:
    known: QuerySet[BankLine] = BankLine.objects.select_related("file", "account", "payment")
    return get_object_or_404(known, pk=_key(pk))


def _assign_url(found: BankLine, account: Account) -> str:
    return reverse("finance:bank-line-assign", kwargs={"pk": found.pk, "slug": account.slug})


def _judged(request: StaffRequest, path: Path) -> Judged:
    with path.open("rb") as rows:
        return judge_file(rows, request.at)


def _taken(request: StaffRequest, name: str, path: Path) -> HttpResponse:
    """Take the file in, have what is matched booked, and on to the page that shows it."""
    with path.open("rb") as rows:
        taken = take_file(rows, name=name, actor=Actor.of(request), at=request.at)
    path.unlink(missing_ok=True)
    book_now(taken, user=request.user)
    messages.success(request, "The file is taken in. What is matched is booked; the rest waits for you.")
    return redirect("finance:bank-file", pk=taken.pk)


def _kinds(judged: Judged, kind: str) -> list[dict[str, Any]]:
    """The tabs of the review: all lines, and those of each kind."""
    counts = judged.counts
    return [
        {
            "label": label,
            "url": f"?kind={one}" if one else "?",
            "is_active": one == kind,
            "count": counts.get(one, 0) if one else len(judged.verdicts),
        }
        for one, label in (("", "All lines"), *((str(key), label) for key, (label, _) in LABELS.items()))
    ]


def _asked(request: StaffRequest) -> tuple[BankLineFilter, QuerySet[BankLine]]:
    form = BankLineFilter(request.GET)
    asked = filters_of(form)
    found = BankLine.objects.all()
    state = asked["state"] or BankLineState.WAITING
    if state != "all":
        found = found.filter(state=state)
    for word in (asked["q"] or "").split():
        found = found.filter(Q(payer__icontains=word) | Q(text__icontains=word) | Q(key__icontains=word))
    if asked["first"]:
        found = found.filter(on__gte=asked["first"])
    if asked["last"]:
        found = found.filter(on__lte=asked["last"])
    return form, found


def _sums(found: QuerySet[BankLine]) -> list[tuple[str, Any]]:
    """What lines come to, by currency."""
    summed = found.order_by().values("currency").annotate(sum=Sum("amount")).order_by("currency")
    return list(summed.values_list("currency", "sum"))

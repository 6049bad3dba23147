"""The usage pages of an account: a period against its allowance, its shares, and its single records (USE-5, INV-7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from django.http import Http404
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.exporting import csv_response
from accounts.forms import filters_of
from accounts.models import Role
from accounts.paging import chosen_order, page_of, page_of_list
from accounts.permissions import EVERY_ROLE, AccountRequest, account_page
from billing import explain, usage_queries, usage_words
from billing.engine import Period, Pooling
from billing.engine.figures import divisor_of
from billing.engine.usage import quantity_of
from billing.overage import NO_SUBSCRIPTION
from billing.usage_forms import RecordFilter, ShareFilter
from billing.usage_queries import Meters, Share, Standing
from billing.views.places import place

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpResponse, StreamingHttpResponse

    from accounts.exporting import Cell
    from billing.engine.usage import Part
    from billing.models import UsageRecord

# What a period is looked at by: the tab, the column, and whether its rows are those of one meter each.
BY: Final = {
    "meter": ("By meter", "Meter"),
    "number": ("By number", "Number"),
    "holder": ("By user or service", "User or service"),
    "subscription": ("By subscription", "Subscription"),
    "day": ("By day", "Day"),
}
# Where calls of all kinds stand together in one row, unless a meter is asked for.
CALLS_BY: Final = frozenset({"number", "holder"})
NOBODY: Final = {"holder": "Nobody: the number was parked", "subscription": NO_SUBSCRIPTION}
SHARE_ORDERS: Final = {
    "key": ("key", "id"),
    "records": ("records", "id"),
    "used": ("used", "id"),
    "cost": ("sorted_cost", "id"),
}
RECORD_ORDERS: Final = {
    "when": ("occurred_on", "occurred_at", "id"),
    "used": ("units", "id"),
}
SHARE_COLUMNS: Final = (
    "period from",
    "period to (excluded)",
    "by",
    "meter",
    "name",
    "records",
    "used",
    "unit",
    "cost at own rates",
    "currency",
    "recorded late",
)
RECORD_COLUMNS: Final = (
    "record",
    "meter",
    "at",
    "day",
    "number",
    "other number",
    "user or service",
    "subscription",
    "counted",
    "quantity",
    "billed",
    "unit",
    "rate",
    "cost",
    "currency",
    "recorded on",
    "late",
)


@dataclass(frozen=True, slots=True)
class Looked:
    """The period that a page looks at, among those there are, and where the account stands."""

    period: Period
    periods: list[Period]
    standing: Standing
    meters: Meters

    @property
    def is_current(self) -> bool:
        """Whether today lies in it."""
        return self.period == self.periods[0]

    @property
    def query(self) -> str:
        """What an address of the same period ends in."""
        return "" if self.is_current else f"?{urlencode({'period': self.period.start.isoformat()})}"


@require_safe
@account_page(read=EVERY_ROLE)
def usage(request: AccountRequest) -> HttpResponse:
    """A period: each meter against its allowance, what it costs so far, and what it will come to."""
    looked = _looked(request)
    found = usage_queries.period_usage(
        request.account, looked.period, looked.standing, looked.meters, request.today
    )
    names = {code: names.name for code, names in looked.meters.names.items()}
    so_far = (request.today - max(looked.period.start, request.account.opened_on)).days + 1
    context = {
        **_frame(request, looked, "summary"),
        "found": found,
        "rows": usage_words.meter_rows(found, looked.meters),
        "charts": usage_words.charts_of(found, looked.meters),
        "days_so_far": so_far if found.expected is not None else None,
        "billed": [(line, names.get(line.meter, line.meter)) for line in found.billed],
        "to_come": [
            (line, names.get(line.product, line.product))
            for line in found.cost.lines
            if looked.standing.is_billed(looked.period)
        ],
        "late": sum(found.late.values()),
        "has_pools": any(
            figure.meter.pooling not in (Pooling.NONE, Pooling.PACKAGE) for figure in found.figures
        ),
        "closing_invoice": looked.standing.closing_invoice,
    }
    return render(request, "billing/usage.html", context)


# --- shares ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ShareRow:
    """A share as a table shows it; one of a number or a holder stands for calls of all kinds together.

    `pooled` are the seconds of it that count against the package.
    """

    id: str
    key: str
    label: str
    url: str
    meter: str
    records: int
    used: int
    words: str
    pooled: str
    cost: Decimal | None
    late: int

    @property
    def sorted_cost(self) -> int:
        """The cost in millionths, where there is none below all that there are."""
        return -1 if self.cost is None else int(self.cost * 1_000_000)


@require_safe
@account_page(read=EVERY_ROLE)
def usage_by(request: AccountRequest, by: str) -> HttpResponse:
    """A period by meter, number, holder, subscription or day."""
    looked = _looked(request)
    shares = _shares(request, looked, by)
    form, asked = _asked_shares(request, looked, shares)
    rows = _rows(request, looked, by, _chosen(asked, by, shares), meter=asked["meter"] or "")
    order = chosen_order(request.GET, SHARE_ORDERS, default="key" if by == "day" else "-used")
    page = page_of_list(rows, order=order, query=request.GET)
    tab, column = BY[by]
    context = {
        **_frame(request, looked, by),
        "by": by,
        "title": tab,
        "column": column,
        "is_calls": by in CALLS_BY,
        "form": form,
        "page": page,
        "is_filtered": any(asked.values()),
        "has_late": any(share.late for share in shares),
        "export_url": place(request, "billing:usage-by-csv", by=by),
    }
    return render(request, "billing/usage_by.html", context)


@require_safe
@account_page(read=EVERY_ROLE)
def usage_by_csv(request: AccountRequest, by: str) -> StreamingHttpResponse:
    """The same as a file, a row for each meter."""
    looked = _looked(request)
    shares = _shares(request, looked, by)
    _, asked = _asked_shares(request, looked, shares)

    def rows() -> Iterator[list[Cell]]:
        for share in _chosen(asked, by, shares):
            meter = looked.meters.terms[share.meter]
            yield [
                looked.period.start,
                looked.period.end,
                share.key,
                share.meter,
                looked.meters.names[share.meter].name,
                share.records,
                quantity_of(share.used, divisor_of(meter)),
                looked.meters.names[share.meter].unit,
                share.cost,
                request.account.currency if share.cost is not None else None,
                share.late,
            ]

    name = f"{request.account.slug}-usage-by-{by}-{looked.period.start.isoformat()}"
    return csv_response(name, SHARE_COLUMNS, rows())


def _shares(request: AccountRequest, looked: Looked, by: str) -> list[Share]:
    """The shares of the period; 404 for what it cannot be looked at by."""
    given = (request.account, looked.period, looked.standing, looked.meters)
    if by == "number":
        return usage_queries.shares_by_number(*given)
    if by == "holder":
        return usage_queries.shares_by_holder(*given)
    if by not in BY:
        raise Http404
    found = usage_queries.usage_in(*given)
    if by == "day":
        return usage_queries.shares_by_day(looked.period, found)
    if by == "subscription":
        return usage_queries.shares_by_subscription(looked.period, found)
    return usage_queries.shares_by_meter(looked.period, found)


def _asked_shares(
    request: AccountRequest, looked: Looked, shares: Sequence[Share]
) -> tuple[ShareFilter, dict[str, Any]]:
    there = {share.meter for share in shares}
    form = ShareFilter(request.GET, meters=_named(looked.meters, there))
    return form, filters_of(form)


def _chosen(asked: dict[str, Any], by: str, shares: Sequence[Share]) -> list[Share]:
    """The shares that were asked for."""
    words = [word.lower() for word in usage_queries.search_words(asked["q"] or "")]
    meter = asked["meter"] or ""
    return [
        share
        for share in shares
        if (not meter or share.meter == meter)
        and all(word in (share.key or NOBODY.get(by, "")).lower() for word in words)
    ]


def _rows(
    request: AccountRequest, looked: Looked, by: str, shares: Sequence[Share], meter: str
) -> list[ShareRow]:
    if by not in CALLS_BY:
        return [_row(request, looked, by, share.key, [share]) for share in shares]
    together: dict[str, list[Share]] = {}
    for share in shares:
        together.setdefault(share.key, []).append(share)
    return [_row(request, looked, by, key, own, meter=meter) for key, own in together.items()]


def _row(
    request: AccountRequest, looked: Looked, by: str, key: str, shares: Sequence[Share], meter: str = ""
) -> ShareRow:
    """One row of shares that have their key in common; all are calls, where they are several."""
    first = shares[0]
    terms, names = looked.meters.terms[first.meter], looked.meters.names[first.meter]
    used = sum(share.used for share in shares)
    costs = [share.cost for share in shares if share.cost is not None]
    pooled = sum(share.whole for share in shares)
    is_one = by not in CALLS_BY
    return ShareRow(
        id=f"{key}:{first.meter if is_one else ''}",
        key=key,
        label=_label(looked, by, key),
        url=_records_url(request, looked, by, key, first.meter if is_one else meter),
        meter=names.name if is_one else "",
        records=sum(share.records for share in shares),
        used=used,
        words=usage_words.used_words(terms, names, used),
        pooled=usage_words.used_words(terms, names, pooled) if pooled and by in CALLS_BY else "",
        cost=sum(costs, Decimal(0)) if costs else None,
        late=sum(share.late for share in shares),
    )


def _label(looked: Looked, by: str, key: str) -> str:
    if by == "meter":
        return looked.meters.names[key].name
    if by == "number":
        return explain.label_words(key)
    return key or NOBODY.get(by, "")


def _records_url(request: AccountRequest, looked: Looked, by: str, key: str, meter: str) -> str:
    """Where the records behind a share are listed; "" where they cannot be told apart by that."""
    asked = {} if looked.is_current else {"period": looked.period.start.isoformat()}
    if meter:
        asked["meter"] = meter
    if by == "day":
        asked |= {"first": key, "last": key}
    elif by == "number":
        asked["number"] = key
    elif by == "holder" and key:
        asked["q"] = key
    elif by != "meter":
        return ""
    return f"{place(request, 'billing:usage-records')}?{urlencode(asked)}"


# --- single records --------------------------------------------------------------------------


@require_safe
@account_page(read=EVERY_ROLE)
def usage_records(request: AccountRequest) -> HttpResponse:
    """The single records of a period: calls, and what else was counted."""
    looked = _looked(request)
    form, found = _asked_records(request, looked)
    order = chosen_order(request.GET, RECORD_ORDERS, default="-when")
    page = page_of(found, order=order, query=request.GET)
    parts = usage_queries.parts_in(request.account, looked.period)
    asked = {name for name, value in filters_of(form).items() if value}
    context = {
        **_frame(request, looked, "records"),
        "form": form,
        "page": page,
        "rows": [_record_row(looked, record, parts) for record in page.rows],
        "is_filtered": bool(asked),
        "leads_on": request.membership_role is not Role.BILLING,
        "export_url": place(request, "billing:usage-records-csv"),
    }
    return render(request, "billing/usage_records.html", context)


@require_safe
@account_page(read=EVERY_ROLE)
def usage_records_csv(request: AccountRequest) -> StreamingHttpResponse:
    """The same records as a file, all of them, in the order in which they came in."""
    looked = _looked(request)
    _, found = _asked_records(request, looked)
    parts = usage_queries.parts_in(request.account, looked.period)

    def rows() -> Iterator[list[Cell]]:
        for record in found.order_by("occurred_on", "id").iterator(chunk_size=2000):
            meter = looked.meters.terms[record.meter]
            cost = usage_queries.record_cost(record, looked.meters, parts)
            yield [
                record.record_id,
                record.meter,
                record.occurred_at.astimezone(request.account.zone),
                record.occurred_on,
                record.number,
                record.peer,
                record.holder,
                record.subscription.name if record.subscription else None,
                record.subject,
                record.quantity,
                quantity_of(record.units, divisor_of(meter)),
                looked.meters.names[record.meter].unit,
                None if record.unit_price is None else record.unit_price.normalize(),
                None if cost is None else cost.normalize(),
                request.account.currency,
                record.recorded_on,
                "late" if record.recorded_on >= looked.period.end else None,
            ]

    name = f"{request.account.slug}-usage-{looked.period.start.isoformat()}"
    return csv_response(name, RECORD_COLUMNS, rows())


def _asked_records(request: AccountRequest, looked: Looked) -> tuple[RecordFilter, QuerySet[UsageRecord]]:
    form = RecordFilter(request.GET, meters=_named(looked.meters, set(looked.meters.terms)))
    asked = filters_of(form)
    number = "".join(usage_queries.search_words(asked["number"] or ""))
    found = usage_queries.records_of(
        request.account,
        looked.period,
        search=asked["q"] or "",
        meter=asked["meter"] or "",
        number=number,
        first=asked["first"],
        last=asked["last"],
    )
    return form, found


def _record_row(looked: Looked, record: UsageRecord, parts: Sequence[Part]) -> dict[str, Any]:
    meter, names = looked.meters.terms[record.meter], looked.meters.names[record.meter]
    return {
        "record": record,
        "meter": names.name,
        "number": explain.label_words(record.number),
        "peer": explain.label_words(record.peer),
        "length": _length_words(record.quantity)
        if meter.is_call
        else usage_words.used_words(meter, names, record.quantity),
        "billed": usage_words.used_words(meter, names, record.units) if meter.is_call else "",
        "rate": record.unit_price,
        "per": "min" if meter.is_call else names.unit,
        "cost": usage_queries.record_cost(record, looked.meters, parts),
        "is_late": record.recorded_on >= looked.period.end,
    }


def _length_words(seconds: int) -> str:
    """How long a call was: 3:05, or 1:02:05."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


# --- what the pages have in common -----------------------------------------------------------


def _looked(request: AccountRequest) -> Looked:
    """The period that ?period= asks for by its first day; what is none of the account's counts as the current one."""
    periods = usage_queries.periods_of(request.account, request.today)
    asked = request.GET.get("period", "")
    period = next((one for one in periods if one.start.isoformat() == asked), periods[0])
    standing = usage_queries.standing_of(request.account, period)
    return Looked(period, periods, standing, usage_queries.all_meters())


def _named(meters: Meters, codes: set[str]) -> dict[str, str]:
    return {code: names.name for code, names in meters.names.items() if code in codes}


def _frame(request: AccountRequest, looked: Looked, current: str) -> dict[str, Any]:
    """Tabs, the chooser of periods, and what all the pages say of the one they show."""
    tabs = [("summary", "Summary", place(request, "billing:usage"))]
    tabs += [(by, label, place(request, "billing:usage-by", by=by)) for by, (label, _) in BY.items()]
    tabs.append(("records", "Records", place(request, "billing:usage-records")))
    here = looked.periods.index(looked.period)
    return {
        "tabs": [
            {"label": label, "url": f"{url}{looked.query}", "is_active": key == current}
            for key, label, url in tabs
        ],
        "period": looked.period,
        "period_words": usage_words.period_words(looked.period),
        "is_current": looked.is_current,
        "periods": [
            {
                "label": usage_words.period_words(period),
                "url": f"?{urlencode({'period': period.start.isoformat()})}",
                "is_current": period == looked.period,
            }
            for period in looked.periods
        ],
        "earlier": _period_url(looked.periods, here + 1),
        "later": _period_url(looked.periods, here - 1),
        "has_usage": looked.standing.has_usage,
    }


def _period_url(periods: Sequence[Period], place_of: int) -> str:
    if not 0 <= place_of < len(periods):
        return ""
    return f"?{urlencode({'period': periods[place_of].start.isoformat()})}"

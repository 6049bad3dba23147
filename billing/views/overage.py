"""How overage is worked out: each day's peaks, the day that set it, who bears it, its departments (SUB-5 to SUB-7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.models import Role
from accounts.permissions import EVERY_ROLE, AccountRequest, account_page
from billing import explain
from billing import subscription_queries as queries
from billing.engine import Period, Pooling, SubscriptionFacts
from billing.engine.usage import DayOfPeaks, had_since
from billing.faults import told_to_customer
from billing.models import Meter, Subscription
from billing.overage import NO_SUBSCRIPTION, Overage, Working, overage_of, periods_of
from billing.subscription_forms import PeriodForm
from billing.views.places import invoice_url, place

if TYPE_CHECKING:
    from django.http import HttpResponse

_DAY = timedelta(days=1)


@require_safe
@account_page(read=EVERY_ROLE)
def overage(request: AccountRequest) -> HttpResponse:
    """The working of a billing period's overage, this one's unless `?period=` names the start of another."""
    account = request.account
    periods = periods_of(account, request.today)
    by_start = {period.start.isoformat(): period for period in periods}
    asked = request.GET.get("period", "")
    period = by_start.get(asked, periods[0])
    choices = [(start, _period_words(each, request.today)) for start, each in by_start.items()]
    context: dict[str, Any] = {
        "form": PeriodForm({"period": period.start.isoformat()}, periods=choices),
        "period": period,
        "last_day": period.end - _DAY,
        "is_current": request.today in period,
        "is_billing_role": request.membership_role is Role.BILLING,
    }
    found = overage_of(account, period)
    if found.fault is not None:
        context["fault"] = told_to_customer(found.fault)
    meters = queries.meters_by_code()
    departments = dict(Subscription.objects.filter(tenancy=account.pk).values_list("id", "department"))
    context |= {
        "overage": found,
        "is_named": found.usage.is_named,
        "workings": [
            _shown(request, working, found, meters[working.meter.code], departments)
            for working in found.workings
        ],
    }
    return render(request, "billing/overage.html", context)


def _period_words(period: Period, today: date) -> str:
    words = f"{explain.day_words(period.start)} to {explain.day_words(period.end - _DAY)}"
    return f"This one: {words}" if today in period else words


def _shown(
    request: AccountRequest,
    working: Working,
    found: Overage,
    meter: Meter,
    departments: Mapping[int, str],
) -> dict[str, Any]:
    """A working as the page shows it."""
    names: dict[int | None, str] = {one.id: one.name for one in found.usage.subscriptions}
    names[None] = NO_SUBSCRIPTION
    shown: dict[str, Any] = {
        "working": working,
        "label": meter.name,
        "unit": meter.unit,
        "units": f"{meter.unit}s",
        "rule": _rule(working),
        "result": _result(working, meter, is_named=found.usage.is_named),
        "rows": _rows(working, names, departments),
        "payer": _payer_words(working, meter.name, found.usage.subscriptions, found.period),
        "lines": [
            line._asdict() | {"url": invoice_url(request, line.number) if line.number else ""}
            for line in working.lines
        ],
        "shares": working.shares,
        "has_shares": len(working.shares) > 1,
        "differs": _differs(working),
        "next_url": place(request, "billing:next-invoice"),
    }
    if working.days:
        columns = _columns(working, names)
        shown |= {
            "columns": [names[key] for key in columns],
            "days": [_day(day, columns, working.decisive) for day in working.days],
            "chart": {
                "days": [day.on for day in working.days],
                "series": [
                    {"label": names[key], "values": [day.peaks.get(key, 0) for day in working.days]}
                    for key in columns
                ],
                "limit": {
                    "label": "Commitments of the day",
                    "values": [day.included for day in working.days],
                },
                "title": f"{meter.name} by day",
                "marked": working.pool.on if working.pool.above else None,
            },
        }
    return shown


def _columns(working: Working, names: Mapping[int | None, str]) -> list[int | None]:
    """The subscriptions that peaked or had committed on some day, in the order in which they were entered."""
    seen: set[int | None] = set()
    for day in working.days:
        seen |= set(day.peaks) | set(day.committed)
    return sorted(seen & set(names), key=lambda key: (key is None, key or 0))


def _day(day: DayOfPeaks, columns: Sequence[int | None], decisive: DayOfPeaks | None) -> dict[str, Any]:
    return {
        "on": day.on,
        "cells": [(day.peaks.get(key, 0), day.committed.get(key or 0, 0)) for key in columns],
        "used": day.used,
        "included": day.included,
        "above": day.above,
        "is_decisive": decisive is not None and day.on == decisive.on and day.above > 0,
    }


def _rows(
    working: Working, names: Mapping[int | None, str], departments: Mapping[int, str]
) -> list[dict[str, Any]]:
    """What each subscription used and had committed to, on the day or in the period that counts."""
    keys: list[int | None] = sorted(
        set(working.used) | set(working.committed), key=lambda key: (key is None, key or 0)
    )
    return [
        {
            "name": names.get(key, NO_SUBSCRIPTION),
            "id": key,
            "department": departments.get(key or 0, ""),
            "used": working.used.get(key, 0),
            "committed": working.committed.get(key or 0, 0),
            "above": max(0, working.used.get(key, 0) - working.committed.get(key or 0, 0)),
            "is_payer": working.pool.above > 0 and working.payer is not None and working.payer.id == key,
        }
        for key in keys
    ]


def _rule(working: Working) -> str:
    if working.meter.pooling == Pooling.PRIMARY:
        return "SUB-5"
    return "SUB-7" if working.meter.pooling == Pooling.TENANT else "SUB-6"


def _result(working: Working, meter: Meter, *, is_named: bool) -> str:
    """The outcome in one sentence, with ISO dates."""
    pool = working.pool
    above = f"{pool.above:,} above" if pool.above else "nothing above"
    if working.days:
        if not pool.above:
            if not pool.used:
                return f"Nothing was used. {pool.included:,} are committed to."
            highest = f"{pool.used:,}, {pool.included:,} included"
            return f"No day was above its commitments. Most were used on {pool.on}: {highest}."
        return f"{pool.on} set the overage: {pool.used:,} used, {pool.included:,} included, {above}."
    if working.meter.pooling == Pooling.AGENTS and is_named:
        return (
            f"{pool.used:,} different {meter.unit}s in the period, {pool.included:,} included by the highest "
            f"daily commitments (first on {pool.on}): {above}."
        )
    return (
        f"{pool.used:,} used in the period, {pool.included:,} included on its last day, {pool.on}: {above}."
    )


def _payer_words(
    working: Working, label: str, subscriptions: Sequence[SubscriptionFacts], period: Period
) -> str:
    """Who bears what is above, and why, with ISO dates (SUB-5 to SUB-7)."""
    payer, last_day = working.payer, period.end - _DAY
    bears = "" if payer is None else f"{payer.name} bears what is above"
    if payer is None:
        return "There is no subscription, so all usage is above commitments, and is billed to the account."
    others = len([one for one in subscriptions if one.is_active(last_day)])
    if working.meter.pooling == Pooling.TENANT:
        code = working.meter.code
        if payer.committed(code, last_day):
            since = had_since(payer, code)
            return (
                f"{bears}: of the subscriptions active on {last_day} it has had "
                f"{label} the longest, since {since}."
            )
        return f"{bears}: no subscription active on {last_day} has {label}, so the primary does."
    if not payer.is_active(last_day):
        return f"{bears}: no subscription is active on {last_day}, and it was the last primary."
    if others == 1:
        return f"{bears}: it is the only subscription active on {last_day}."
    return (
        f"{bears}: it is the primary on {last_day}, the period's last day, "
        f"as the oldest active one, started {payer.starts_on}."
    )


def _differs(working: Working) -> bool:
    """Whether what was billed is not what would be worked out today: the licence mode was switched since."""
    if not working.lines:
        return False
    return sum(line.quantity for line in working.lines) != working.pool.above

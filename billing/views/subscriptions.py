"""Subscriptions: the list with the primary and why, and each one's terms, products and usage (SUB-1 to SUB-5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from django.http import Http404
from django.shortcuts import render
from django.urls import NoReverseMatch
from django.views.decorators.http import require_safe

from accounts.exporting import csv_response
from accounts.forms import filters_of
from accounts.paging import chosen_order, page_of
from accounts.permissions import AccountRequest, account_page
from billing import explain
from billing import subscription_queries as queries
from billing.access import first_ending, told_by
from billing.engine import Pooling, SubscriptionFacts, period_containing
from billing.engine.usage import minutes_words, primary_on
from billing.models import LicenceMode, Meter, Offer, Subscription, Tenancy
from billing.subscription_forms import SubscriptionFilter, committed_words, partners_of
from billing.subscriptions import subscriptions_of
from billing.views.places import place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet
    from django.http import HttpResponse, StreamingHttpResponse

    from accounts.exporting import Cell

ORDERS: Final = {
    "name": ("name", "id"),
    "start": ("starts_on", "id"),
    "end": ("ends_on", "id"),
    "term": ("term_months", "id"),
}
COLUMNS: Final = (
    "subscription",
    "offer",
    "status",
    "primary",
    "term in months",
    "starts on",
    "ends on (excluded)",
    "agreed until",
    "partner",
    "department",
    "billing contact",
    "licence mode",
    "telephony option",
    "commitments",
    "per month",
    "currency",
)
MOST_CHANGES: Final = 50


@require_safe
@account_page()
def subscriptions(request: AccountRequest) -> HttpResponse:
    """All subscriptions, what they have in common, and which is the primary and why (SUB-4)."""
    account, today = request.account, request.today
    form, found = _asked(request)
    page = page_of(found, order=chosen_order(request.GET, ORDERS, default="start"), query=request.GET)
    facts = {one.id: one for one in subscriptions_of(account)}
    succession = queries.succession(list(facts.values()), today)
    meters = queries.pooled(queries.meters_by_code())
    monthly = queries.monthly_of(account, [row.pk for row in page.rows])
    tenancy = Tenancy.objects.filter(account=account).annotate(**first_ending(account, today)).first()
    endings, more_endings = told_by(tenancy, today)
    context = {
        "form": form,
        "page": page,
        "rows": [
            _row(row, facts.get(row.pk), succession, meters, today)
            | {"monthly": explain.whole(monthly.get(row.pk, Decimal(0)), account.currency)}
            for row in page.rows
        ],
        "tenancy": tenancy,
        "endings": endings,
        "more_endings": more_endings,
        "primary": succession.primary,
        "primary_words": primary_words(succession),
        "is_filtered": any(filters_of(form).values()),
        "export_url": place(request, "billing:subscriptions-csv"),
    }
    return render(request, "billing/subscriptions.html", context)


@require_safe
@account_page()
def subscriptions_csv(request: AccountRequest) -> StreamingHttpResponse:
    """The same subscriptions as a file, all of them."""
    account, today = request.account, request.today
    _, found = _asked(request)
    facts = {one.id: one for one in subscriptions_of(account)}
    succession = queries.succession(list(facts.values()), today)
    meters = queries.pooled(queries.meters_by_code())

    def rows() -> Iterator[list[Cell]]:
        ordered = list(found.select_related("tenancy").order_by("starts_on", "id"))
        monthly = queries.monthly_of(account, [row.pk for row in ordered])
        for row in ordered:
            shown = _row(row, facts.get(row.pk), succession, meters, today)
            yield [
                row.name,
                Offer(row.offer).label,
                shown["status"].label,
                "yes" if shown["is_primary"] else "no",
                row.term_months,
                row.starts_on,
                row.ends_on,
                row.agreed_until,
                str(row.partner or ""),
                row.department,
                row.billing_contact,
                row.tenancy.get_licence_mode_display(),
                row.tenancy.get_telephony_option_display(),
                shown["commitments"],
                explain.whole(monthly.get(row.pk, Decimal(0)), account.currency),
                account.currency,
            ]

    return csv_response(f"{account.slug}-subscriptions", COLUMNS, rows())


@require_safe
@account_page()
def subscription(request: AccountRequest, pk: int) -> HttpResponse:
    """One subscription: its terms, what it holds and commits to, what it costs, what it used (SUB-1, SUB-5)."""
    account, today = request.account, request.today
    shown = own_subscription(request, pk)
    facts = subscriptions_of(account)
    own = next(one for one in facts if one.id == pk)
    succession = queries.succession(facts, today)
    meters = queries.meters_by_code()
    held = queries.held_on(account, shown, today)
    period = period_containing(account.bdom, today)
    is_primary = succession.primary is not None and succession.primary.id == pk
    period_last = period.end - timedelta(days=1)
    bearer = primary_on(facts, period_last)
    used = queries.used_by(account, shown, period, meters, is_primary=bearer is not None and bearer.id == pk)
    runs = shown.ends_on > today
    context = {
        "subscription": shown,
        "tenancy": shown.tenancy,
        "status": queries.status_of(shown, today),
        "runs": runs,
        "last_day": max(shown.starts_on, shown.ends_on - timedelta(days=1)),
        "never_began": shown.ends_on == shown.starts_on,
        "is_primary": is_primary,
        "why": primary_words(succession) if is_primary else other_words(own, succession, today),
        "products": [_held(product, account.currency) for product in held],
        "monthly": explain.whole(_monthly(held), account.currency) if runs else Decimal(0),
        "has_free": any(product.is_licence and product.free for product in held),
        "assigned": sum(product.assigned for product in held),
        "commitments": _commitments(own, meters, today),
        "changes": _changes(own, meters),
        "has_changed": len(own.commitments) > len({one.meter for one in own.commitments}),
        "period": period,
        "period_last": period_last,
        "bearer": bearer,
        "used": [_used(row, own, meters, shown.tenancy, today) for row in used],
        "people_url": _people_url(request, pk),
    }
    return render(request, "billing/subscription.html", context)


def own_subscription(request: AccountRequest, pk: int) -> Subscription:
    """A subscription of the request's account. Raises Http404 for any other (ACC-4)."""
    found = (
        Subscription.objects.filter(tenancy=request.account.pk, pk=pk)
        .select_related("partner", "tenancy")
        .first()
    )
    if found is None:
        raise Http404
    found.tenancy.account = request.account
    return found


# --- words -----------------------------------------------------------------------------------


def primary_words(succession: queries.Succession) -> list[str]:
    """Which is the primary, why, and who is next; dates as ISO, for a template to localise (SUB-4)."""
    primary, following = succession.primary, succession.following
    starts = "" if following is None else f"{following.name}, which starts on {following.starts_on}"
    if primary is None:
        return [f"No subscription is active yet. The first will be {starts}."] if starts else []
    if not succession.is_active:
        words = [
            f"No subscription is active. {primary.name} was the last primary, until {primary.ends_on}, and usage "
            "above commitments is billed under its name."
        ]
        return [*words, f"The next will be {starts}."] if starts else words
    why = f"{primary.name} is the primary: oldest active, started {primary.starts_on}"
    if succession.same_start:
        others = " and ".join(one.name for one in succession.same_start[:3])
        why = f"{why} like {others}, but was entered first"
    if following is None:
        return [f"{why}.", f"When it ends on {primary.ends_on}, no other is active."]
    return [
        f"{why}.",
        f"When it ends on {primary.ends_on}, {following.name} is next: started {following.starts_on}."
        if following.starts_on < primary.ends_on
        else f"When it ends on {primary.ends_on}, {following.name} is next: it starts that day.",
    ]


def other_words(own: SubscriptionFacts, succession: queries.Succession, today: date) -> list[str]:
    """Why a subscription is not the primary."""
    primary = succession.primary
    if own.ends_on <= max(today, own.starts_on):
        return ["Not the primary: it has ended."]
    if own.starts_on > today:
        return [f"Not the primary: it starts on {own.starts_on}."]
    if primary is None:
        return []
    if primary.starts_on == own.starts_on:
        words = f"Not the primary: {primary.name} started on the same day, {primary.starts_on}, and was entered first."
    else:
        words = f"Not the primary: {primary.name} is older, started {primary.starts_on}."
    if succession.following is not None and succession.following.id == own.id:
        return [words, f"It is next, on {primary.ends_on}."]
    return [words]


def used_words(row: queries.Used, *, is_named: bool) -> str:
    """What was used, in a few words: 1,234.5 min in 57 calls; at most 12 on a day."""
    meter = row.meter
    if meter.is_call:
        calls = "call" if row.records == 1 else "calls"
        return f"{minutes_words(row.units)} min in {row.records:,} {calls}"
    if meter.pooling == Pooling.AGENTS and is_named:
        return f"{row.different:,} different {meter.unit}{'' if row.different == 1 else 's'}"
    if meter.pooling in (Pooling.AGENTS, Pooling.PEAKS):
        return f"at most {row.peak:,} {meter.unit}{'' if row.peak == 1 else 's'} on a day"
    return f"{row.units:,} {meter.unit}{'' if row.units == 1 else 's'}"


# --- rows ------------------------------------------------------------------------------------


def _asked(request: AccountRequest) -> tuple[SubscriptionFilter, QuerySet[Subscription]]:
    form = SubscriptionFilter(request.GET, partners=partners_of(request.account))
    asked = filters_of(form)
    found = queries.subscriptions_in(
        request.account,
        request.today,
        search=asked["q"] or "",
        status=asked["status"] or "",
        offer=asked["offer"] or "",
        partner=int(asked["partner"]) if asked.get("partner") else None,
    )
    return form, found


def _row(
    row: Subscription,
    facts: SubscriptionFacts | None,
    succession: queries.Succession,
    meters: Sequence[Meter],
    today: date,
) -> dict[str, Any]:
    committed = {} if facts is None else queries.commitments_on(facts, today)
    primary = succession.primary
    return {
        "subscription": row,
        "status": queries.status_of(row, today),
        "is_primary": succession.is_active and primary is not None and primary.id == row.pk,
        "commitments": committed_words(committed, meters),
    }


def _held(product: queries.Held, currency: str) -> dict[str, Any]:
    prices = sorted(
        {charge.unit_price.normalize() for charge in product.charges if charge.unit_price is not None}
    )
    return {
        "held": product,
        "prices": prices,
        "monthly": explain.whole(_monthly([product]), currency),
        "begins_on": min(
            (charge.billing_starts_on for charge in product.charges if charge.billing_starts_on), default=None
        ),
    }


def _monthly(held: Sequence[queries.Held]) -> Decimal:
    amounts = (charge.monthly for product in held for charge in product.charges)
    return sum((amount for amount in amounts if amount is not None), Decimal(0))


def _commitments(own: SubscriptionFacts, meters: Mapping[str, Meter], today: date) -> list[dict[str, Any]]:
    """What is committed to, or was on the last day, with the day since when it is so."""
    committed = queries.commitments_on(own, today)
    return [
        {
            "label": meter.name,
            "unit": meter.unit,
            "quantity": committed[meter.pk],
            "since": max(one.starts_on for one in own.commitments if one.meter == meter.pk),
        }
        for meter in queries.pooled(meters)
        if meter.pk in committed
    ]


def _changes(own: SubscriptionFacts, meters: Mapping[str, Meter]) -> list[dict[str, Any]]:
    """The history of the commitments, the latest first."""
    ordered = sorted(own.commitments, key=lambda one: (one.starts_on, one.meter), reverse=True)
    return [
        {
            "label": meters[one.meter].name if one.meter in meters else one.meter,
            "quantity": one.quantity,
            "starts_on": one.starts_on,
            "ends_on": own.ends_on if one.ends_on is None else min(one.ends_on, own.ends_on),
        }
        for one in ordered[:MOST_CHANGES]
    ]


def _used(
    row: queries.Used,
    own: SubscriptionFacts,
    meters: Mapping[str, Meter],
    tenancy: Tenancy,
    today: date,
) -> dict[str, Any]:
    is_pooled = row.meter in queries.pooled(meters)
    return {
        "label": row.meter.name,
        "words": used_words(row, is_named=tenancy.licence_mode == LicenceMode.NAMED),
        "committed": queries.commitments_on(own, today).get(row.meter.pk, 0) if is_pooled else None,
    }


def _people_url(request: AccountRequest, pk: int) -> str:
    """Where the people with a licence of the subscription are listed (SUB-8)."""
    try:
        return place(request, "billing:subscription-people", pk=pk)
    except NoReverseMatch:
        return ""

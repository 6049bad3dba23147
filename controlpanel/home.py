"""The account's first page: what comes, what begins, what needs somebody, what happened lately."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Count, DecimalField, IntegerField, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.models import AuditEntry, EndUser
from accounts.permissions import ADMINS, AccountRequest, account_page
from billing import explain, queries, usage_words
from billing.access import Ending, first_ending, told_by
from billing.engine import BillingFault
from billing.finance import exact
from billing.models import (
    BillingSchedule,
    Invoice,
    InvoiceKind,
    InvoiceState,
    LicenceAssignment,
    Payment,
)
from billing.plan_outlook import WITH_PLAN, Outlook, outlook_of, with_renewal
from billing.views.overview import told
from controlpanel.navigation import address
from controlpanel.templatetags.ui import relative_day
from telephony.models import Number, NumberState
from telephony.views.installed import Onboarding, onboarding_of

if TYPE_CHECKING:
    from django.http import HttpResponse

LATELY: Final = 8
SOON: Final = timedelta(days=7)
LINE_DAYS: Final = 31
MOST_EVENTS: Final = 8
PARKED: Final = "parked"
OF_LATEST: Final = ("number", "kind", "state", "issued_on", "due_on", "total", "settled", "currency")
MONEY: Final = DecimalField(max_digits=20, decimal_places=4)


@dataclass(frozen=True, slots=True)
class Need:
    """Something that waits for a person: what, why, and where to see to it."""

    icon: str
    tone: str
    text: str
    hint: str
    url: str


@dataclass(frozen=True, slots=True)
class Licences:
    """Licences of a product: how many were bought, and how many of them are assigned."""

    name: str
    bought: int
    assigned: int

    @property
    def free(self) -> int:
        """How many are assigned to nobody."""
        return self.bought - self.assigned


@dataclass(frozen=True, slots=True)
class Numbers:
    """The account's numbers: how many are assigned, how many parked, and of these in their free days."""

    assigned: int
    parked: int
    free: int


@require_safe
@account_page()
def home(request: AccountRequest) -> HttpResponse:
    """The account at a glance. Sums come from the database and the kept preview, never from thousands of rows."""
    account = request.account
    schedule = _schedule(request)
    groups = queries.ledger_groups(account, schedule.last_bdom_on, licences=True)
    pending = queries.not_billed_yet(account, schedule, groups)
    waiting = [row for row in pending if not row.has_begun]
    licences = _licences(request, groups)
    asked = vars(schedule)
    latest = _latest(asked)
    context: dict[str, Any] = {
        "schedule": schedule,
        "numbers": Numbers(asked["assigned"], asked["parked"], _in_free_days(pending)),
        "latest": latest,
        "latest_state": explain.state_of(latest, request.today) if latest else None,
        "balance": _balance(asked),
        "credit": -_balance(asked),
        "events": _events(request, waiting),
        "without_day": [
            (explain.units_words(row.units, row.name), explain.waits_words(row.basis))
            for row in waiting
            if row.begins_on is None
        ],
        "licences": licences,
        "plan": outlook_of(schedule),
        "needs": list(_needs(request, schedule, waiting, licences)),
        "lately": _lately(request),
        "urls": _urls(request),
        **_next_invoice(request, schedule),
    }
    return render(request, "controlpanel/home.html", context)


def _counted(rows: QuerySet[Any]) -> Coalesce:
    """A subquery that counts the rows of one account."""
    counted = rows.order_by().values("account").annotate(found=Count("pk")).values("found")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


def _open_sum() -> Coalesce:
    """A subquery: what is open of one account's invoices, less what is left of its credits."""
    issued = Invoice.objects.filter(account=OuterRef("account"), state=InvoiceState.ISSUED)
    return _summed(issued.order_by().values("account").annotate(sum=Sum("total") - Sum("settled")))


def _credit_left() -> Coalesce:
    """A subquery: what of one account's payments nothing has taken yet."""
    paid = Payment.objects.filter(account=OuterRef("account"), left__gt=0)
    return _summed(paid.order_by().values("account").annotate(sum=Sum("left")))


def _summed(rows: QuerySet[Any, Any]) -> Coalesce:
    return Coalesce(Subquery(rows.values("sum"), output_field=MONEY), Value(Decimal(0), output_field=MONEY))


def _balance(asked: Mapping[str, Any]) -> Decimal:
    """What the account owes; below zero, its credit."""
    return exact(asked["open_sum"]) - exact(asked["credit_left"])


def _schedule(request: AccountRequest) -> BillingSchedule:
    """Where the account stands, and what it takes to know what needs somebody; one query for all of it.

    The row carries what `_balance` adds up, `last_invoice` (the id of the last monthly one), `overdue` (how
    many are), `overdue_number` (the oldest of them), `people`, `with_licence`, the numbers that are
    `assigned` and `parked`, the subscription that ends first, what `_latest` reads, and the plan with the
    renewal that waits for its payment.
    """
    account = request.account
    monthly = (
        Invoice.objects.filter(account=OuterRef("account"), kind=InvoiceKind.BDOM)
        .exclude(state=InvoiceState.DRAFT)
        .order_by("-issued_on", "-id")
    )
    overdue = queries.overdue_invoices(account, request.today)
    people = EndUser.objects.filter(account=account, removed_on=None)
    numbers = Number.objects.filter(account=account)
    latest = queries.invoices_of(account, request.today).order_by("-issued_on", "-id")
    held = LicenceAssignment.objects.filter(account=account, unassigned_on=None)
    holders = (
        held.order_by().values("account").annotate(found=Count("end_user", distinct=True)).values("found")
    )
    return (
        BillingSchedule.objects.select_related(WITH_PLAN)
        .annotate(
            **with_renewal(),
            last_invoice=Subquery(monthly.values("pk")[:1]),
            overdue=_counted(overdue),
            overdue_number=Subquery(overdue.values("number")[:1]),
            people=_counted(people),
            assigned=_counted(numbers.filter(state=NumberState.ASSIGNED)),
            parked=_counted(numbers.filter(state=NumberState.PARKED)),
            open_sum=_open_sum(),
            credit_left=_credit_left(),
            with_licence=Coalesce(Subquery(holders, output_field=IntegerField()), 0),
            **first_ending(account, request.today),
            **{f"latest_{name}": Subquery(latest.values(name)[:1]) for name in OF_LATEST},
        )
        .get(account=account)
    )


def _latest(asked: Mapping[str, Any]) -> Invoice | None:
    """The latest invoice or credit note, with as much of it as the page shows; None before the first."""
    if asked["latest_number"] is None:
        return None
    return Invoice(**{name: asked[f"latest_{name}"] for name in OF_LATEST})


def _in_free_days(pending: Iterable[queries.Pending]) -> int:
    """How many parked numbers cost nothing yet (BIL-3)."""
    return sum(row.units for row in pending if row.basis == PARKED and not row.has_begun)


def _next_invoice(request: AccountRequest, schedule: BillingSchedule) -> dict[str, Any]:
    """The next invoice in figures and words, or why it cannot be drawn."""
    products = queries.catalogue()
    try:
        ahead = queries.ahead_of(request.account, schedule, products.terms, vars(schedule)["last_invoice"])
    except BillingFault as fault:
        return {"fault": told(request, fault)}
    return {
        "ahead": ahead,
        "more": abs(ahead.bridge.difference),
        "usage_bars": usage_words.bars_of(ahead.usage, products.meters),
        "why_different": explain.difference_words(ahead.bridge, products.names),
    }


def _licences(request: AccountRequest, groups: Iterable[queries.LedgerGroup]) -> list[Licences]:
    """The licences that were bought and have not ended, by product in the catalogue's order."""
    assigned = dict(
        LicenceAssignment.objects.filter(
            Q(subscription=None) | Q(subscription__ends_on__gt=request.today),
            account=request.account,
            unassigned_on=None,
        )
        .order_by()
        .values_list("product")
        .annotate(units=Count("id"))
    )
    bought: dict[tuple[str, str], int] = defaultdict(int)
    for group in groups:
        if group.is_licence:
            bought[group.product, group.name] += group.units
    return [Licences(name, units, assigned.get(code, 0)) for (code, name), units in bought.items()]


def _events(request: AccountRequest, waiting: Sequence[queries.Pending]) -> list[dict[str, Any]]:
    """What begins billing within the days shown; where it is much, a day is one event."""
    until = request.today + timedelta(days=LINE_DAYS)
    soon = [row for row in waiting if row.begins_on is not None and row.begins_on < until]
    if len(soon) <= MOST_EVENTS:
        return [_event(request, [row]) for row in soon]
    days: dict[date | None, list[queries.Pending]] = defaultdict(list)
    for row in soon:
        days[row.begins_on].append(row)
    return [_event(request, rows) for rows in days.values()]


def _event(request: AccountRequest, rows: Sequence[queries.Pending]) -> dict[str, Any]:
    first = rows[0]
    named = [explain.units_words(row.units, row.name) for row in rows]
    label = explain.label_words(first.label) if len(rows) == 1 and first.label else ", ".join(named)
    amounts = [row.monthly for row in rows]
    known = [amount for amount in amounts if amount is not None]
    return {
        "on": first.begins_on,
        "label": label,
        "amount": sum(known, Decimal(0)) if len(known) == len(amounts) else None,
        "note": explain.begins_words(first.basis, first.basis_days) if len(rows) == 1 else "",
        "url": _way_to(request, first)
        if len(rows) == 1
        else _place(request, "billing:overview", "#not-billed"),
    }


def _way_to(request: AccountRequest, row: queries.Pending) -> str:
    """Where something that begins billing is to be seen."""
    kind, _, key = row.subject.partition(":")
    if kind == "number" and key:
        return address("telephony:number", account=request.account.slug, pk=key)
    if row.is_licence:
        return _place(request, "billing:licences")
    return _place(request, "billing:overview", "#not-billed")


def _needs(
    request: AccountRequest,
    schedule: BillingSchedule,
    waiting: Sequence[queries.Pending],
    licences: Sequence[Licences],
) -> Iterator[Need]:
    """What waits for a person, the most pressing first; nothing is left when all is seen to."""
    asked = vars(schedule)
    if schedule.held_at is not None:
        yield Need(
            "circle-alert",
            "bad",
            "Your invoice is held back",
            "Our billing team has to mend something first. You need not do anything.",
            _place(request, "billing:next-invoice"),
        )
    if asked["overdue"]:
        single = asked["overdue"] == 1
        yield Need(
            "receipt-text",
            "bad",
            f"Invoice {asked['overdue_number']} is overdue"
            if single
            else f"{asked['overdue']} invoices are overdue",
            "The day to pay has passed.",
            _place(request, "billing:invoice", number=asked["overdue_number"])
            if single
            else _place(request, "billing:invoices", "?state=overdue"),
        )
    outlook = outlook_of(schedule)
    if outlook is not None:
        yield from _of_plan(request, outlook)
    endings, more = told_by(schedule, request.today)
    for first in endings:
        yield _ending(request, first, more)
    onboarding = onboarding_of(request)
    if onboarding is not None and (onboarding.is_near or onboarding.contact_center.requested_at is None):
        yield _going_live(request, onboarding)
    soon = [row for row in waiting if row.begins_on is not None and row.begins_on <= request.today + SOON]
    numbers = [row for row in soon if row.basis == PARKED]
    if numbers:
        count = sum(row.units for row in numbers)
        yield Need(
            "hash",
            "warn",
            f"{count} parked number{'s' * (count > 1)} soon cost{'s' * (count == 1)} money",
            _first_ends(numbers),
            address("telephony:numbers", account=request.account.slug) + "?state=parked",
        )
    ending = [row for row in soon if row.is_licence]
    by_name = {own.name: own for own in licences}
    idle = [row for row in ending if by_name[row.name].free]
    for name in dict.fromkeys(row.name for row in idle):
        rows = [row for row in idle if row.name == name]
        count = min(sum(row.units for row in rows), by_name[name].free)
        yield Need(
            "badge-check",
            "warn",
            f"{count} × {name} not assigned",
            f"{_first_ends(rows)} Assign or give back in time.",
            _place(request, "billing:licences"),
        )
    without = asked["people"] - asked["with_licence"]
    if without > 0:
        yield Need(
            "users",
            "info",
            f"{without} user{'s have' if without > 1 else ' has'} no licence",
            "Without one they cannot be given a number.",
            address("accounts:end-users", account=request.account.slug) + "?licence=none",
        )


def _going_live(request: AccountRequest, onboarding: Onboarding) -> Need:
    """A contact center that goes live by itself soon, or is still to be set up or asked for (ONB-2, ONB-9)."""
    left = onboarding.total - onboarding.done
    steps = f"{left} step{'' if left == 1 else 's'} of its set-up {'is' if left == 1 else 'are'} left."
    url = address("telephony:contact-center", account=request.account.slug)
    name = onboarding.contact_center
    if onboarding.is_near and onboarding.activates_on is not None:
        begins = f"All of it is billed from {explain.day_words(onboarding.activates_on)} on, for good."
        when = relative_day(onboarding.activates_on, request.today)
        return Need(
            "calendar-clock",
            "warn",
            f"{name} goes live by itself {when}",
            f"{begins} {steps}" if left else begins,
            url,
        )
    if left:
        return Need("headset", "info", f"{name} is in onboarding", steps, url)
    return Need("headset", "info", f"{name} is set up", "Say that you are ready to go live.", url)


def _of_plan(request: AccountRequest, plan: Outlook) -> Iterator[Need]:
    """A renewal that is not paid, and a plan that is over soon (PLN-2, PLN-4)."""
    if plan.unpaid is not None:
        amount = explain.money_words(plan.amount or Decimal(0), request.account.currency)
        again = f" Tried again on {explain.day_words(plan.next_try_on)}." if plan.next_try_on else ""
        yield Need(
            "gem",
            "bad",
            "The renewal of your plan is not paid",
            f"{amount}, due {explain.day_words(plan.on or request.today)}.{again}",
            _place(request, "billing:plan-order", key=str(plan.unpaid)),
        )
    ends_on = plan.trial_ends_on or plan.ends_on
    if ends_on is not None and ends_on <= request.today + SOON:
        left = (ends_on - request.today).days
        what = "Your trial of" if plan.trial_ends_on else "Your plan"
        yield Need(
            "gem",
            "warn",
            f"{what} {plan.name} ends {'today' if left <= 0 else f'in {left} day' + 's' * (left != 1)}",
            "Register it to keep it."
            if plan.trial_ends_on
            else "It is unsubscribed. Keep it if you need it.",
            _place(request, "billing:plans"),
        )


def _ending(request: AccountRequest, ending: Ending, more: int) -> Need:
    """A subscription that ends, or has ended with people on it, and how many `more` do (SUB-8)."""
    users = f"{ending.people:,} user{'' if ending.people == 1 else 's'}"
    url = _place(request, "billing:subscription-people", pk=str(ending.key))
    words = "ends soon or has" if more == 1 else "end soon or have"
    others = f" {more} more {words} ended." if more else ""
    if ending.has_ended:
        return Need(
            "user-x",
            "bad",
            f"{users} {'has' if ending.people == 1 else 'have'} no access",
            f"Subscription {ending.name} ended on {explain.day_words(ending.ends_on)}. Move them to another.{others}",
            url,
        )
    left = f"{ending.left} day{'' if ending.left == 1 else 's'}"
    lost = f"{users} will lose access. Move them to another." if ending.people else "Nobody loses access."
    return Need("calendar-clock", "warn", f"Subscription {ending.name} ends in {left}", lost + others, url)


def _first_ends(rows: Sequence[queries.Pending]) -> str:
    """When the free days end, and what it costs then."""
    days = {row.begins_on for row in rows if row.begins_on is not None}
    return f"The {'first ' if len(days) > 1 else ''}free days end on {explain.day_words(min(days))}."


def _lately(request: AccountRequest) -> list[AuditEntry]:
    """The last entries of the trail, for those who may read it (ACC-5)."""
    if request.membership_role is not None and request.membership_role not in ADMINS:
        return []
    return list(
        AuditEntry.objects.filter(account=request.account).select_related("user").order_by("-id")[:LATELY]
    )


def _place(request: AccountRequest, name: str, tail: str = "", **kwargs: str) -> str:
    found = address(name, account=request.account.slug, **kwargs)
    return f"{found}{tail}" if found else ""


def _urls(request: AccountRequest) -> dict[str, str]:
    """The ways that the page's cards lead on."""
    names = {
        "next": "billing:next-invoice",
        "billing": "billing:overview",
        "licences": "billing:licences",
        "usage": "billing:usage",
        "licence_add": "billing:licence-add",
        "activity": "accounts:activity",
        "users": "accounts:end-users",
        "user_add": "accounts:end-user-add",
        "numbers": "telephony:numbers",
        "number_add": "telephony:number-add",
        "invoices": "billing:invoices",
        "plans": "billing:plans",
    }
    return {key: _place(request, name) for key, name in names.items()}

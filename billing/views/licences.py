"""Licences: bought, assigned and free, buying and giving back, and those of an end user (LIC-1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from accounts.forms import show_refusal
from accounts.permissions import AccountRequest, account_page
from accounts.refusals import Refused
from accounts.trail import Actor
from accounts.views.end_users import own_end_user
from billing import explain, queries
from billing.catalogue import prices_on
from billing.engine import BillingFault, Section
from billing.forms import LicenceForm
from billing.gather import decimals_of
from billing.licences import (
    UC_LICENCE,
    Holding,
    add_licences,
    assign_licence,
    holdings,
    remove_licences,
    unassign_licence,
)
from billing.models import BillingSchedule, Charge, Delay, LicenceAssignment, Product
from billing.preview import Cost, cost_of
from billing.views.places import place

if TYPE_CHECKING:
    from django.http import HttpResponse

NO_PRICE: Final = (
    "What this costs cannot be worked out at the moment, because the next invoice cannot be drawn. "
    "Our billing team has to mend that first. Nothing was changed."
)


# --- the page --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LicenceRow:
    """A licence as the page shows it. `waiting`: what begins billing, and when; prices are per month."""

    holding: Holding
    since: date | None
    monthly: Decimal
    prices: Sequence[Decimal]
    waiting: Sequence[queries.Pending]


@require_safe
@account_page()
def licences(request: AccountRequest) -> HttpResponse:
    """The account's licences by product: how many, since when, and when billing begins."""
    account = request.account
    schedule = BillingSchedule.objects.get(account=account)
    groups = [
        group
        for group in queries.ledger_groups(account, schedule.last_bdom_on, licences=True)
        if group.is_licence
    ]
    pending = queries.not_billed_yet(account, schedule, groups)
    rows = [_row(holding, groups, pending, account.currency) for holding in holdings(account)]
    on_sale = prices_on([row.holding.product.pk for row in rows], account, request.today)
    context = {
        "rows": [row for row in rows if row.holding.bought],
        "offers": [
            (row.holding.product, on_sale[row.holding.product.pk], _delay(row.holding.product))
            for row in rows
            if row.holding.is_offered and row.holding.product.pk in on_sale
        ],
        "has_free": any(row.holding.free for row in rows),
        "monthly": sum((row.monthly for row in rows), Decimal(0)),
    }
    return render(request, "billing/licences.html", context)


def _row(
    holding: Holding,
    groups: Sequence[queries.LedgerGroup],
    pending: Sequence[queries.Pending],
    currency: str,
) -> LicenceRow:
    own = [group for group in groups if group.product == holding.product.pk]
    amounts = (group.price * group.units for group in own if group.price is not None)
    return LicenceRow(
        holding,
        since=min((group.since for group in own), default=None),
        monthly=explain.whole(sum(amounts, Decimal(0)), currency),
        prices=sorted({group.price.normalize() for group in own if group.price is not None}),
        waiting=[row for row in pending if row.product == holding.product.pk and not row.has_begun],
    )


def _delay(product: Product) -> str:
    """When billing of a licence would begin, in words."""
    if product.delay == Delay.TIMED:
        return f"after {product.delay_days} free days"
    return "when it is activated" if product.delay == Delay.ACTIVATED else "at once"


# --- buying and giving back ------------------------------------------------------------------

Action = Callable[[AccountRequest, Product, int], Charge | list[Charge]]


@dataclass(frozen=True, slots=True)
class Deal:
    """What buying and giving back have in common: the action, its words, and which licences it is about."""

    title: str
    submit: str
    template: str
    act: Action
    is_offered: Callable[[Holding], bool]
    note: Callable[[Holding], str]
    box: Callable[[AccountRequest, Cost], dict[str, Any]]


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def licence_add(request: AccountRequest) -> HttpResponse:
    """Buy licences, after a look at what they cost and when billing begins (BIL-3)."""
    return _deal(request, BUYING)


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def licence_remove(request: AccountRequest) -> HttpResponse:
    """Give back licences that nobody holds, after a look at what is credited (LIC-1, BIL-5)."""
    return _deal(request, GIVING_BACK)


def _deal(request: AccountRequest, deal: Deal) -> HttpResponse:
    """The form beside its cost. What is sent with a cost that was not seen yet is shown with it first.

    The page carries what its cost is of; with script it follows the fields, without it a changed
    quantity leads to a page of its own that shows the cost and asks again.
    """
    offered = [holding for holding in holdings(request.account) if deal.is_offered(holding)]
    by_code = {holding.product.pk: holding.product for holding in offered}
    form = _form(request, deal, offered)
    context: dict[str, Any] = {"form": form, "deal": deal, "has_offer": bool(offered)}
    priced: tuple[Product, int] | None = None
    if form.is_bound and form.is_valid():
        priced = by_code[form.cleaned_data["product"]], form.cleaned_data["quantity"]
    elif not form.is_bound and offered:
        priced = by_code[form.initial["product"]], form.initial["quantity"]
    if priced is not None:
        product, quantity = priced
        try:
            cost = cost_of(request.account, lambda: deal.act(request, product, quantity))
            box = deal.box(request, cost)
            context |= {"cost": box, "seen": _seen(product, quantity, box)}
            if request.method == "POST" and request.POST.get("seen") == context["seen"]:
                deal.act(request, product, quantity)
                messages.success(request, _done(deal, product, quantity, cost))
                return redirect("billing:licences", account=request.account.slug)
        except Refused as refusal:
            context["refusal"] = refusal
        except BillingFault:
            context["refusal"] = Refused(NO_PRICE, rule="BIL-10")
        if "refusal" in context and form.is_bound:
            show_refusal(form, context["refusal"])
        elif request.method == "POST":
            context["label"] = explain.units_words(quantity, product.name)
            return render(request, "billing/licence_review.html", context)
    status = 400 if request.method == "POST" else 200
    return render(request, deal.template, context, status=status)


def _form(request: AccountRequest, deal: Deal, offered: Sequence[Holding]) -> LicenceForm:
    data = request.POST if request.method == "POST" else request.GET if "quantity" in request.GET else None
    codes = [holding.product.pk for holding in offered]
    asked = request.GET.get("product", "")
    first = asked if asked in codes else (codes[0] if codes else "")
    notes = {holding.product.pk: deal.note(holding) for holding in offered}
    return LicenceForm(data, holdings=offered, notes=notes, initial={"product": first, "quantity": 1})


def _seen(product: Product, quantity: int, box: dict[str, Any]) -> str:
    """What a person who has seen the box has seen."""
    return f"{product.pk}:{quantity}:{box['monthly']}:{box['next_on']}"


def _done(deal: Deal, product: Product, quantity: int, cost: Cost) -> str:
    words = explain.units_words(quantity, product.name)
    if deal is not BUYING:
        return f"Gave back {words}."
    begins_on = cost.opened[0].billing_starts_on
    if begins_on is None:
        return f"Bought {words}. Billing begins {explain.waits_words(cost.opened[0].basis)}."
    return f"Bought {words}. Billing begins on {explain.day_words(begins_on)}."


def _buy(request: AccountRequest, product: Product, quantity: int) -> Charge:
    return add_licences(request.account, product, quantity, actor=Actor.of(request), at=request.at)


def _give_back(request: AccountRequest, product: Product, quantity: int) -> list[Charge]:
    return remove_licences(request.account, product, quantity, actor=Actor.of(request), at=request.at)


def _buying_box(request: AccountRequest, cost: Cost) -> dict[str, Any]:
    return explain.cost_box(request.account, cost)


def _giving_back_box(request: AccountRequest, cost: Cost) -> dict[str, Any]:
    """The newest first: what was never billed costs nothing, what was paid ahead is credited."""
    box = explain.cost_box(request.account, cost)
    decimals = decimals_of(request.account.currency)
    newest_first = sorted(cost.ended, key=lambda charge: (charge.added_on, charge.pk), reverse=True)
    box["lines"] = [_ending_line(charge, decimals, request.today) for charge in newest_first]
    credited = _credits(cost.after.lines) - _credits(cost.before.lines)
    if credited:
        note = "for days that were paid ahead, on the next invoice"
        box["lines"].append({"label": "Credit", "amount": credited, "note": note})
    return box


def _credits(lines: Sequence[Any]) -> Decimal:
    return sum((line.amount for line in lines if line.section is Section.CREDIT), Decimal(0))


def _ending_line(charge: Charge, decimals: int, today: date) -> dict[str, Any]:
    """A charge that ends, as a line of the box: what it is a month less."""
    line = explain.cost_line(charge, decimals)
    amount = line["amount"]
    return line | {
        "amount": None if amount is None else -amount,
        "note": f"a month less, {_how_it_ends(charge, today)}",
    }


def _how_it_ends(charge: Charge, today: date) -> str:
    begins_on = charge.billing_starts_on
    bought = f"bought {charge.added_on.isoformat()}"
    if begins_on is None or begins_on >= today:
        return f"{bought}, never billed"
    return f"{bought}, billed until today"


BUYING: Final = Deal(
    title="Add licences",
    submit="Buy licences",
    template="billing/licence_add.html",
    act=_buy,
    is_offered=lambda holding: holding.is_offered,
    note=lambda holding: f" ({holding.bought} bought, {holding.free} free)" if holding.bought else "",
    box=_buying_box,
)
GIVING_BACK: Final = Deal(
    title="Give back licences",
    submit="Give back licences",
    template="billing/licence_remove.html",
    act=_give_back,
    is_offered=lambda holding: holding.free > 0,
    note=lambda holding: f" ({holding.free} free)",
    box=_giving_back_box,
)


# --- the licences of an end user -------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def end_user_licences(request: AccountRequest, pk: int) -> HttpResponse:
    """Give an end user a licence, or take one; taking the UC licence says first what becomes of numbers (NUM-8)."""
    end_user = own_end_user(request, pk)
    end_user.account = request.account
    context: dict[str, Any] = {"end_user": end_user}
    found = holdings(request.account)
    if request.method == "POST":
        by_code = {holding.product.pk: holding.product for holding in found}
        product = by_code.get(request.POST.get("product", ""))
        action = request.POST.get("action", "")
        try:
            if product is None or action not in ("assign", "unassign"):
                raise Refused("Choose a licence to assign or to take. Nothing was changed.", rule="LIC-1")
            if action == "assign":
                assign_licence(end_user, product, actor=Actor.of(request), at=request.at)
                messages.success(request, f"{product.name} assigned to {end_user}.")
                return _after(request, pk)
            review = None if request.POST.get("seen") == product.pk else _taking(request, end_user, product)
            if review is None:
                unassign_licence(end_user, product, actor=Actor.of(request), at=request.at)
                messages.success(request, f"{product.name} taken from {end_user}. It is free again.")
                return _after(request, pk)
            return render(request, "billing/end_user_licence_take.html", context | review)
        except Refused as refusal:
            context["refusal"] = refusal
    held = dict(
        LicenceAssignment.objects.filter(end_user=end_user, unassigned_on=None).values_list(
            "product", "assigned_on"
        )
    )
    context["rows"] = [
        (holding, held.get(holding.product.pk))
        for holding in found
        if holding.bought or holding.product.pk in held
    ]
    status = 400 if "refusal" in context else 200
    return render(request, "billing/end_user_licences.html", context, status=status)


def _after(request: AccountRequest, pk: int) -> HttpResponse:
    return redirect("accounts:end-user", account=request.account.slug, pk=pk)


def _taking(request: AccountRequest, end_user: Any, product: Product) -> dict[str, Any] | None:
    """What taking a licence leads to, to be confirmed; None where it touches nothing else."""
    if product.pk != UC_LICENCE:
        return None
    actor = Actor.of(request)
    try:
        cost = cost_of(
            request.account, lambda: unassign_licence(end_user, product, actor=actor, at=request.at)
        )
    except BillingFault:
        # What it costs is not to be had; that the numbers are parked is to be said all the same.
        return {"product": product, "consequences": [f"All numbers of {end_user} are parked."]}
    if not cost.opened and not cost.ended:
        return None
    currency = request.account.currency
    return {
        "product": product,
        "consequences": [
            *(_parked(charge, currency) for charge in cost.opened),
            f"{product.name} is free for somebody else, and goes on being billed until it is given back.",
        ],
        "cost": explain.cost_box(request.account, cost),
        "licences_url": place(request, "billing:licences"),
    }


def _parked(charge: Charge, currency: str) -> str:
    """What becomes of a number whose charge parking opens."""
    monthly = "its price" if charge.monthly is None else explain.money_words(charge.monthly, currency)
    label = explain.label_words(charge.subject_label)
    if charge.billing_starts_on is None or charge.billing_starts_on <= charge.added_on:
        return f"{label} is parked, at {monthly} a month from today."
    begins_on = explain.day_words(charge.billing_starts_on)
    return f"{label} is parked: free until {begins_on}, then {monthly} a month."

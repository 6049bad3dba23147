"""Licences: bought, assigned and free, buying and giving back (LIC-1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
from billing import explain, queries
from billing.catalogue import prices_on
from billing.engine import BillingFault, Section
from billing.forms import LicenceForm
from billing.gather import decimals_of
from billing.licences import (
    Holding,
    Stock,
    add_licences,
    holdings,
    remove_licences,
    stock_of,
)
from billing.models import BillingSchedule, Charge, Delay, Product, Subscription
from billing.preview import Cost, cost_of
from billing.views.places import place
from billing.views.user_licences import standing

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
    """The account's own licences by product: how many, since when, and when billing begins; then subscriptions'."""
    account = request.account
    stock = stock_of(account)
    schedule = BillingSchedule.objects.get(account=account)
    groups = [
        group
        for group in queries.ledger_groups(account, schedule.last_bdom_on, licences=True, own=True)
        if group.is_licence
    ]
    pending = queries.not_billed_yet(account, schedule, groups)
    rows = [_row(holding, groups, pending, account.currency) for holding in stock.own]
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
        "of_subscriptions": _of_subscriptions(request, stock),
    }
    return render(request, "billing/licences.html", context)


def _of_subscriptions(request: AccountRequest, stock: Stock) -> list[tuple[Subscription, Holding, str, str]]:
    """The licences of each subscription, with how it stands; of ended ones what people still hold."""
    return [
        (subscription, holding, *standing(subscription, request.today))
        for subscription in Subscription.objects.filter(pk__in=list(stock.of_subscriptions))
        for holding in stock.of_subscriptions[subscription.pk]
    ]


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
    """What buying and giving back have in common: the action, its words, and which licences it is about.

    `held`: what there is to choose from, the account's own unless it says otherwise; `up`: the URL name of
    the page above, with `up_kwargs` beside the account, and what it is called.
    """

    title: str
    submit: str
    template: str
    act: Action
    is_offered: Callable[[Holding], bool]
    note: Callable[[Holding], str]
    box: Callable[[AccountRequest, Cost], dict[str, Any]]
    is_purchase: bool
    held: Callable[[AccountRequest], list[Holding]] = lambda request: holdings(request.account)
    up: str = "billing:licences"
    up_kwargs: Mapping[str, Any] = field(default_factory=dict)
    up_label: str = "Licences"


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def licence_add(request: AccountRequest) -> HttpResponse:
    """Buy licences, after a look at what they cost and when billing begins (BIL-3)."""
    return close_deal(request, BUYING)


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def licence_remove(request: AccountRequest) -> HttpResponse:
    """Give back licences that nobody holds, after a look at what is credited (LIC-1, BIL-5)."""
    return close_deal(request, GIVING_BACK)


def close_deal(request: AccountRequest, deal: Deal) -> HttpResponse:
    """The form beside its cost. What is sent with a cost that was not seen yet is shown with it first.

    The page carries what its cost is of; with script it follows the fields, without it a changed
    quantity leads to a page of its own that shows the cost and asks again.
    """
    offered = [holding for holding in deal.held(request) if deal.is_offered(holding)]
    by_code = {holding.product.pk: holding.product for holding in offered}
    form = _form(request, deal, offered)
    up = place(request, deal.up, **deal.up_kwargs)
    context: dict[str, Any] = {"form": form, "deal": deal, "has_offer": bool(offered), "up": up}
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
                return redirect(up)
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
    if not deal.is_purchase:
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


def giving_back_box(request: AccountRequest, cost: Cost) -> dict[str, Any]:
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
    is_purchase=True,
)
GIVING_BACK: Final = Deal(
    title="Give back licences",
    submit="Give back licences",
    template="billing/licence_remove.html",
    act=_give_back,
    is_offered=lambda holding: holding.free > 0,
    note=lambda holding: f" ({holding.free} free)",
    box=giving_back_box,
    is_purchase=False,
)

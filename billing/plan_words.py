"""Says in words what a plan is, what a choice of one comes to, and what was paid for it (PLN-1, PLN-3, PLN-4).

The pages of plans show what leaves here; every amount comes from the engine's deal and none is worked out twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from accounts.models import Account
from billing.engine import PlanTerms, round_half_up
from billing.explain import day_words, figures_words, money_words, quantity_words, unit_price_words
from billing.gather import decimals_of
from billing.models import PaymentMethod, Plan, PlanOrder, PlanOrderKind, PlanOrderState, PlanState, Product
from billing.plans.deals import Deal, DealKind

RULES: Final = {PlanOrderKind.CHANGE: "PLN-4", PlanOrderKind.RENEWAL: "PLN-4"}
"""Which rule an order's amount follows; those of other kinds follow PLN-3."""

_TONES: Final = {PlanState.TRY: "info", PlanState.ACTIVE: "ok", PlanState.INACTIVE: "neutral"}
_ORDER_TONES: Final = {
    PlanOrderState.OPEN: "warn",
    PlanOrderState.PAID: "ok",
    PlanOrderState.CANCELLED: "neutral",
}


# --- words -----------------------------------------------------------------------------------


def months_words(months: int) -> str:
    """The length of a cycle: 1 month, 12 months."""
    return "1 month" if months == 1 else f"{months} months"


def percent_words(share: Decimal) -> str:
    """A share as a percentage: 0.15 is 15%, 0.125 is 12.5%."""
    return f"{quantity_words(share * 100)}%"


def accounts_words(quantity: int) -> str:
    """How many accounts of a package: 1 account, 1,200 accounts."""
    return "1 account" if quantity == 1 else f"{quantity_words(quantity)} accounts"


def terms_words(terms: PlanTerms, name: str) -> str:
    """What is had: Contact Center 2, 100 accounts, 12 months."""
    return f"{name}, {accounts_words(terms.quantity)}, {months_words(terms.months)}"


def formula_words(terms: PlanTerms, decimals: int) -> str:
    """Price × quantity × months less the discount, with its numbers (PLN-3)."""
    price = unit_price_words(terms.unit_price, decimals)
    formula = f"{price} × {quantity_words(terms.quantity)} × {months_words(terms.months)}"
    return f"{formula} less {percent_words(terms.discount)}" if terms.discount else formula


# --- packages --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Package:
    """A package as the list shows it (PLN-1). `price`: for one account and month; None: none in this currency.

    `registered`: how many accounts of it this customer has, and nobody else's.
    """

    product: Product
    price: Decimal | None
    registered: int
    is_current: bool


def package_rows(
    products: Iterable[Product], prices: Mapping[str, Decimal], plan: Plan | None
) -> list[Package]:
    """The packages on the system; what is had stands there even where it is sold to nobody any more."""
    found = list(products)
    if plan is not None and plan.is_current and all(product.pk != plan.product_id for product in found):
        found.append(plan.product)
    return [_package(product, prices.get(product.pk), plan) for product in found]


def _package(product: Product, price: Decimal | None, plan: Plan | None) -> Package:
    is_current = plan is not None and plan.is_current and plan.product_id == product.pk
    if plan is None or not is_current:
        return Package(product, price, 0, is_current=False)
    # What is paid for keeps its price; a trial is registered at today's (BIL-6).
    kept = plan.unit_price if plan.state == PlanState.ACTIVE else price
    return Package(product, kept, plan.quantity, is_current=True)


# --- the plan --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """The current plan as its card shows it. Amounts are in the account's currency, rounded once.

    `price` is the total of a cycle, `next_on` and `next_amount` the next payment, None where there will be none;
    `change` what becomes of the plan with it, "" where nothing does. `ends_on`: when it cannot be used any more,
    None while it renews.
    """

    label: str
    tone: str
    price: Decimal
    formula: str
    cycle: str
    next_on: date | None
    next_amount: Decimal | None
    change: str
    ends_on: date | None


def standing_of(plan: Plan) -> Standing:
    """How a plan stands, which comes with its account and products."""
    decimals = decimals_of(plan.account.currency)
    next_on, amount = _next_payment(plan, decimals)
    is_changed = plan.state == PlanState.ACTIVE and plan.next_terms != plan.terms
    next_product = plan.next_product or plan.product
    return Standing(
        PlanState(plan.state).label,
        _TONES[PlanState(plan.state)],
        round_half_up(plan.terms.total, decimals),
        formula_words(plan.terms, decimals),
        months_words(plan.months),
        next_on,
        amount,
        terms_words(plan.next_terms, next_product.name) if is_changed else "",
        plan.ends_on,
    )


def _next_payment(plan: Plan, decimals: int) -> tuple[date | None, Decimal | None]:
    """A renewal that is not paid yet was due on the day on which the cycle ended."""
    if plan.state == PlanState.ACTIVE and plan.unsubscribed_on is None:
        return plan.cycle_ends_on, round_half_up(plan.next_terms.total, decimals)
    if plan.state == PlanState.TRY and plan.unsubscribed_on is None:
        return plan.trial_ends_on, round_half_up(plan.terms.total, decimals)
    return None, None


# --- what a choice comes to ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sum:
    """Terms worked out: the formula, what it comes to, and what of that the discount is."""

    words: str
    formula: str
    whole: Decimal
    discount: str
    saved: Decimal
    total: Decimal


def sum_of(terms: PlanTerms, name: str, decimals: int) -> Sum:
    """A cycle's total with its parts, which add up: what is saved is the difference of the two."""
    whole, total = round_half_up(terms.undiscounted, decimals), round_half_up(terms.total, decimals)
    discount = percent_words(terms.discount) if terms.discount else ""
    undiscounted = formula_words(terms._replace(discount=Decimal(0)), decimals)
    return Sum(terms_words(terms, name), undiscounted, whole, discount, whole - total, total)


@dataclass(frozen=True, slots=True)
class Box:
    """What a choice costs, before the button.

    `today` is what is charged now and `why` its working; `now` what the chosen terms come to for a whole cycle.
    `renews_on`, `renewal`: the next payment; `renewal_before`: what it would be without the choice, None for a new
    plan. `ends`: the plan is unsubscribed, so there is no renewal.
    """

    kind: DealKind
    currency: str
    today: Decimal
    why: str
    days: str
    now: Sum
    following: Sum
    starts_on: date
    renews_on: date
    renewal: Decimal
    renewal_before: Decimal | None
    ends: bool

    @property
    def is_charged(self) -> bool:
        """Whether something is paid now."""
        return self.kind in (DealKind.REGISTRATION, DealKind.INCREASE)

    @property
    def last_day(self) -> date:
        """The last day that is paid for."""
        return self.renews_on - timedelta(days=1)

    @property
    def seen(self) -> str:
        """What a person who has seen the box has seen."""
        return f"{self.kind}:{self.following.words}:{self.renewal}:{self.renews_on}"


def box_of(account: Account, deal: Deal, plan: Plan | None, names: Mapping[str, str]) -> Box:
    """What is shown of a deal; `names`: the packages' names by code."""
    decimals = deal.decimals
    is_new = deal.kind is DealKind.REGISTRATION
    return Box(
        kind=deal.kind,
        currency=account.currency,
        today=deal.amount,
        why=figures_words(deal.line.why) if deal.line is not None else "",
        days=f"{deal.line.days} of {deal.line.of_days} days" if deal.line is not None else "",
        now=sum_of(deal.terms, names[deal.terms.product], decimals),
        following=sum_of(deal.next_terms, names[deal.next_terms.product], decimals),
        starts_on=deal.line.starts_on if deal.line is not None else deal.cycle.start,
        renews_on=deal.renews_on,
        renewal=deal.renewal,
        renewal_before=None if is_new or plan is None else round_half_up(plan.next_terms.total, decimals),
        ends=not is_new and plan is not None and plan.unsubscribed_on is not None,
    )


# --- cards -----------------------------------------------------------------------------------


class Expiry(NamedTuple):
    """Until when a card can be used, 12/2034; `label` and `tone` warn where that is soon, "" where it is not."""

    text: str
    label: str
    tone: str


def expiry_of(card: PaymentMethod, at: datetime) -> Expiry:
    """What is to be said of a card's expiry at the instant `at`."""
    text = f"{card.exp_month:02}/{card.exp_year}"
    if card.is_expired(at):
        return Expiry(text, "Expired", "bad")
    months = (card.exp_year - at.year) * 12 + card.exp_month - at.month
    return Expiry(text, "Expires soon", "warn") if months <= 1 else Expiry(text, "", "")


# --- orders ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order as a list shows it."""

    order: PlanOrder
    words: str
    label: str
    tone: str


def order_row(order: PlanOrder) -> OrderRow:
    """An order with its product, in words."""
    state = PlanOrderState(order.state)
    label = "Waits for the transfer" if state == PlanOrderState.OPEN and order.by_transfer else state.label
    return OrderRow(order, terms_words(order.terms, order.product.name), label, _ORDER_TONES[state])


def order_rows(orders: Sequence[PlanOrder]) -> list[OrderRow]:
    """Orders with their products, in words."""
    return [order_row(order) for order in orders]


def done_words(order: PlanOrder) -> str:
    """What a paid order has brought about, in a sentence."""
    currency = order.account.currency
    until = day_words(order.ends_on)
    if order.kind == PlanOrderKind.RENEWAL:
        return f"Your plan is renewed. The next payment is on {until}."
    if order.kind == PlanOrderKind.CHANGE:
        return f"Your plan is now {order.product.name} for {accounts_words(order.quantity)}."
    renewal = money_words(order.next_terms.total, currency)
    return f"Your plan is active. It renews by itself on {until} for {renewal}."

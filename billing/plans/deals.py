"""What a choice of package, quantity and cycle would come to: the same for the page, the review and the order.

Prices are those of the account's own day `on`, in its currency. What the plan has already keeps its price for
as long as its package stays the same (BIL-6).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final

from django.db.models import F, Q, QuerySet

from accounts.models import Account
from accounts.refusals import Refused
from billing.catalogue import sale_price
from billing.engine import (
    Line,
    Period,
    PlanTerms,
    change_line,
    cycle_after,
    cycle_line,
    minor_unit,
    round_half_up,
)
from billing.engine.plans import CYCLES
from billing.gather import decimals_of
from billing.licences import check_quantity
from billing.models import (
    Family,
    Plan,
    PlanDiscount,
    PlanOrder,
    PlanOrderKind,
    PlanOrderState,
    PlanState,
    Product,
)

RULE: Final = "PLN-4"


class DealKind(StrEnum):
    """What a choice means for the plan as it is."""

    REGISTRATION = "registration"
    """There is none that is paid for: a cycle begins with the payment."""
    INCREASE = "increase"
    """More than now: paid at once, for the days left of the cycle."""
    AT_RENEWAL = "at-renewal"
    """Fewer, or another cycle: from the renewal on."""
    NOTHING = "nothing"
    """What there is already."""


@dataclass(frozen=True, slots=True)
class Deal:
    """What a choice comes to. `terms` hold once it is paid for, `next_terms` from the day `renews_on`.

    `line` is what is charged now, None where nothing is. `cycle` is the one that is paid for.
    """

    kind: DealKind
    terms: PlanTerms
    next_terms: PlanTerms
    line: Line | None
    cycle: Period
    decimals: int

    @property
    def amount(self) -> Decimal:
        """What is charged now, in whole minor units."""
        return self.line.amount if self.line is not None else minor_unit(self.decimals) * 0

    @property
    def renews_on(self) -> date:
        """The day of the next payment."""
        return self.cycle.end

    @property
    def renewal(self) -> Decimal:
        """What the next payment comes to if nothing else changes."""
        return round_half_up(self.next_terms.total, self.decimals)


def packages() -> QuerySet[Product]:
    """The packages on the system, the smallest first (PLN-1)."""
    return Product.objects.filter(family=Family.PLAN, is_on_sale=True).order_by("rank", "code")


def plan_of(account: Account) -> Plan | None:
    """The plan that the account has or had; None where it never had one."""
    return Plan.objects.select_related("product", "next_product").filter(account=account).first()


def discounts_on(account: Account, on: date) -> dict[int, Decimal]:
    """The discount of each cycle on the day `on`, by its months, as a share; nothing where none is set. One query."""
    found = dict.fromkeys(CYCLES, Decimal(0))
    rows = (
        PlanDiscount.objects.filter(Q(brand=None) | Q(brand=account.brand_id), effective_on__lte=on)
        .order_by(F("brand").asc(nulls_first=True), "effective_on")
        .values_list("months", "discount")
    )
    # Later rows replace earlier ones: the brand's own, and the latest, stand last.
    found.update(rows)
    return found


def deal_of(
    account: Account, product: Product, quantity: int, months: int | None, *, plan: Plan | None, on: date
) -> Deal:
    """What a choice comes to on the account's own day `on`, for the plan as it is.

    Without `months` the cycle stays what it is or will be. Raises Refused where the choice cannot be made.
    """
    check_quantity(quantity)
    if months is not None and months not in CYCLES:
        raise Refused(
            f"A cycle has {', '.join(map(str, CYCLES[:-1]))} or {CYCLES[-1]} months.",
            rule="PLN-3",
            field="months",
        )
    is_kept = plan is not None and plan.state == PlanState.ACTIVE and plan.product_id == product.code
    if product.family != Family.PLAN or not (product.is_on_sale or is_kept):
        raise Refused(
            f"{product.name} is not a package that can be registered.", rule="PLN-1", field="package"
        )
    if plan is None or plan.state != PlanState.ACTIVE:
        return _registration(account, product, quantity, months or 1, on)
    return _change(account, plan, product, quantity, months or plan.next_terms.months, on)


def _registration(account: Account, product: Product, quantity: int, months: int, on: date) -> Deal:
    decimals = decimals_of(account.currency)
    price = sale_price(product, account, on)
    terms = PlanTerms(product.code, quantity, price, months, discounts_on(account, on)[months])
    cycle = cycle_after(on, 0, months)
    return Deal(DealKind.REGISTRATION, terms, terms, cycle_line(terms, cycle, decimals), cycle, decimals)


def _change(account: Account, plan: Plan, product: Product, quantity: int, months: int, on: date) -> Deal:
    cycle = _cycle_of(plan, on)
    decimals = decimals_of(account.currency)
    old = plan.terms
    new = _changed(account, plan, product, quantity, on)
    following = new
    if months != new.months:
        following = new._replace(months=months, discount=discounts_on(account, on)[months])
    if new == old and following == plan.next_terms:
        return Deal(DealKind.NOTHING, old, plan.next_terms, None, cycle, decimals)
    is_more = new.total > old.total or (new.total == old.total and new.product != old.product)
    if is_more:
        line = change_line(new, old, on, cycle, decimals)
        return Deal(DealKind.INCREASE, new, following, line, cycle, decimals)
    if plan.unsubscribed_on is not None:
        raise Refused(
            f"The plan ends on {cycle.end:%B %-d, %Y} and does not renew, so it cannot become less from then on. "
            "Keep the plan first.",
            rule=RULE,
        )
    return Deal(DealKind.AT_RENEWAL, old, following, None, cycle, decimals)


def _changed(account: Account, plan: Plan, product: Product, quantity: int, on: date) -> PlanTerms:
    """The terms of a choice for this cycle: another package has the price and the discount of today."""
    if product.code == plan.product_id:
        return plan.terms._replace(quantity=quantity)
    price = sale_price(product, account, on)
    return PlanTerms(product.code, quantity, price, plan.months, discounts_on(account, on)[plan.months])


def _cycle_of(plan: Plan, on: date) -> Period:
    """The cycle that is paid for. Raises Refused where its renewal waits for a payment."""
    if plan.cycle_starts_on is None or plan.cycle_ends_on is None:
        raise ValueError("an active plan has a cycle")
    if plan.cycle_ends_on <= on:
        raise Refused(
            f"The renewal of {plan.cycle_ends_on:%B %-d, %Y} has not been paid yet. "
            "Pay it first, then change the plan.",
            rule=RULE,
        )
    return Period(plan.cycle_starts_on, plan.cycle_ends_on)


def open_order(account: Account) -> PlanOrder | None:
    """What of the plan waits to be paid; None where nothing does."""
    return (
        PlanOrder.objects.select_related("product", "account__brand")
        .filter(account=account, state=PlanOrderState.OPEN)
        .first()
    )


def unpaid_renewal(account: Account) -> PlanOrder | None:
    """The renewal that waits for its payment; None where none does."""
    found = open_order(account)
    return found if found is not None and found.kind == PlanOrderKind.RENEWAL else None

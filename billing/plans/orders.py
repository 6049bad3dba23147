"""What of a plan is paid for: placed, paid once, and what that brings about (PLN-3, PLN-4).

An order has one invoice at most, which is issued when it is paid (BIL-9). Its payment settles that invoice;
where an order is not wanted any more when its payment comes, the payment is the account's credit.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from accounts.models import Account
from accounts.refusals import Refused
from accounts.trail import Actor, record
from billing.charges import open_ledger
from billing.engine import Draft, Line, PlanTerms, Section, cycle_after, plan_draft
from billing.issuing import issue_one
from billing.models import (
    Collection,
    Invoice,
    InvoiceKind,
    Payment,
    Plan,
    PlanOrder,
    PlanOrderKind,
    PlanOrderState,
    PlanState,
    Product,
)
from billing.models.payments import LIVE
from billing.payments.settling import Received, amount_words, open_books, receive_payment, use_credit
from billing.plans.deals import Deal, DealKind, deal_of, open_order, plan_of
from billing.plans.telling import Ending, tell_ended, tell_paid, tell_unpaid
from billing.queries import balance_of

RETRY_DAYS: Final = (0, 3, 5, 7)
"""Days from a renewal on which it is tried to be paid; after the last the plan is inactive."""

_ACTIONS: Final = {
    PlanOrderKind.REGISTRATION: "register-plan",
    PlanOrderKind.CHANGE: "change-plan",
    PlanOrderKind.RENEWAL: "renew-plan",
}


def place_order(
    account: Account,
    product: Product,
    quantity: int,
    months: int | None,
    *,
    by_transfer: bool = False,
    actor: Actor,
    at: datetime,
) -> PlanOrder:
    """Write down what is to be paid for; nothing is charged, and the plan stays as it is.

    There is one such order at a time: a new choice replaces the one before, and the same choice on the same
    day is the same order. Raises Refused where the choice costs nothing now, or a payment is on its way.
    """
    with open_ledger(account, actor=actor, at=at) as ledger:
        today = ledger.on
        deal = deal_of(account, product, quantity, months, plan=plan_of(account), on=today)
        if deal.line is None:
            raise Refused("This change costs nothing now, so there is nothing to pay.", rule="PLN-4")
        before = open_order(account)
        if before is not None:
            if _is_same(before, deal, today) and before.by_transfer == by_transfer:
                return before
            cancel_order(before, actor=actor, at=at)
        order = _written(account, deal, deal.line, by_transfer, actor, at)
        record(
            account,
            "place-plan-order",
            order,
            f"{order} placed: {amount_words(order.amount, account.currency)}",
            actor=actor,
            at=at,
            after={"package": order.product_id, "quantity": order.quantity, "months": order.months},
        )
    return order


def current_order(order: PlanOrder, *, actor: Actor, at: datetime) -> PlanOrder:
    """The order as it would be placed now: itself, or one in its place where a day or a price has changed it.

    What is to be paid is never changed behind somebody's back: who has seen one amount is shown the other.
    """
    if order.state != PlanOrderState.OPEN or order.kind == PlanOrderKind.RENEWAL:
        return order
    months = order.next_months or order.months
    return place_order(
        order.account,
        order.product,
        order.quantity,
        months,
        by_transfer=order.by_transfer,
        actor=actor,
        at=at,
    )


def cancel_order(order: PlanOrder, *, actor: Actor, at: datetime) -> None:
    """Have nothing come of an order. Raises Refused while a payment for it is on its way."""
    with open_books(order.account):
        locked = _locked(order)
        if locked.state != PlanOrderState.OPEN:
            return
        if Collection.objects.filter(plan_order=locked, state__in=LIVE).exists():
            raise Refused(
                "A payment for your plan is on its way. Wait until it is through, or cancel it.", rule="PLN-3"
            )
        locked.cancel()
        locked.save(update_fields=["state"])
        record(order.account, "cancel-plan-order", locked, f"{locked} cancelled", actor=actor, at=at)


def transfer_reference(order: PlanOrder) -> str:
    """What a bank transfer for an order names, so that it is found again: PLAN-12."""
    return f"PLAN-{order.pk}"


def due_now(order: PlanOrder, at: datetime) -> Decimal:
    """What is left to be paid for an order when the account's credit has been used for it."""
    credit = balance_of(order.account, order.account.local_date(at)).credit
    return max(order.amount * 0, order.amount - credit)


def pay_order(order: PlanOrder, received: Received, *, actor: Actor, at: datetime) -> Payment:
    """Take the money of an order in, and have what it pays for; the payment, which comes in once.

    What the account has as credit counts. Where both do not cover the order, or it is not open any more, the
    payment is credit.
    """
    with open_books(order.account):
        locked = _locked(order)
        known = Payment.objects.filter(
            gateway=received.gateway, gateway_id=received.gateway_id or None
        ).first()
        if known is not None:
            return known
        is_covered = received.amount >= due_now(locked, at)
        if locked.state != PlanOrderState.OPEN or not is_covered:
            return receive_payment(order.account, received, actor=actor, at=at)
        invoice = _complete(locked, received.on, actor, at)
        return receive_payment(order.account, received, toward=invoice, actor=actor, at=at)


def pay_with_credit(order: PlanOrder, *, actor: Actor, at: datetime) -> bool:
    """Have what an order is for, where the account's credit covers it; whether it did."""
    with open_books(order.account):
        locked = _locked(order)
        if locked.state != PlanOrderState.OPEN or due_now(locked, at):
            return False
        _complete(locked, order.account.local_date(at), actor, at)
        use_credit(order.account, actor=actor, at=at)
    return True


def pay_by_transfer(account: Account, actor: Actor, at: datetime) -> None:
    """Credit has come: have what waits for a bank transfer, and a renewal, where the credit covers it (PLN-3, INV-6).

    What a card is being asked for is left alone: its answer comes first.
    """
    order = open_order(account)
    if order is None or not (order.by_transfer or order.kind == PlanOrderKind.RENEWAL):
        return
    if not Collection.objects.filter(plan_order=order, state__in=LIVE).exists():
        pay_with_credit(order, actor=actor, at=at)


def note_decline(order: PlanOrder, reason: str, *, actor: Actor, at: datetime) -> None:
    """A renewal could not be collected: it is tried again on its days, and after the last the plan is inactive.

    Nothing of what the account has is lost; registering again brings the plan back.
    """
    with open_books(order.account):
        locked = _locked(order)
        if locked.state != PlanOrderState.OPEN or locked.kind != PlanOrderKind.RENEWAL:
            return
        locked.tries += 1
        today = order.account.local_date(at)
        if locked.tries < len(RETRY_DAYS):
            began_on = order.account.local_date(locked.placed_at)
            locked.next_try_on = max(
                began_on + timedelta(days=RETRY_DAYS[locked.tries]), today + timedelta(days=1)
            )
        else:
            locked.next_try_on = None
            locked.cancel()
            _end_unpaid(locked, today, actor, at)
        locked.save(update_fields=["tries", "next_try_on", "state"])
        record(
            order.account,
            "decline-plan-order",
            locked,
            f"{locked} not paid: {reason}"[:300],
            actor=actor,
            at=at,
            after={"tries": locked.tries, "next_try_on": locked.next_try_on},
        )
        if locked.next_try_on is not None:
            tell_unpaid(locked, reason, _last_try_on(locked), at)


def _last_try_on(order: PlanOrder) -> date:
    """The day on which an order is tried for the last time, as things stand."""
    began_on = order.account.local_date(order.placed_at)
    planned = began_on + timedelta(days=RETRY_DAYS[-1])
    return planned if order.next_try_on is None else max(planned, order.next_try_on)


def line_of(order: PlanOrder) -> Line:
    """What an order is charged by, as the engine worked it out."""
    return Line(
        section=Section.RECURRING,
        product=order.product_id,
        quantity=order.quantity,
        unit_price=order.unit_price,
        starts_on=order.starts_on,
        ends_on=order.ends_on,
        days=(order.ends_on - order.starts_on).days,
        of_days=order.of_days,
        amount=order.amount,
        subscription=None,
        subject="",
        subject_label="",
        holder="",
        rule=order.rule,
        why=order.why,
        charges=(),
    )


def _locked(order: PlanOrder) -> PlanOrder:
    found = PlanOrder.objects.select_for_update(of=("self",)).select_related("account__brand", "product")
    return found.get(pk=order.pk)


def _is_same(order: PlanOrder, deal: Deal, today: date) -> bool:
    return (order.on, order.terms, order.next_terms, order.amount) == (
        today,
        deal.terms,
        deal.next_terms,
        deal.amount,
    )


def _written(
    account: Account, deal: Deal, line: Line, by_transfer: bool, actor: Actor, at: datetime
) -> PlanOrder:
    is_new = deal.kind is DealKind.REGISTRATION
    following = None if deal.next_terms == deal.terms else deal.next_terms
    return PlanOrder.objects.create(
        account=account,
        kind=PlanOrderKind.REGISTRATION if is_new else PlanOrderKind.CHANGE,
        product_id=deal.terms.product,
        quantity=deal.terms.quantity,
        unit_price=deal.terms.unit_price,
        months=deal.terms.months,
        discount=deal.terms.discount,
        next_months=None if following is None else following.months,
        next_discount=None if following is None else following.discount,
        on=account.local_date(at),
        starts_on=line.starts_on,
        ends_on=line.ends_on,
        of_days=line.of_days or 0,
        amount=line.amount,
        rule=line.rule,
        why=line.why,
        by_transfer=by_transfer,
        placed_by=actor.label[:120],
        placed_at=at,
    )


def _complete(order: PlanOrder, on: date, actor: Actor, at: datetime) -> Invoice | None:
    """Bring about what was paid for on the account's own day `on`; its invoice, None where it cost nothing."""
    if order.kind == PlanOrderKind.REGISTRATION and order.starts_on != on:
        # The plan is active from the payment, and so is its cycle (PLN-3); the total is the same.
        cycle = cycle_after(on, 0, order.months)
        order.starts_on, order.ends_on, order.of_days = cycle.start, cycle.end, cycle.days
    plan = _plan_for(order)
    _move(plan, order, on, at)
    plan.save()
    if order.amount:
        draft: Draft = plan_draft(line_of(order))
        order.invoice = issue_one(order.account, InvoiceKind.PLAN, draft, on=on, actor=actor, at=at)
    order.pay()
    order.paid_at, order.next_try_on = at, None
    order.save()
    record(
        order.account,
        _ACTIONS[PlanOrderKind(order.kind)],
        plan,
        f"{order.get_kind_display()} of {order.product.name}, {order.quantity} accounts, to {order.ends_on:%b %-d, %Y}",
        actor=actor,
        at=at,
        after={
            "state": plan.state,
            "package": plan.product_id,
            "quantity": plan.quantity,
            "months": plan.months,
            "renews_on": plan.cycle_ends_on,
        },
    )
    tell_paid(order, plan, at)
    return order.invoice


def _plan_for(order: PlanOrder) -> Plan:
    found = Plan.objects.select_for_update().filter(account=order.account).first()
    if found is not None:
        found.account = order.account
    return found or Plan(account=order.account)


def _move(plan: Plan, order: PlanOrder, on: date, at: datetime) -> None:
    """The plan as it is with an order paid."""
    if order.kind == PlanOrderKind.REGISTRATION:
        plan.registered_at, plan.anchor_on, plan.months_done = at, order.starts_on, 0
        plan.unsubscribed_on = None
    if order.kind == PlanOrderKind.RENEWAL:
        plan.months_done += plan.months
    if order.kind != PlanOrderKind.CHANGE:
        plan.cycle_starts_on, plan.cycle_ends_on = order.starts_on, order.ends_on
    plan.product_id, plan.quantity, plan.unit_price, plan.months, plan.discount = order.terms
    set_next_terms(plan, None if order.next_terms == order.terms else order.next_terms)
    plan.activate()


def set_next_terms(plan: Plan, terms: PlanTerms | None) -> None:
    """From its renewal on the plan has these terms; None: those that it has. The caller saves it."""
    (
        plan.next_product_id,
        plan.next_quantity,
        plan.next_unit_price,
        plan.next_months,
        plan.next_discount,
    ) = terms or (None,) * 5


def _end_unpaid(order: PlanOrder, on: date, actor: Actor, at: datetime) -> None:
    plan = _plan_for(order)
    if plan.state != PlanState.ACTIVE:
        return
    plan.end(on)
    set_next_terms(plan, None)
    plan.save()
    record(
        order.account,
        "end-plan",
        plan,
        f"Plan inactive from {on:%b %-d, %Y}: its renewal was not paid",
        actor=actor,
        at=at,
        after={"state": plan.state, "ended_on": on},
    )
    tell_ended(plan, Ending.UNPAID, at)

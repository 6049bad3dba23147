"""Plans of some accounts, in the states that a plan can be in, paid with the test bank's cards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from heapq import merge
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings

from accounts.models import Account
from accounts.trail import Actor
from billing.models import CardSetup, Payment, PaymentMethod, PlanDiscount, PlanOrder
from billing.payments.collecting import begin_collection, drive
from billing.payments.gateways import test_gateway
from billing.payments.methods import begin_card, finish_card
from billing.payments.paying import set_collects_by_card
from billing.payments.settling import Received
from billing.plans.changes import start_trial, unsubscribe
from billing.plans.orders import pay_order, place_order
from billing.plans.renewals import collect_renewals, renew_due
from controlpanel.demo import cast
from controlpanel.demo.stage import Stage, Story

DISCOUNTS: Final = {3: "0.03", 6: "0.05", 12: "0.10", 24: "0.15"}
BANK_DETAILS: Final = {
    cast.CONTROL_PANEL: "Panel Communications, Inc.\nFirst Example Bank, Boston\nAccount 000 555 0100",
    cast.HOSTPILOT: "HostPilot Cloud Services, Inc.\nCascade Example Bank, Seattle\nAccount 000 555 0150",
}
FIRST_DAY: Final = 117


class Deed(NamedTuple):
    """What somebody does about a plan so many days ago: try, register, change or unsubscribe."""

    days_ago: int
    account: str
    who: str
    what: str
    package: int = 0
    quantity: int = 0
    months: int = 1


DEEDS: Final = (
    Deed(117, "meridian-freight", "Corinne Blake", "register", 2, 80, 12),
    Deed(94, "meridian-freight", "Corinne Blake", "change", 2, 100, 12),
    Deed(75, "harbor-dental", "Olivia Hart", "register", 1, 8, 1),
    Deed(60, "larkspur-law", "Curtis Webb", "try", 1, 6),
    Deed(40, "copperline-electric", "Lena Ortiz", "register", 1, 5, 3),
    Deed(9, "tidewater-insurance", "Grant Holloway", "try", 2, 12),
    Deed(6, "copperline-electric", "Lena Ortiz", "unsubscribe"),
)


def plans(stage: Stage) -> Story:
    """What was done about plans, and each morning what beat and a worker did about their renewals."""
    for slug, brand in stage.brands.items():
        for months, share in DISCOUNTS.items():
            PlanDiscount.objects.create(
                brand=brand, months=months, discount=Decimal(share), effective_on=date(2020, 1, 1)
            )
        brand.bank_details = BANK_DETAILS[slug]
        brand.suspend_after_days = 30
        brand.save(update_fields=["bank_details", "suspend_after_days"])
    zones = {plan.slug: ZoneInfo(plan.timezone) for plan in cast.ACCOUNTS}
    deeds = sorted(((_at(stage, deed, zones[deed.account]), deed) for deed in DEEDS), key=lambda one: one[0])
    mornings: Iterator[tuple[datetime, Deed | None]] = ((at, None) for at in _mornings(stage))
    for at, deed in merge(deeds, mornings, key=lambda one: one[0]):
        yield at
        if deed is None:
            renew_due(at)
            collect_renewals(partial(_same, at))
        else:
            _does(stage, deed, at)


def _same(at: datetime) -> datetime:
    return at


def _mornings(stage: Stage) -> Iterator[datetime]:
    """An hour of each day at which it is no longer yesterday in any of these accounts."""
    for days_ago in range(FIRST_DAY, -1, -1):
        on = stage.now - timedelta(days=days_ago)
        yield on.replace(hour=11, minute=0, second=2, microsecond=0)


def _at(stage: Stage, deed: Deed, zone: ZoneInfo) -> datetime:
    on = stage.now.astimezone(zone).date() - timedelta(days=deed.days_ago)
    return datetime.combine(on, time(10, 25), tzinfo=zone)


def _does(stage: Stage, deed: Deed, at: datetime) -> None:
    account = Account.objects.select_related("brand").get(slug=deed.account)
    user = account.memberships.get(user__full_name=deed.who).user
    by: dict[str, Any] = {"actor": Actor(user=user, address="203.0.113.91"), "at": at}
    if deed.what == "unsubscribe":
        unsubscribe(account, **by)
        return
    product = stage.products[f"plan-contact-center-{deed.package}"]
    if deed.what == "try":
        start_trial(account, product, deed.quantity, **by)
        return
    card = PaymentMethod.objects.filter(account=account).first() or _saves_card(account, by)
    _pays(place_order(account, product, deed.quantity, deed.months, **by), card, by)


def _saves_card(account: Account, by: dict[str, Any]) -> PaymentMethod | None:
    """Save a card of the test bank; none where the panel takes real ones."""
    if settings.PAYMENT_GATEWAY != test_gateway.NAME:
        return None
    setup = begin_card(account, return_url=_nowhere, next_url="", **by)
    setup.gateway_id = f"{setup.key}:succeeds"
    setup.save(update_fields=["gateway_id"])
    habits = next(plan for plan in cast.ACCOUNTS if plan.slug == account.slug)
    if habits.stops_paying:
        # It pays its invoices by transfer, or not: finance has something to look after.
        set_collects_by_card(account, False, **by)
    return finish_card(setup, **by)


def _nowhere(setup: CardSetup) -> str:
    """Nobody has to come back from anywhere."""
    return ""


def _pays(order: PlanOrder, card: PaymentMethod | None, by: dict[str, Any]) -> None:
    if card is None:
        received = Received(Payment.Kind.TRANSFER, order.amount, order.on, "Bank transfer")
        pay_order(order, received, **by)
        return
    begun = begin_collection(order.account, order.amount, card, plan_order=order, off_session=False, **by)
    drive(begun, actor=by["actor"], clock=partial(_same, by["at"]))

"""What happens to plans by themselves: they renew, end, and are tried to be paid (PLN-2, PLN-4, BIL-8)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from accounts.models import Account
from billing.models import Invoice, PaymentMethod, Plan, PlanOrder, PlanOrderState
from billing.payments.gateways.test_gateway import new_card
from billing.plans import changes
from billing.plans.renewals import collect_renewals, renew_due
from billing.triggers import begin_due_charges
from tests.paying import transfer
from tests.plans.conftest import MIDDLE, SMALL, noon, on, order, package, paid, plan, register


def with_card(account: Account, code: str) -> PaymentMethod:
    """A saved card that does what `code` says."""
    card = new_card(code)
    return PaymentMethod.objects.create(
        account=account,
        gateway="test",
        gateway_id=card.token,
        brand=card.brand,
        last4=card.last4,
        exp_month=12,
        exp_year=2034,
        is_default=True,
        added_at=noon(account, "2026-01-10"),
    )


def tick(account: Account, day: str) -> None:
    """What beat does on a day: the trigger, then the saved cards are asked."""
    at = noon(account, day)
    renew_due(at)
    collect_renewals(lambda: at)


def test_a_plan_renews_on_its_day_from_the_saved_card(account: Account) -> None:
    """PLN-4: a cycle further, counted from the registration; a paid invoice; once, however often it is tried."""
    with_card(account, "succeeds")
    register(account, SMALL, 10, 1, "2026-01-31")
    tick(account, "2026-02-27")
    assert PlanOrder.objects.count() == 1
    for _ in range(2):
        tick(account, "2026-02-28")
    found = plan(account)
    assert (found.state, found.cycle_starts_on, found.cycle_ends_on, found.months_done) == (
        "active",
        date(2026, 2, 28),
        date(2026, 3, 31),
        1,
    )
    invoice = Invoice.objects.latest("pk")
    assert (invoice.kind, invoice.state, invoice.total, invoice.issued_on) == (
        "plan",
        "paid",
        Decimal(100),
        date(2026, 2, 28),
    )
    assert Invoice.objects.count() == 2
    tick(account, "2026-03-31")
    assert plan(account).cycle_ends_on == date(2026, 4, 30)


def test_what_was_to_change_changes_with_the_renewal(account: Account) -> None:
    """PLN-4: package, quantity and cycle, with the prices that were locked."""
    with_card(account, "succeeds")
    register(account, MIDDLE, 10, 1, "2026-01-10")
    changes.schedule_change(account, package(SMALL), 5, 12, **on(account, "2026-01-20"))
    tick(account, "2026-02-10")
    found = plan(account)
    assert (found.product_id, found.quantity, found.months, found.discount) == (SMALL, 5, 12, Decimal("0.1"))
    assert (found.cycle_ends_on, found.next_product, found.months_done) == (date(2027, 2, 10), None, 1)
    assert Invoice.objects.latest("pk").total == 540


def test_a_declined_renewal_is_tried_again_and_then_the_plan_is_inactive(account: Account) -> None:
    """PLN-4: days 0, 3, 5 and 7; nothing is invoiced, nothing lost."""
    with_card(account, "declined")
    register(account, SMALL, 10, 1, "2026-01-10")
    tries = {}
    for day in range(10, 20):
        tick(account, f"2026-02-{day}")
        found = PlanOrder.objects.get(kind="renewal")
        tries[day] = (found.tries, plan(account).state)
    assert tries == {
        10: (1, "active"),
        11: (1, "active"),
        12: (1, "active"),
        13: (2, "active"),
        14: (2, "active"),
        15: (3, "active"),
        16: (3, "active"),
        17: (4, "inactive"),
        18: (4, "inactive"),
        19: (4, "inactive"),
    }
    assert (found.state, plan(account).ended_on) == (PlanOrderState.CANCELLED, date(2026, 2, 17))
    assert Invoice.objects.count() == 1
    again = register(account, SMALL, 10, 1, "2026-02-20")
    assert (again.state, again.cycle_starts_on) == ("active", date(2026, 2, 20))


def test_a_renewal_that_is_paid_late_keeps_its_days(account: Account) -> None:
    """PLN-4: on the fifth day the card works again."""
    card = with_card(account, "declined")
    register(account, SMALL, 10, 1, "2026-01-10")
    tick(account, "2026-02-10")
    PaymentMethod.objects.filter(pk=card.pk).update(gateway_id=new_card("succeeds").token)
    tick(account, "2026-02-13")
    found = plan(account)
    assert (found.state, found.cycle_starts_on, found.cycle_ends_on) == (
        "active",
        date(2026, 2, 10),
        date(2026, 3, 10),
    )
    invoice = Invoice.objects.latest("pk")
    assert (invoice.issued_on, invoice.period_start) == (date(2026, 2, 13), date(2026, 2, 10))


@pytest.mark.parametrize("by", ["hand", "credit"])
def test_a_renewal_without_a_card_can_be_paid_otherwise(account: Account, by: str) -> None:
    """PLN-4, INV-6."""
    register(account, SMALL, 10, 1, "2026-01-10")
    tick(account, "2026-02-10")
    waiting = PlanOrder.objects.get(kind="renewal")
    assert (waiting.state, waiting.tries, waiting.next_try_on) == ("open", 1, date(2026, 2, 13))
    if by == "hand":
        paid(waiting, "2026-02-11")
    else:
        transfer(account, Decimal(100), date(2026, 2, 11), **on(account, "2026-02-11"))
        tick(account, "2026-02-13")
    assert plan(account).cycle_ends_on == date(2026, 3, 10)


def test_credit_renews_at_once(account: Account) -> None:
    """INV-6: no card is asked for what is there."""
    with_card(account, "declined")
    register(account, SMALL, 10, 1, "2026-01-10")
    transfer(account, Decimal(150), date(2026, 1, 11), **on(account, "2026-01-11"))
    tick(account, "2026-02-10")
    assert (plan(account).cycle_ends_on, Invoice.objects.latest("pk").state) == (date(2026, 3, 10), "paid")
    assert not account.collections.exists()


def test_an_unsubscribed_plan_ends_with_what_is_paid(account: Account) -> None:
    """PLN-4; and kept again, it renews."""
    with_card(account, "succeeds")
    register(account, SMALL, 10, 1, "2026-01-10")
    for _ in range(2):
        changes.unsubscribe(account, **on(account, "2026-01-20"))
    assert (plan(account).state, plan(account).ends_on) == ("active", date(2026, 2, 10))
    changes.keep(account, **on(account, "2026-01-21"))
    tick(account, "2026-02-10")
    assert plan(account).cycle_ends_on == date(2026, 3, 10)
    changes.unsubscribe(account, **on(account, "2026-03-01"))
    tick(account, "2026-03-20")
    assert (plan(account).state, plan(account).ended_on) == ("inactive", date(2026, 3, 10))
    assert Invoice.objects.count() == 2


def test_unsubscribing_while_the_renewal_is_unpaid_ends_the_plan(account: Account) -> None:
    """PLN-4: nothing of it is paid any more."""
    register(account, SMALL, 10, 1, "2026-01-10")
    tick(account, "2026-02-10")
    changes.unsubscribe(account, **on(account, "2026-02-12"))
    assert (plan(account).state, plan(account).ended_on) == ("inactive", date(2026, 2, 10))
    assert PlanOrder.objects.get(kind="renewal").state == "cancelled"


def test_a_trial_ends_on_its_day_without_a_payment(account: Account) -> None:
    """PLN-2: and not a day before."""
    changes.start_trial(account, package(SMALL), 3, **on(account, "2026-01-10"))
    tick(account, "2026-01-23")
    assert plan(account).state == "try"
    tick(account, "2026-02-01")
    assert (plan(account).state, plan(account).ended_on) == ("inactive", date(2026, 1, 24))


def test_a_choice_that_was_not_paid_gives_way_to_the_renewal(account: Account) -> None:
    """PLN-4."""
    with_card(account, "succeeds")
    register(account, SMALL, 10, 1, "2026-01-10")
    order(account, SMALL, 20, None, "2026-02-09")
    tick(account, "2026-02-10")
    assert sorted(PlanOrder.objects.values_list("kind", "state")) == [
        ("change", "cancelled"),
        ("registration", "paid"),
        ("renewal", "paid"),
    ]
    assert plan(account).quantity == 10


def test_the_hour_of_a_renewal_is_the_account_s_midnight(account: Account) -> None:
    """BIL-7: the tick of all accounts, as beat sends it, sees each in its own time zone."""
    register(account, SMALL, 10, 1, "2026-01-10")
    midnight = datetime(2026, 2, 10, tzinfo=account.zone)
    begin_due_charges(midnight - timedelta(seconds=1))
    assert not PlanOrder.objects.filter(kind="renewal").exists()
    begin_due_charges(midnight)
    assert PlanOrder.objects.get(kind="renewal").on == date(2026, 2, 10)


def test_what_was_missed_is_made_up_one_cycle_after_the_other(account: Account) -> None:
    """BIL-8: each with the days that it has."""
    with_card(account, "succeeds")
    register(account, SMALL, 10, 1, "2026-01-10")
    tick(account, "2026-04-20")
    assert plan(account).cycle_ends_on == date(2026, 5, 10)
    periods = Invoice.objects.order_by("pk").values_list("period_start", flat=True)
    assert list(periods) == [date(2026, month, 10) for month in (1, 2, 3, 4)]


def test_plans_of_others_are_left_alone(account: Account) -> None:
    """BIL-8: what is due before an action is due on its account alone."""
    register(account, SMALL, 10, 1, "2026-01-10")
    assert renew_due(noon(account, "2026-02-20"), until={account.pk + 1: date(2026, 2, 20)}) == 0
    assert renew_due(noon(account, "2026-02-20"), until={account.pk: date(2026, 2, 9)}) == 0
    assert Plan.objects.get().cycle_ends_on == date(2026, 2, 10)

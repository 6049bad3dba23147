"""What of a plan is paid for, once, and what that brings about (PLN-2 to PLN-4, BIL-9)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from accounts.models import Account, AuditEntry
from accounts.refusals import Refused
from billing.engine import PlanTerms
from billing.models import Invoice, Payment, Plan, PlanOrder, Price
from billing.plans import changes
from billing.plans.orders import cancel_order, current_order, due_now, pay_with_credit
from billing.queries import balance_of
from tests.paying import transfer
from tests.plans.conftest import LARGE, MIDDLE, SMALL, noon, on, order, package, paid, plan, register


def test_a_registration_is_active_from_its_payment_with_a_paid_invoice(account: Account) -> None:
    """PLN-3: before the payment there is neither a plan nor an invoice."""
    placed = order(account, MIDDLE, 100, 12, "2026-01-31")
    assert (placed.state, placed.amount) == ("open", Decimal("21600.00"))
    assert not Plan.objects.exists()
    assert not Invoice.objects.exists()
    payment = paid(placed, "2026-01-31")
    found = plan(account)
    assert (found.state, found.terms) == ("active", PlanTerms(MIDDLE, 100, Decimal(20), 12, Decimal("0.1")))
    assert (found.cycle_starts_on, found.cycle_ends_on) == (date(2026, 1, 31), date(2027, 1, 31))
    invoice = PlanOrder.objects.get().invoice
    assert invoice is not None
    assert (invoice.kind, invoice.state) == ("plan", "paid")
    assert (invoice.total, invoice.settled) == (Decimal(21600), Decimal(21600))
    assert (invoice.issued_on, invoice.due_on, invoice.paid_on) == (date(2026, 1, 31),) * 3
    assert invoice.number == f"{account.brand.invoice_prefix}-000001"
    line = invoice.lines.get()
    assert (line.product, line.amount, line.rule, line.ledger_code) == (
        MIDDLE,
        Decimal(21600),
        "PLN-3",
        "4610",
    )
    assert payment.left == 0
    assert AuditEntry.objects.filter(account=account, action="register-plan").count() == 1


def test_a_plan_that_is_paid_later_begins_later(account: Account) -> None:
    """PLN-3: the cycle runs from the payment, for the same total."""
    placed = order(account, SMALL, 1, 1, "2026-01-31")
    paid(placed, "2026-02-03")
    found = plan(account)
    assert (found.cycle_starts_on, found.cycle_ends_on, found.anchor_on) == (
        date(2026, 2, 3),
        date(2026, 3, 3),
        date(2026, 2, 3),
    )
    assert Invoice.objects.get().total == 10


def test_an_increase_holds_from_its_payment_for_the_rest_of_the_cycle(account: Account) -> None:
    """PLN-4."""
    register(account, SMALL, 10, 1, "2026-01-10")
    placed = order(account, MIDDLE, 15, 12, "2026-01-25")
    assert plan(account).quantity == 10
    paid(placed, "2026-01-25")
    found = plan(account)
    assert (found.product_id, found.quantity, found.months) == (MIDDLE, 15, 1)
    assert (found.next_terms.months, found.next_terms.discount) == (12, Decimal("0.1"))
    assert (found.cycle_starts_on, found.cycle_ends_on) == (date(2026, 1, 10), date(2026, 2, 10))
    invoice = Invoice.objects.latest("pk")
    assert (invoice.total, invoice.period_start, invoice.period_end) == (
        Decimal("103.23"),  # (300 - 100) × 16 / 31
        date(2026, 1, 25),
        date(2026, 2, 10),
    )


def test_as_much_of_another_package_costs_nothing_and_has_no_invoice(account: Account) -> None:
    """PLN-4: an invoice with nothing on it is not issued."""
    register(account, SMALL, 10, 1, "2026-01-10")
    placed = order(account, MIDDLE, 5, None, "2026-01-25")
    assert placed.amount == 0
    assert pay_with_credit(placed, **on(account, "2026-01-25"))
    assert (plan(account).product_id, Invoice.objects.count()) == (MIDDLE, 1)


def test_less_waits_for_the_renewal_and_is_the_price_of_its_day(account: Account) -> None:
    """PLN-4, BIL-6."""
    register(account, MIDDLE, 10, 1, "2026-01-10")
    with pytest.raises(Refused, match="costs nothing now"):
        order(account, SMALL, 10, None, "2026-01-20")
    changes.schedule_change(account, package(SMALL), 10, None, **on(account, "2026-01-20"))
    Price.objects.create(
        product_id=SMALL,
        brand=account.brand,
        amount=Decimal(11),
        amount_currency="USD",
        effective_on=date(2026, 2, 1),
    )
    found = plan(account)
    assert (found.product_id, found.next_terms) == (MIDDLE, PlanTerms(SMALL, 10, Decimal(10), 1, Decimal(0)))


def test_a_later_choice_replaces_an_earlier_one(account: Account) -> None:
    """PLN-4: more now drops the less that was to come; what there is already takes it back."""
    register(account, MIDDLE, 10, 1, "2026-01-10")
    for _ in range(2):
        changes.schedule_change(account, package(MIDDLE), 5, None, **on(account, "2026-01-20"))
    assert plan(account).next_terms.quantity == 5
    changes.schedule_change(account, package(MIDDLE), 10, None, **on(account, "2026-01-21"))
    assert plan(account).next_quantity is None
    changes.schedule_change(account, package(MIDDLE), 5, None, **on(account, "2026-01-22"))
    paid(order(account, MIDDLE, 12, None, "2026-01-23"), "2026-01-23")
    assert (plan(account).quantity, plan(account).next_quantity) == (12, None)


def test_what_is_more_is_not_scheduled(account: Account) -> None:
    """PLN-4."""
    register(account, MIDDLE, 10, 1, "2026-01-10")
    with pytest.raises(Refused, match="paid for first"):
        changes.schedule_change(account, package(MIDDLE), 11, None, **on(account, "2026-01-20"))


def test_one_order_at_a_time_and_the_same_choice_is_the_same_order(account: Account) -> None:
    """BIL-9: a reload, a way back and a second tab find the order that is there."""
    first = order(account, MIDDLE, 10, 12, "2026-01-10")
    assert order(account, MIDDLE, 10, 12, "2026-01-10").pk == first.pk
    second = order(account, LARGE, 10, 12, "2026-01-10")
    assert (PlanOrder.objects.get(pk=first.pk).state, second.state) == ("cancelled", "open")


def test_paying_an_order_twice_pays_it_once_and_the_rest_is_credit(account: Account) -> None:
    """INV-6, BIL-9: money that comes for what is paid already is not lost."""
    placed = order(account, SMALL, 10, 1, "2026-01-10")
    paid(placed, "2026-01-10")
    again = paid(placed, "2026-01-10")
    assert (again.left, Invoice.objects.count(), Payment.objects.count()) == (Decimal(100), 1, 2)
    assert balance_of(account, date(2026, 1, 10)).credit == 100
    assert plan(account).cycle_ends_on == date(2026, 2, 10)


def test_money_for_an_order_that_is_cancelled_is_credit(account: Account) -> None:
    """INV-6."""
    placed = order(account, SMALL, 10, 1, "2026-01-10")
    cancel_order(placed, **on(account, "2026-01-10"))
    assert paid(placed, "2026-01-10").left == 100
    assert not Plan.objects.exists()


def test_too_little_is_credit_and_the_rest_completes_it(account: Account) -> None:
    """INV-6: what the account has as credit counts."""
    placed = order(account, SMALL, 10, 1, "2026-01-10")
    assert paid(placed, "2026-01-10", "60").left == 60
    assert not Plan.objects.exists()
    assert due_now(placed, noon(account, "2026-01-10")) == 40
    paid(placed, "2026-01-11", "40")
    assert plan(account).state == "active"
    assert (Invoice.objects.get().state, balance_of(account, date(2026, 1, 11)).owed) == ("paid", Decimal(0))


def test_credit_alone_pays_where_it_covers_and_only_then(account: Account) -> None:
    """INV-6."""
    placed = order(account, SMALL, 10, 1, "2026-01-10")
    transfer(account, Decimal(99), date(2026, 1, 10), **on(account, "2026-01-10"))
    assert not pay_with_credit(placed, **on(account, "2026-01-10"))
    transfer(account, Decimal(2), date(2026, 1, 10), **on(account, "2026-01-10"))
    assert pay_with_credit(placed, **on(account, "2026-01-10"))
    assert balance_of(account, date(2026, 1, 10)).credit == 1


def test_an_order_of_yesterday_is_offered_anew(account: Account) -> None:
    """PLN-4: a day less is left, so the amount is another; what was seen is never changed behind one's back."""
    register(account, SMALL, 10, 1, "2026-01-10")
    seen = order(account, SMALL, 20, None, "2026-01-25")
    assert current_order(seen, **on(account, "2026-01-25")).pk == seen.pk
    fresh = current_order(seen, **on(account, "2026-01-26"))
    assert (fresh.pk != seen.pk, seen.amount, fresh.amount) == (True, Decimal("51.61"), Decimal("48.39"))
    assert PlanOrder.objects.get(pk=seen.pk).state == "cancelled"


def test_registering_again_begins_a_cycle_of_its_own(account: Account) -> None:
    """PLN-2, PLN-4: what is unsubscribed lasts to its end, is inactive, and active again from a payment."""
    register(account, SMALL, 10, 1, "2026-01-31")
    changes.unsubscribe(account, **on(account, "2026-02-11"))
    assert (plan(account).state, plan(account).ends_on) == ("active", date(2026, 2, 28))
    found = register(account, MIDDLE, 1, 3, "2026-03-31")
    assert (found.state, found.anchor_on, found.months_done, found.unsubscribed_on) == (
        "active",
        date(2026, 3, 31),
        0,
        None,
    )
    assert found.cycle_ends_on == date(2026, 6, 30)
    assert AuditEntry.objects.get(action="end-plan").after == {"state": "inactive", "ended_on": "2026-02-28"}


@pytest.mark.parametrize("state", ["never", "trial", "inactive"])
def test_a_plan_is_changed_and_ended_only_while_there_is_one(account: Account, state: str) -> None:
    """PLN-4: in words, and nothing is written."""
    if state == "trial":
        changes.start_trial(account, package(SMALL), 5, **on(account, "2026-01-10"))
        with pytest.raises(Refused, match="no active plan"):
            changes.check_active(account)
        return
    with pytest.raises(Refused, match="There is no plan"):
        changes.unsubscribe(account, **on(account, "2026-03-20"))
    with pytest.raises(Refused, match="There is no plan"):
        changes.keep(account, **on(account, "2026-03-20"))


class TestTrials:
    """A plan that is tried (PLN-2)."""

    def test_it_lasts_as_long_as_the_brand_says_and_costs_nothing(self, account: Account) -> None:
        found = changes.start_trial(account, package(MIDDLE), 5, **on(account, "2026-01-10"))
        assert (found.state, found.trial_ends_on, found.quantity) == ("try", date(2026, 1, 24), 5)
        assert not Invoice.objects.exists()

    def test_a_payment_makes_it_active(self, account: Account) -> None:
        changes.start_trial(account, package(MIDDLE), 5, **on(account, "2026-01-10"))
        found = register(account, MIDDLE, 5, 12, "2026-01-20")
        assert (found.state, found.cycle_starts_on, found.months) == ("active", date(2026, 1, 20), 12)

    def test_once_and_before_the_first_plan(self, account: Account) -> None:
        changes.start_trial(account, package(MIDDLE), 5, **on(account, "2026-01-10"))
        with pytest.raises(Refused, match="tried once"):
            changes.start_trial(account, package(SMALL), 5, **on(account, "2026-01-10"))

    def test_not_where_the_brand_gives_none(self, account: Account) -> None:
        account.brand.trial_days = None
        with pytest.raises(Refused, match="cannot be tried here"):
            changes.start_trial(account, package(SMALL), 5, **on(account, "2026-01-10"))

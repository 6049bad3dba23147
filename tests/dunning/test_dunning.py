"""Reminders on the brand's days, then a suspension, which the payment lifts (INV-6)."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from pytest_django import DjangoAssertNumQueries

from accounts.models import Account, AuditEntry, Brand, OutgoingMail
from accounts.refusals import Refused
from billing.corrections import credit_invoice, void_invoice
from billing.dunning.suspending import hold, lift, suspend, suspend_if_late
from billing.models import Invoice
from billing.payments.collecting import begin_collection
from billing.payments.due import BATCH
from billing.tasks import catch_up
from billing.tasks import dun as dun_task
from controlpanel.celery import app
from tests.billing.world import bill
from tests.dunning.conftest import dun, mails, noon, told, trail
from tests.factories import TESTS
from tests.paying import a_card, pay, transfer


def days(first: str, count: int) -> list[str]:
    start = date.fromisoformat(f"2026-{first}")
    return [f"{start + timedelta(days=day):%m-%d}" for day in range(count)]


def suspended_on(account: Account) -> date | None:
    return Account.objects.values_list("suspended_on", flat=True).get(pk=account.pk)


def until_suspended(account: Account) -> None:
    """Reminded on the brand's days and suspended on February 28, thirty days after January 29."""
    for day in ("02-01", "02-08", "02-18", "02-28"):
        dun(account, day)


class TestReminders:
    """What goes out before anything else happens."""

    def test_go_out_on_the_brand_s_days(self, account: Account) -> None:
        """INV-6: 3, 10 and 20 days after the due day, each once however often it is looked."""
        for day in days("01-25", 33):
            for _ in range(2):
                dun(account, day)
        assert told("invoice-reminder") == ["02-01", "02-08", "02-18"]
        assert len(mails("invoice-reminder")) == 9
        entry = trail("remind-of-invoices")[0]
        assert (entry.by, entry.is_task) == ("dunning", True)
        assert entry.summary == "Reminded of 1 overdue invoice: CP-000001 (INV-6)"

    def test_say_what_is_owed_and_how_to_pay(self, account: Account) -> None:
        """INV-6: to owners, admins and billing members; bank details, the link, and the day of the suspension."""
        dun(account, "02-01")
        sent = mails("invoice-reminder")
        assert [mail.to.partition("@")[0] for mail in sent] == ["owner", "admin", "billing"]
        assert sent[0].subject == "Reminder: $185.00 is overdue"
        for words in (
            "CP-000001, due on Jan. 29, 2026: $185.00",
            "suspended on Feb. 28, 2026",
            "Account 12-34",
            "/a/northwind/billing/payments/",
        ):
            assert words in sent[0].text
        assert "<li>Account 12-34</li>" in sent[0].html

    @pytest.mark.parametrize(
        ("language", "subject"),
        [("nl", "Herinnering: € 185,00 had al betaald"), ("de", "Erinnerung: 185,00 € sind überfällig")],
    )
    def test_speak_the_account_s_language(self, account: Account, language: str, subject: str) -> None:
        """INV-6."""
        Account.objects.update(language=language)
        Account.objects.update(currency="EUR")
        dun(account, "02-01")
        assert mails("invoice-reminder")[0].subject.replace("\xa0", " ").startswith(subject)

    def test_late_runs_send_the_latest_alone(self, account: Account) -> None:
        """BIL-8: after an outage of two weeks one message goes out, with the next on its own day."""
        for day in ("02-12", "02-13", "02-18"):
            dun(account, day)
        assert told("invoice-reminder") == ["02-12", "02-18"]

    def test_one_message_tells_of_all_that_is_overdue(self, account: Account) -> None:
        """INV-6: an invoice that becomes overdue meanwhile has its own days."""
        Brand.objects.update(suspend_after_days=None)
        bill(account, "02-15")
        for day in days("02-01", 60):
            dun(account, day)
        assert told("invoice-reminder") == ["02-01", "02-08", "02-18", "03-04", "03-11", "03-21"]
        third = mails("invoice-reminder")[-1]
        assert "these 2 invoices" in third.text
        assert third.subject == "Reminder: $340.00 is overdue"
        assert "is suspended on" not in third.text

    @pytest.mark.parametrize("why", ["no days", "paid", "void", "credited", "simulation", "held"])
    def test_do_not_go_out(self, account: Account, invoice: Invoice, why: str) -> None:
        """INV-6."""
        at = noon(account, "01-31")
        if why == "no days":
            Brand.objects.update(reminder_days="")
        if why == "paid":
            pay(invoice, at.date(), actor=TESTS, at=at)
        if why == "void":
            void_invoice(invoice, reason="A mistake", actor=TESTS, at=at)
        if why == "credited":
            amounts = dict(invoice.lines.values_list("position", "amount"))
            credit_invoice(invoice, amounts, reason="A mistake", actor=TESTS, at=at)
        if why == "simulation":
            Account.objects.update(is_simulation=True)
        if why == "held":
            hold(account, date(2026, 3, 1), reason="They pay in March", actor=TESTS, at=at)
        for day in days("02-01", 20):
            assert dun(account, day) == (0, 0)
        assert told("invoice-reminder") == []

    def test_wait_while_a_payment_is_on_its_way(self, account: Account) -> None:
        """INV-6: the bank asks for a confirmation."""
        at = noon(account, "02-01")
        asking = a_card(account, "asks", at=at)
        begin_collection(account, Decimal(185), asking, off_session=False, actor=TESTS, at=at)
        assert dun(account, "02-01") == (0, 0)

    def test_go_on_after_a_hold(self, account: Account) -> None:
        """INV-6: on its last day, with the latest."""
        hold(account, date(2026, 2, 20), reason="Agreed", actor=TESTS, at=noon(account, "01-30"))
        for day in days("02-01", 22):
            dun(account, day)
        assert told("invoice-reminder") == ["02-20"]

    def test_ask_little_where_nothing_is_due(
        self, account: Account, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        """INV-6: a query for the brands and one for the invoices of each, for both tasks; nothing for an account."""
        with django_assert_num_queries(4):
            assert dun(account, "01-30") == (0, 0)
        assert BATCH == 500


class TestSuspension:
    """What comes after the brand's days."""

    def test_comes_after_the_brand_s_days(self, account: Account) -> None:
        """INV-6: on the day, once; the trail names the task, everybody for money is told."""
        for day in days("02-01", 40):
            for _ in range(2):
                dun(account, day)
        found = Account.objects.get()
        assert (found.suspended_on, found.suspended_because, found.suspended_by_hand) == (
            date(2026, 2, 28),
            "Invoice CP-000001 is overdue.",
            False,
        )
        (entry,) = trail("suspend-account")
        assert (entry.by, entry.is_task, entry.after["reason"]) == (
            "dunning",
            True,
            "Invoice CP-000001 is overdue.",
        )
        assert told("account-suspended") == ["02-28"]
        text = mails("account-suspended")[0].text
        assert "suspended since Feb. 28, 2026: Invoice CP-000001 is overdue." in text
        assert "Account 12-34" in text

    def test_nobody_is_suspended_who_was_not_reminded(self, account: Account) -> None:
        """INV-6: after an outage the reminder comes first, and the suspension a day later at the earliest."""
        assert dun(account, "03-10") == (1, 0)
        assert "suspended on March 11, 2026" in mails("invoice-reminder")[0].text
        assert dun(account, "03-10") == (0, 0)
        assert dun(account, "03-11") == (0, 1)

    def test_a_brand_without_reminders_suspends_on_the_day(self, account: Account) -> None:
        """INV-6."""
        Brand.objects.update(reminder_days="")
        assert dun(account, "02-27") == (0, 0)
        assert dun(account, "02-28") == (0, 1)

    @pytest.mark.parametrize("why", ["never", "paid", "held", "on its way", "simulation"])
    def test_does_not_come(self, account: Account, invoice: Invoice, why: str) -> None:
        """INV-6."""
        for day in ("02-01", "02-08", "02-18"):
            dun(account, day)
        at = noon(account, "02-20")
        if why == "never":
            Brand.objects.update(suspend_after_days=None)
        if why == "paid":
            pay(invoice, at.date(), actor=TESTS, at=at)
        if why == "held":
            hold(account, date(2026, 4, 1), reason="They pay in March", actor=TESTS, at=at)
        if why == "on its way":
            asking = a_card(account, "asks", at=at)
            begin_collection(account, Decimal(185), asking, off_session=False, actor=TESTS, at=at)
        if why == "simulation":
            Account.objects.update(is_simulation=True)
        assert dun(account, "03-05")[1] == 0
        assert not suspend_if_late(account, noon(account, "03-05")) or why == "simulation"

    def test_billing_goes_on(self, account: Account) -> None:
        """INV-6: nothing is deleted, the next invoice comes."""
        until_suspended(account)
        bill(account, "03-15")
        assert Invoice.objects.count() == 3

    @pytest.mark.parametrize("by", ["transfer", "credit note", "void"])
    def test_is_lifted_by_what_leaves_nothing_overdue(
        self, account: Account, invoice: Invoice, by: str
    ) -> None:
        """INV-6: at once, in the transaction of the payment; everybody is told; reminders begin anew."""
        until_suspended(account)
        at = noon(account, "03-01")
        if by == "transfer":
            transfer(account, Decimal("184.99"), at.date(), actor=TESTS, at=at)
            assert suspended_on(account) is not None
            transfer(account, Decimal("0.01"), at.date(), actor=TESTS, at=at)
        elif by == "credit note":
            amounts = dict(invoice.lines.values_list("position", "amount"))
            credit_invoice(invoice, amounts, reason="A mistake", actor=TESTS, at=at)
        else:
            void_invoice(invoice, reason="A mistake", actor=TESTS, at=at)
        assert suspended_on(account) is None
        (entry,) = trail("lift-suspension")
        assert entry.summary == "Suspension lifted, nothing is overdue any more"
        assert told("account-restored") == ["03-01"]
        assert dun(account, "03-05") == (0, 0)

    def test_is_not_lifted_while_something_else_is_overdue(self, account: Account, invoice: Invoice) -> None:
        """INV-6."""
        bill(account, "02-15")
        until_suspended(account)
        at = noon(account, "03-02")
        pay(invoice, at.date(), actor=TESTS, at=at)
        assert suspended_on(account) is not None

    def test_what_is_not_due_yet_does_not_keep_it(self, account: Account) -> None:
        """INV-6."""
        until_suspended(account)
        bill(account, "03-15")
        at = noon(account, "03-20")
        late = Invoice.objects.filter(due_on__lt=at.date()).order_by("due_on")
        assert [each.due_on for each in late] == [date(2026, 1, 29), date(2026, 3, 1)]
        for each in late:
            pay(each, at.date(), actor=TESTS, at=at)
        assert suspended_on(account) is None
        assert Invoice.objects.filter(state="issued").get().due_on == date(2026, 3, 29)

    def test_is_lifted_with_the_payment_or_not_at_all(self, account: Account, invoice: Invoice) -> None:
        """INV-6: what takes the payment back takes the lifting and its message back."""
        until_suspended(account)
        at = noon(account, "03-01")
        with transaction.atomic():
            pay(invoice, at.date(), actor=TESTS, at=at)
            assert suspended_on(account) is None
            transaction.set_rollback(True)
        assert suspended_on(account) is not None
        assert told("account-restored") == []

    def test_a_reason_comes_with_it(self, account: Account) -> None:
        """INV-6: held by the database."""
        with pytest.raises(IntegrityError), transaction.atomic():
            Account.objects.update(suspended_on=date(2026, 2, 1))


class TestByHand:
    """What finance decides."""

    def test_finance_suspends_and_no_payment_lifts_it(self, account: Account, invoice: Invoice) -> None:
        """INV-6."""
        at = noon(account, "02-01")
        suspend(account, reason="Fraud  is suspected.", actor=TESTS, at=at)
        found = Account.objects.get()
        assert (found.suspended_because, found.suspended_by_hand) == ("Fraud is suspected.", True)
        assert "contact Support" in mails("account-suspended")[0].text
        pay(invoice, at.date(), actor=TESTS, at=at)
        assert suspended_on(account) == date(2026, 2, 1)
        lift(account, reason="Cleared", hold_until=None, actor=TESTS, at=at)
        assert suspended_on(account) is None
        assert trail("lift-suspension")[0].summary == "Suspension lifted, by hand: Cleared"

    def test_what_was_suspended_by_itself_can_be_kept_by_hand(self, account: Account) -> None:
        """INV-6: since the same day, for another reason, and nobody is told twice."""
        until_suspended(account)
        suspend(account, reason="Fraud is suspected.", actor=TESTS, at=noon(account, "03-01"))
        found = Account.objects.get()
        assert (found.suspended_on, found.suspended_by_hand) == (date(2026, 2, 28), True)
        assert told("account-suspended") == ["02-28"]

    def test_lifting_says_until_when_it_is_let_be(self, account: Account) -> None:
        """INV-6: while something is overdue, or the task would suspend it again within the hour."""
        until_suspended(account)
        at = noon(account, "03-01")
        with pytest.raises(Refused, match="would be suspended again") as refused:
            lift(account, reason="They promised", hold_until=None, actor=TESTS, at=at)
        assert refused.value.field == "until"
        lift(account, reason="They promised", hold_until=date(2026, 3, 10), actor=TESTS, at=at)
        assert dun(account, "03-09") == (0, 0)
        assert dun(account, "03-10") == (0, 1)

    @pytest.mark.parametrize("until", [date(2026, 2, 1), date(2026, 1, 1), date(2027, 6, 1)])
    def test_a_hold_has_a_day_to_come(self, account: Account, until: date) -> None:
        """INV-6: and within a year."""
        with pytest.raises(Refused):
            hold(account, until, reason="Agreed", actor=TESTS, at=noon(account, "02-01"))
        assert Account.objects.get().dunning_held_until is None

    def test_a_hold_can_be_ended(self, account: Account) -> None:
        """INV-6: the trail keeps why."""
        hold(account, date(2026, 3, 1), reason="Agreed", actor=TESTS, at=noon(account, "01-30"))
        hold(account, None, reason="Broken", actor=TESTS, at=noon(account, "02-01"))
        assert dun(account, "02-01") == (1, 0)
        assert [entry.after["reason"] for entry in trail("hold-dunning")] == ["Agreed", "Broken"]

    @pytest.mark.parametrize("reason", ["", "  "])
    def test_a_reason_is_asked_for(self, account: Account, reason: str) -> None:
        """INV-6."""
        with pytest.raises(Refused, match="Say why"):
            suspend(account, reason=reason, actor=TESTS, at=noon(account, "02-01"))

    def test_what_is_not_suspended_cannot_be_lifted(self, account: Account) -> None:
        """INV-6: somebody was quicker."""
        with pytest.raises(Refused, match="not suspended any more"):
            lift(account, reason="x", hold_until=None, actor=TESTS, at=noon(account, "02-01"))
        assert not AuditEntry.objects.filter(action="lift-suspension").exists()


def test_a_simulated_account_hears_nothing(account: Account, invoice: Invoice) -> None:
    """SIM-1: no message of any kind."""
    Account.objects.update(is_simulation=True)
    found = Account.objects.get()
    at = noon(account, "02-01")
    suspend(found, reason="For a test.", actor=TESTS, at=at)
    transfer(found, Decimal(1), at.date(), actor=TESTS, at=at)
    assert not OutgoingMail.objects.exists()


def test_beat_sends_for_it_and_so_does_a_worker_that_starts(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV-6, BIL-8."""
    assert dun_task.name in {entry["task"] for entry in app.conf.beat_schedule.values()}
    asked: list[str] = []
    monkeypatch.setattr("celery.app.task.Task.delay", lambda self, *_: asked.append(self.name))
    catch_up()
    assert {"billing.tasks.dun", "billing.tasks.collect_invoices", "billing.tasks.warn"} <= set(asked)

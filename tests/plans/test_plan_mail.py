"""What is written about plans, to whom and when: paid, renewed, not paid, ended, a trial that ends (PLN-2, PLN-4)."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from accounts.models import Account, AuditEntry, OutgoingMail, Role
from accounts.refusals import Refused
from billing.models import Collection, Invoice, Payment, PaymentMethod, PlanOrder
from billing.payments.collecting import reconcile
from billing.payments.gateways.test_gateway import TestGateway, new_card
from billing.payments.methods import remove_method
from billing.plans import changes, renewals
from billing.plans.orders import pay_with_credit
from billing.plans.renewals import collect_renewals, renew_due
from billing.plans.trials import WARNINGS, warn_of_trials
from billing.tasks import warn
from tests import factories
from tests.dunning.conftest import mails, told
from tests.factories import TESTS
from tests.paying import a_card, transfer
from tests.plans.conftest import MIDDLE, SMALL, noon, on, order, package, paid, plan, register
from tests.plans.test_renewals import tick


@pytest.fixture(autouse=True)
def _people(account: Account) -> None:
    for role in Role:
        factories.member(account, role, email=f"{role}@acme.example")


def card(account: Account, code: str) -> PaymentMethod:
    return a_card(account, code, at=noon(account, "2026-01-10"))


def days(account: Account, first: str, count: int) -> None:
    """Beat's tick and its collecting, twice a day."""
    start = date.fromisoformat(first)
    for day in range(count):
        for _ in range(2):
            tick(account, (start + timedelta(days=day)).isoformat())


class TestReceipts:
    """What follows a payment."""

    def test_a_registration(self, account: Account) -> None:
        """PLN-3: to owners, admins and billing members, with the invoice and the next payment; no second receipt."""
        register(account, SMALL, 10, 12, "2026-01-10")
        sent = mails("plan-registered")
        assert [mail.to for mail in sent] == [
            "owner@acme.example",
            "admin@acme.example",
            "billing@acme.example",
        ]
        number = Invoice.objects.get().number
        for words in (
            f"$1,080.00 has been paid: invoice {number}",
            "on Jan. 10, 2027",
            f"/invoices/{number}/",
        ):
            assert words in sent[0].text
        assert mails("payment-received") == []

    def test_a_change(self, account: Account) -> None:
        """PLN-4: what it is now, and what was paid for the days left."""
        register(account, SMALL, 10, 1, "2026-01-10")
        paid(order(account, MIDDLE, 12, None, "2026-01-20"), "2026-01-20")
        last = mails("plan-registered")[-1]
        assert last.subject == f"Your plan was changed to {package(MIDDLE).name}, 12 accounts"

    def test_a_renewal(self, account: Account) -> None:
        """PLN-4: once, on its day."""
        card(account, "succeeds")
        register(account, SMALL, 10, 1, "2026-01-10")
        days(account, "2026-02-08", 5)
        assert told("plan-renewed") == ["02-10"]
        assert len(mails("plan-renewed")) == 3
        assert "It renews again on March 10, 2026." in mails("plan-renewed")[0].text


class TestUnpaid:
    """A renewal that the card does not pay."""

    def test_each_decline_is_told_with_what_comes_next(self, account: Account) -> None:
        """PLN-4: days 0, 3 and 5; day 7 ends the plan, which is told instead."""
        card(account, "no-funds")
        register(account, SMALL, 10, 1, "2026-01-10")
        days(account, "2026-02-09", 12)
        assert told("plan-payment-failed") == ["02-10", "02-13", "02-15"]
        first = mails("plan-payment-failed")[0]
        assert first.subject == "The renewal of your plan was not paid"
        for words in (
            "due on Feb. 10, 2026",
            "too little money on it",
            "tried again on Feb. 13, 2026",
            "not paid on Feb. 17, 2026",
        ):
            assert words in first.text
        assert told("plan-ended") == ["02-17"]
        assert "was not paid, so the plan is inactive since Feb. 17, 2026" in mails("plan-ended")[0].text

    def test_without_a_card_it_is_the_same(self, account: Account) -> None:
        """PLN-4: a card that was removed is asked no more."""
        remove_method(card(account, "succeeds"), **on(account, "2026-01-20"))
        register(account, SMALL, 10, 1, "2026-01-10")
        days(account, "2026-02-10", 8)
        assert "No card is saved." in mails("plan-payment-failed")[0].text
        assert (plan(account).state, told("plan-ended")) == ("inactive", ["02-17"])
        assert not Collection.objects.exists()

    def test_a_card_that_is_saved_in_time_pays_on_the_next_day_of_the_schedule(
        self, account: Account
    ) -> None:
        """PLN-4: on day 5; the cycle's dates stay, nothing ends, the receipt goes out."""
        declined = card(account, "declined")
        register(account, SMALL, 10, 1, "2026-01-10")
        days(account, "2026-02-10", 4)
        PaymentMethod.objects.filter(pk=declined.pk).update(gateway_id=new_card("succeeds").token)
        days(account, "2026-02-14", 10)
        found = plan(account)
        assert (found.state, found.cycle_starts_on, found.cycle_ends_on) == (
            "active",
            date(2026, 2, 10),
            date(2026, 3, 10),
        )
        assert (told("plan-renewed"), told("plan-ended")) == (["02-15"], [])

    def test_a_transfer_renews_at_once(self, account: Account) -> None:
        """INV-6, PLN-4: not only on the next day of the schedule; a part of it waits for the rest."""
        card(account, "declined")
        register(account, SMALL, 10, 1, "2026-01-10")
        days(account, "2026-02-10", 1)
        transfer(account, Decimal(60), date(2026, 2, 11), **on(account, "2026-02-11"))
        assert plan(account).cycle_ends_on == date(2026, 2, 10)
        transfer(account, Decimal(40), date(2026, 2, 12), **on(account, "2026-02-12"))
        assert plan(account).cycle_ends_on == date(2026, 3, 10)
        assert told("plan-renewed") == ["02-12"]

    def test_a_transfer_that_comes_too_late_is_credit_for_the_next_registration(
        self, account: Account
    ) -> None:
        """PLN-4, INV-6: the plan has ended; nothing is lost, and the credit pays when it is registered again."""
        register(account, SMALL, 10, 1, "2026-01-10")
        days(account, "2026-02-10", 9)
        assert plan(account).state == "inactive"
        transfer(account, Decimal(100), date(2026, 2, 25), **on(account, "2026-02-25"))
        assert plan(account).state == "inactive"
        assert Payment.objects.latest("pk").left == 100
        again = order(account, SMALL, 10, 1, "2026-02-25")
        assert pay_with_credit(again, actor=TESTS, at=noon(account, "2026-02-25"))
        found = plan(account)
        assert (found.state, found.cycle_starts_on, found.cycle_ends_on) == (
            "active",
            date(2026, 2, 25),
            date(2026, 3, 25),
        )

    @pytest.mark.parametrize("dies", ["before the gateway", "after the gateway"])
    def test_a_worker_that_dies_charges_once(
        self, account: Account, dies: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """PLN-4, INV-6: between row and gateway, and between charge and answer."""
        card(account, "succeeds")
        register(account, SMALL, 10, 1, "2026-01-10")
        at = noon(account, "2026-02-10")
        renew_due(at)

        def die(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        confirm = TestGateway.confirm

        def charge_and_die(self: TestGateway, intent: str, **asked: object) -> None:
            confirm(self, intent, key="", off_session=True, return_url="")
            raise KeyboardInterrupt

        if dies == "before the gateway":
            monkeypatch.setattr(renewals, "drive", die)
        else:
            monkeypatch.setattr(TestGateway, "confirm", charge_and_die)
        with pytest.raises(KeyboardInterrupt):
            collect_renewals(lambda: at)
        monkeypatch.undo()
        collect_renewals(lambda: at + timedelta(minutes=1))
        reconcile(lambda: at + timedelta(minutes=5))
        collect_renewals(lambda: at + timedelta(minutes=10))
        (found,) = Collection.objects.all()
        assert (found.state, plan(account).cycle_ends_on) == ("succeeded", date(2026, 3, 10))
        assert Payment.objects.filter(kind=Payment.Kind.CARD).get().amount == 100
        assert told("plan-renewed") == ["02-10"]

    def test_a_payment_that_is_on_its_way_is_not_overtaken_by_a_transfer(
        self, account: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """INV-6: the bank has not answered; the transfer is credit until it has."""
        card(account, "silent")
        register(account, SMALL, 10, 1, "2026-01-10")
        tick(account, "2026-02-10")
        assert Collection.objects.get().is_live
        transfer(account, Decimal(100), date(2026, 2, 10), **on(account, "2026-02-10"))
        assert PlanOrder.objects.get(kind="renewal").state == "open"
        reconcile(lambda: noon(account, "2026-02-10") + timedelta(minutes=5))
        assert PlanOrder.objects.get(kind="renewal").state == "paid"
        assert sum(Payment.objects.values_list("left", flat=True)) == 100

    def test_unsubscribing_while_the_renewal_is_unpaid(self, account: Account) -> None:
        """PLN-4: the plan ends, once, and nothing is tried any more."""
        card(account, "declined")
        register(account, SMALL, 10, 1, "2026-01-10")
        days(account, "2026-02-10", 2)
        changes.unsubscribe(account, **on(account, "2026-02-12"))
        days(account, "2026-02-12", 10)
        assert told("plan-ended") == ["02-12"]
        assert "was unsubscribed and ended on Feb. 10, 2026" in mails("plan-ended")[0].text
        assert Collection.objects.count() == 1

    def test_unsubscribing_waits_for_the_bank(self, account: Account) -> None:
        """PLN-4: what may have been charged is not taken back behind anybody's back."""
        card(account, "silent")
        register(account, SMALL, 10, 1, "2026-01-10")
        tick(account, "2026-02-10")
        with pytest.raises(Refused, match="on its way"):
            changes.unsubscribe(account, **on(account, "2026-02-10"))
        assert plan(account).unsubscribed_on is None


class TestTrials:
    """PLN-2."""

    @pytest.fixture(autouse=True)
    def _trial(self, account: Account) -> None:
        """Of 14 days, up to January 24."""
        changes.start_trial(account, package(SMALL), 3, **on(account, "2026-01-10"))

    def test_warnings_go_out_7_3_and_1_days_before(self, account: Account) -> None:
        """PLN-2: each once; then it ends on its day, which is told."""
        for day in range(10, 28):
            for hour in (3, 15, 23):
                warn_of_trials(noon(account, f"2026-01-{day}").replace(hour=hour))
            tick(account, f"2026-01-{day}")
        assert told("trial-ending") == ["01-17", "01-21", "01-23"]
        first = mails("trial-ending")[0]
        assert first.subject == f"Your trial of {package(SMALL).name} ends in 7 days"
        assert "ends on Jan. 24, 2026" in first.text
        assert "$30.00 a month" in first.text
        assert told("plan-ended") == ["01-24"]
        assert "It cost nothing." in mails("plan-ended")[0].text
        entry = AuditEntry.objects.filter(action="warn-of-trial").latest("pk")
        assert (entry.by, entry.is_task, entry.after["days_left"]) == ("trial-warnings", True, 1)

    @pytest.mark.parametrize(("day", "left"), [("16", None), ("18", 6), ("22", 2), ("23", 1), ("24", None)])
    def test_of_missed_ones_only_the_nearest(self, account: Account, day: str, left: int | None) -> None:
        """PLN-2: with the days that are left in truth; none on the day itself."""
        for _ in range(2):
            warn_of_trials(noon(account, f"2026-01-{day}"))
        entries = AuditEntry.objects.filter(action="warn-of-trial")
        assert [entry.after["days_left"] for entry in entries] == ([] if left is None else [left])

    @pytest.mark.parametrize("why", ["registered", "unsubscribed", "simulation"])
    def test_none_where_nothing_ends_unheard(self, account: Account, why: str) -> None:
        """PLN-2."""
        if why == "registered":
            register(account, SMALL, 3, 1, "2026-01-12")
        if why == "unsubscribed":
            changes.unsubscribe(account, **on(account, "2026-01-12"))
        if why == "simulation":
            Account.objects.update(is_simulation=True)
        assert [warn_of_trials(noon(account, f"2026-01-{day}")) for day in range(14, 26)] == [0] * 12

    def test_a_short_trial_is_not_warned_of_on_its_first_day(self, account: Account) -> None:
        """PLN-2: one of three days has the warning of its last day alone."""
        account.brand.trial_days = 3
        account.brand.save()
        other = factories.AccountFactory(brand=account.brand, opened_on=date(2026, 1, 10))
        changes.start_trial(other, package(SMALL), 1, **on(other, "2026-02-10"))
        warned = [day for day in range(10, 14) if warn_of_trials(noon(other, f"2026-02-{day}"))]
        assert warned == [12]

    def test_the_hourly_task_sends_them(self, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
        """PLN-2."""
        monkeypatch.setattr("django.utils.timezone.now", lambda: noon(account, "2026-01-17"))
        warn()
        assert len(mails("trial-ending")) == 3
        assert WARNINGS == (7, 3, 1)


@pytest.mark.parametrize(
    ("language", "subject", "words"),
    [
        ("nl", "De verlenging van uw plan is niet betaald", "Er is geen kaart opgeslagen."),
        ("de-at", "Die Verlängerung Ihres Plans wurde nicht", "Es ist keine Karte hinterlegt."),
    ],
)
def test_is_written_in_the_account_s_language(
    account: Account, language: str, subject: str, words: str
) -> None:
    """PLN-4."""
    register(account, SMALL, 10, 1, "2026-01-10")
    Account.objects.update(language=language)
    tick(account, "2026-02-10")
    found = mails("plan-payment-failed")[0]
    assert found.subject.startswith(subject)
    assert words in found.text


def test_a_simulated_plan_hears_nothing(account: Account) -> None:
    """SIM-1."""
    Account.objects.update(is_simulation=True)
    account.refresh_from_db()
    register(account, SMALL, 10, 1, "2026-01-10")
    tick(account, "2026-02-10")
    changes.unsubscribe(account, **on(account, "2026-02-12"))
    tick(account, "2026-03-10")
    assert plan(account).state == "inactive"
    assert not OutgoingMail.objects.exists()

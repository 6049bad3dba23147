"""SUB-8: warnings 30, 14, 7 and 1 days before a subscription ends, once each."""

from datetime import date, datetime, timedelta

import pytest

from accounts.models import Account, AuditEntry, OutgoingMail, Role
from billing.deadlines import WARNINGS, warn_of_ends
from billing.licences import assign_licence
from billing.models import Subscription
from billing.subscriptions import end_subscription
from billing.tasks import warn
from controlpanel.celery import app
from tests import factories
from tests.billing.subscribed import PRO, subscribe
from tests.billing.world import product
from tests.factories import AT, TESTS

pytestmark = pytest.mark.django_db

START = AT.date()
END = START + timedelta(days=60)


@pytest.fixture
def account() -> Account:
    found: Account = factories.AccountFactory(name="Acme", timezone="America/New_York")
    factories.member(found, Role.OWNER, email="owner@acme.example")
    factories.member(found, Role.ADMIN, email="admin@acme.example")
    factories.member(found, Role.BILLING, email="billing@acme.example")
    return found


@pytest.fixture
def ending(account: Account) -> Subscription:
    found = subscribe(account, "Sales", START, END, {PRO: 3}, billing_contact="books@acme.example")
    for name in ("Ann", "Bob"):
        assign_licence(
            factories.EndUserFactory(account=account, name=name),
            product(PRO),
            subscription=found,
            actor=TESTS,
            at=AT,
        )
    return found


def on_day(days: int, hour: int = 15) -> datetime:
    """So many days after the start, at an hour of UTC."""
    return AT.replace(hour=hour) + timedelta(days=days)


def said() -> list[tuple[date, object]]:
    entries = AuditEntry.objects.filter(action="warn-of-end").order_by("id")
    return [(entry.at.date(), entry.after["days_left"]) for entry in entries]


def test_each_once_on_its_day(account: Account, ending: Subscription) -> None:
    """Hour by hour over the whole term there are four; the trail names the task."""
    for days in range(65):
        for hour in (0, 6, 15, 23):
            warn_of_ends(on_day(days, hour))
    assert said() == [(END - timedelta(days=left), left) for left in WARNINGS]
    entry = AuditEntry.objects.filter(action="warn-of-end").latest("id")
    assert (entry.by, entry.is_task, entry.after["people"]) == ("subscription-warnings", True, 2)
    assert entry.summary == (f"Warned that subscription Sales ends on {END:%B %-d, %Y}, in 1 day (SUB-8)")


def test_mails_owners_admins_and_the_billing_contact(account: Account, ending: Subscription) -> None:
    warn_of_ends(on_day(30))
    mails = OutgoingMail.objects.filter(kind="subscription-ending").order_by("pk")
    assert [mail.to for mail in mails] == ["owner@acme.example", "admin@acme.example", "books@acme.example"]
    assert mails[0].subject == "Subscription Sales ends in 30 days"
    assert "2 users hold licences of it and will lose access." in mails[0].text
    assert f"/a/{account.slug}/subscriptions/{ending.pk}/people/" in mails[0].text


@pytest.mark.parametrize(
    ("language", "subject", "words"),
    [
        ("nl", "Abonnement Sales loopt over 30 dagen af", "2 gebruikers hebben er licenties van"),
        ("de", "Abonnement Sales endet in 30 Tagen", "2 Benutzer haben Lizenzen daraus und verlieren"),
    ],
)
def test_in_the_account_s_language(
    account: Account, ending: Subscription, language: str, subject: str, words: str
) -> None:
    Account.objects.update(language=language)
    warn_of_ends(on_day(30))
    mail = OutgoingMail.objects.filter(kind="subscription-ending").first()
    assert mail is not None
    assert mail.subject == subject
    assert words in mail.text


@pytest.mark.parametrize(
    ("day", "left"),
    [(29, None), (30, 30), (40, 20), (46, 14), (50, 10), (53, 7), (58, 2), (59, 1), (60, None), (90, None)],
)
def test_of_missed_ones_only_the_nearest(ending: Subscription, day: int, left: int | None) -> None:
    """With the days that are left in truth; none on the day itself or after it."""
    for _ in range(2):
        warn_of_ends(on_day(day))
    assert [one for _, one in said()] == ([] if left is None else [left])


def test_by_the_account_s_own_midnight(account: Account, ending: Subscription) -> None:
    """At 3:00 UTC it is still the day before in New York."""
    assert warn_of_ends(on_day(30, hour=3)) == 0
    assert warn_of_ends(on_day(30, hour=6)) == 1


def test_a_short_term_has_no_warning_of_a_day_before_it_began(account: Account) -> None:
    subscribe(account, "Short", START, START + timedelta(days=20))
    assert [day for day in range(20) if warn_of_ends(on_day(day))] == [6, 13, 19]


def test_none_where_it_ended_early_or_is_to_come(account: Account, ending: Subscription) -> None:
    to_come = subscribe(account, "To come", START + timedelta(days=35), END)
    assert warn_of_ends(on_day(31)) == 1
    assert to_come.warned_days is None
    end_subscription(ending, actor=TESTS, at=on_day(40))
    assert [day for day in range(40, 60) if warn_of_ends(on_day(day))] == [46, 53, 59]
    assert all("To come" in entry.summary for entry in AuditEntry.objects.filter(action="warn-of-end")[:3])


def test_anew_where_the_end_has_moved_away(ending: Subscription) -> None:
    assert warn_of_ends(on_day(53)) == 1
    moved = END + timedelta(days=100)
    Subscription.objects.update(ends_on=moved, agreed_until=moved)
    assert [day for day in range(54, 160) if warn_of_ends(on_day(day))] == [160 - left for left in WARNINGS]


def test_simulated_accounts_are_left_alone(ending: Subscription) -> None:
    Account.objects.update(is_simulation=True)
    assert warn_of_ends(on_day(30)) == 0


def test_beat_sends_for_it_every_hour() -> None:
    sent = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert warn.name in sent

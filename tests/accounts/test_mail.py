"""Mail: written with what it tells of, sent once, tried again, in the account's language and the brand's name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from smtplib import SMTPServerDisconnected

import pytest
import time_machine
from django.conf import settings
from django.core import mail as outbox
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from accounts import mail
from accounts.models import Account, OutgoingMail, Role
from accounts.permissions import FINANCE, ONBOARDING, SUPPORT
from accounts.tasks import send_due_mail, send_mail
from tests import factories
from tests.factories import AT

KIND = "contact-center-activated"
FACTS = {
    "contact_center": "Contact Center <Elite>",
    "activated_on": AT.date(),
    "installed_on": AT.date(),
    "requested_on": AT.date(),
    "activates_on": AT.date(),
    "days_left": 7,
    "age": 3,
    "asker": "dana@northwind.example",
    "left": ["Assign phone numbers"],
    "is_onboarding": True,
    "most_licences": 2,
    "is_in": True,
    "carrier": "Old Carrier",
    "numbers": ["(212) 555-0140"],
    "more": 2,
    "day": AT.date(),
    "reason": "The name does not match",
    "number": "Q-00012",
    "company": "Northwind",
    "contact": "Dana",
    "monthly": "$150.00",
    "once": "$0.00",
    "valid_until": AT.date(),
    "by": "Dana",
    "on": AT.date(),
    "is_new": True,
    "package": "Team",
    "quantity": 3,
    "months": 12,
    "amount": Decimal("120.50"),
    "currency": "USD",
    "is_change": True,
    "paid_to": AT.date(),
    "renews_on": AT.date(),
    "due_on": AT.date(),
    "next_try_on": AT.date(),
    "last_try_on": AT.date(),
    "why": "unpaid",
    "ended_on": AT.date(),
    "code": "card_declined",
    "ends_on": AT.date(),
    "is_card": True,
    "reference": "Visa ···· 4242",
    "settled": [{"number": "B1-000001", "amount": Decimal(100)}],
    "credit": Decimal("20.50"),
    "card": "Visa ···· 4242",
    "invoices": [{"number": "B1-000001", "due_on": AT.date(), "amount": Decimal("120.50")}],
    "total": Decimal("120.50"),
    "suspends_on": AT.date(),
    "url": "https://panel.example/a/northwind/?x=1&y=2",
}


@pytest.fixture(autouse=True)
def _now() -> Iterator[None]:
    with time_machine.travel(AT, tick=False):
        yield


@pytest.fixture
def queued(account: Account) -> OutgoingMail:
    (found,) = mail.queue_mail(account, KIND, ["dana@northwind.example"], FACTS, at=AT)
    return found


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """``broken(True)`` takes the mail server away."""
    send = EmailMessage.send

    def away(message: EmailMessage, fail_silently: bool = False) -> int:
        raise SMTPServerDisconnected("Connection unexpectedly closed")

    def switch(is_broken: bool) -> None:
        monkeypatch.setattr(EmailMessage, "send", away if is_broken else send)

    return switch


def clock(at: datetime = AT) -> Callable[[], datetime]:
    return lambda: at


def test_is_sent_under_the_brand_s_name_as_text_and_html(account: Account, queued: OutgoingMail) -> None:
    assert mail.deliver(queued.pk, clock())
    (sent,) = outbox.outbox
    assert isinstance(sent, EmailMultiAlternatives)
    brand = account.brand
    assert sent.to == ["dana@northwind.example"]
    assert sent.from_email == f'"{brand.name}" <support@brand.example>'
    assert sent.reply_to == ["onboarding@brand.example"]
    assert sent.subject == "Contact Center <Elite> is active"
    assert "Contact Center <Elite> of Northwind is live since March 2, 2026" in str(sent.body)
    (html,) = [str(content) for content, kind in sent.alternatives if kind == "text/html"]
    assert "Contact Center &lt;Elite&gt; of Northwind" in html
    assert brand.logo_text in html
    assert 'href="https://panel.example/a/northwind/?x=1&amp;y=2"' in html
    assert "<li>Every toll-free package is available.</li>" in html
    queued.refresh_from_db()
    assert (queued.sent_at, queued.next_try_at, queued.attempts) == (AT, None, 1)


def test_is_sent_once_however_often_it_is_asked_for(queued: OutgoingMail) -> None:
    """A message of the queue that comes twice, and beat beside it, send one mail."""
    for _ in range(3):
        send_mail(queued.pk)
        send_due_mail()
    assert len(outbox.outbox) == 1


def test_is_not_taken_while_somebody_else_sends_it(queued: OutgoingMail) -> None:
    """Who sends leaves a mark; if that worker dies, the mark runs out and the next one sends."""
    OutgoingMail.objects.update(next_try_at=AT + mail.LEASE, attempts=1)
    assert mail.deliver_due(clock()) == 0
    assert mail.deliver_due(clock(AT + mail.LEASE)) == 1
    assert len(outbox.outbox) == 1


def test_is_tried_again_after_longer_and_longer(queued: OutgoingMail, broken: Callable[[bool], None]) -> None:
    broken(True)
    waits = []
    at = AT
    for _ in range(mail.MOST_ATTEMPTS - 1):
        assert mail.deliver_due(clock(at)) == 0
        queued.refresh_from_db()
        assert queued.next_try_at is not None
        assert mail.deliver_due(clock(queued.next_try_at - timedelta(seconds=1))) == 0
        waits.append(queued.next_try_at - at)
        at = queued.next_try_at
    assert waits[:3] == [timedelta(minutes=2), timedelta(minutes=4), timedelta(minutes=8)]
    assert waits == sorted(waits)
    assert max(waits) <= mail.LONGEST_WAIT
    assert queued.failed_reason == "SMTPServerDisconnected: Connection unexpectedly closed"
    mail.deliver_due(clock(at))
    assert OutgoingMail.objects.get().is_given_up
    broken(False)
    assert mail.deliver_due(clock(at + timedelta(days=9))) == 0


def test_arrives_when_the_server_is_back(queued: OutgoingMail, broken: Callable[[bool], None]) -> None:
    broken(True)
    mail.deliver(queued.pk, clock())
    broken(False)
    assert mail.deliver_due(clock(AT + timedelta(minutes=2))) == 1
    queued.refresh_from_db()
    assert (queued.failed_reason, queued.attempts) == ("", 2)
    identities = {str(sent.extra_headers["Message-ID"]) for sent in outbox.outbox}
    assert identities == {f"<panel-{queued.pk}@brand.example>"}


def test_one_that_fails_does_not_hold_up_the_others(
    account: Account, queued: OutgoingMail, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail.queue_mail(account, KIND, ["other@northwind.example"], FACTS, at=AT)
    send = EmailMessage.send

    def picky(message: EmailMessage, fail_silently: bool = False) -> int:
        if message.to == [queued.to]:
            raise SMTPServerDisconnected("no")
        return send(message, fail_silently)

    monkeypatch.setattr(EmailMessage, "send", picky)
    assert mail.deliver_due(clock()) == 1


@pytest.mark.django_db(transaction=True)
def test_is_sent_when_what_it_tells_of_is_through(account: Account) -> None:
    with transaction.atomic():
        mail.queue_mail(account, KIND, ["dana@northwind.example"], FACTS, at=AT)
        assert outbox.outbox == []
    assert len(outbox.outbox) == 1


@pytest.mark.django_db(transaction=True)
def test_is_not_sent_when_it_did_not_happen(account: Account) -> None:
    """What is only priced is done and taken back: nobody hears of it."""
    with transaction.atomic():
        mail.queue_mail(account, KIND, ["dana@northwind.example"], FACTS, at=AT)
        transaction.set_rollback(True)
    assert outbox.outbox == []
    assert not OutgoingMail.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_is_written_in_a_transaction(account: Account) -> None:
    with pytest.raises(RuntimeError, match="transaction"):
        mail.queue_mail(account, KIND, ["dana@northwind.example"], FACTS, at=AT)


def test_nobody_gets_it_twice_and_nowhere_is_nobody(account: Account) -> None:
    to = ["dana@northwind.example", "Dana@Northwind.example ", "", "  "]
    assert len(mail.queue_mail(account, KIND, to, FACTS, at=AT)) == 1
    assert mail.queue_mail(account, KIND, [], FACTS, at=AT) == []


def test_simulated_accounts_send_nothing(account: Account) -> None:
    account.is_simulation = True
    assert mail.queue_mail(account, KIND, ["dana@northwind.example"], FACTS, at=AT) == []


def test_an_unknown_kind_is_a_mistake(account: Account) -> None:
    with pytest.raises(ValueError, match="no such kind"):
        mail.queue_mail(account, "../secret", ["dana@northwind.example"], FACTS, at=AT)


def test_admins_are_owners_and_admins_who_sign_in(account: Account) -> None:
    for role in Role:
        factories.member(account, role, email=f"{role}@northwind.example")
    factories.member(account, Role.ADMIN, email="gone@northwind.example", is_active=False)
    assert mail.admins_of(account) == ["owner@northwind.example", "admin@northwind.example"]


@pytest.mark.parametrize(
    ("language", "subject", "on"),
    [
        ("en-us", "Contact Center <Elite> is active", "March 2, 2026"),
        ("nl", "Contact Center <Elite> is actief", "2 maart 2026"),
        ("de", "Contact Center <Elite> ist aktiv", "2. März 2026"),
        ("de-at", "Contact Center <Elite> ist aktiv", "2. März 2026"),
        ("fr", "Contact Center <Elite> is active", "March 2, 2026"),
        ("../de", "Contact Center <Elite> is active", "March 2, 2026"),
    ],
)
def test_speaks_the_account_s_language(account: Account, language: str, subject: str, on: str) -> None:
    """And English where the panel does not write it."""
    account.language = language
    (found,) = mail.queue_mail(account, KIND, ["dana@northwind.example"], FACTS, at=AT)
    assert found.subject == subject
    assert on in found.text
    assert f'<html lang="{found.language}">' in found.html


@pytest.mark.parametrize("kind", mail.KINDS)
@pytest.mark.parametrize("language", mail.LANGUAGES)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"is_onboarding": False, "is_automatic": True, "left": [], "activates_on": None},
        # What is said of money where there is nothing more to say of it.
        {"is_change": False, "renews_on": None, "why": "trial", "is_card": False, "settled": [], "months": 1},
        {"why": "unsubscribed", "credit": 0, "next_try_on": None, "suspends_on": None, "code": "unheard-of"},
    ],
)
def test_every_kind_is_there_in_every_language(
    account: Account, kind: str, language: str, changes: dict[str, object]
) -> None:
    """Each on its own template, whole: nothing of it in template code, no gap, one link."""
    assert (settings.BASE_DIR / f"templates/mail/{language}/{kind}.txt").exists()
    account.suspended_on, account.suspended_because = AT.date(), "Invoice B1-000001 is overdue."
    account.brand.bank_details = "Bank of Boston\nIBAN US12 3456"
    message = mail.compose(account.brand, kind, FACTS | {"account": account} | changes, language)
    assert message.subject
    assert "\n" not in message.subject
    for form in (message.text, message.html):
        assert not re.search(r"\{[{%]|None|\bFalse\b", form)
        assert "panel.example/a/northwind/" in form
    assert "\n\n\n" not in message.text
    assert message.html.count('class="button"') == 1
    assert account.name in message.text


def test_a_name_cannot_break_the_head_of_a_message(account: Account) -> None:
    facts = FACTS | {"contact_center": "X\r\nBcc: everybody@example.com\n"}
    account.brand.name = 'Brand "quoted"\r\nBcc: all@example.com'
    account.brand.save()
    (found,) = mail.queue_mail(account, KIND, ["dana@northwind.example"], facts, at=AT)
    mail.deliver(found.pk, clock())
    (sent,) = outbox.outbox
    head = sent.message().as_string().partition("\n\n")[0]
    assert not re.search(r"^Bcc:", head, re.MULTILINE)


def test_what_was_sent_is_not_due(queued: OutgoingMail) -> None:
    """Held by the database."""
    with pytest.raises(IntegrityError), transaction.atomic():
        OutgoingMail.objects.update(sent_at=AT)


def test_lands_in_a_folder_of_the_embedded_panel(
    queued: OutgoingMail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "EMAIL_BACKEND", "django.core.mail.backends.filebased.EmailBackend")
    monkeypatch.setattr(settings, "EMAIL_FILE_PATH", str(tmp_path / "mail"))
    assert mail.deliver(queued.pk, clock())
    (file,) = (tmp_path / "mail").iterdir()
    assert "dana@northwind.example" in file.read_text()


# The staff's pages


@pytest.fixture
def support(db: None) -> Client:
    client = Client()
    client.force_login(factories.staff(SUPPORT))
    return client


def listed(client: Client, query: str = "") -> list[str]:
    page = client.get(reverse("staff:mail") + query).context["page"]
    return [row.to for row in page.rows]


def test_lists_what_was_written(account: Account, queued: OutgoingMail, support: Client) -> None:
    mail.deliver(queued.pk, clock())
    mail.queue_mail(account, "activation-warning", ["finn@northwind.example"], FACTS, at=AT)
    both = ["finn@northwind.example", "dana@northwind.example"]
    assert listed(support) == both
    assert listed(support, "?state=sent") == both[1:]
    assert listed(support, "?state=waiting") == both[:1]
    assert listed(support, "?state=failed") == []
    assert listed(support, "?kind=activation-warning") == both[:1]
    assert listed(support, "?q=FINN") == both[:1]
    assert listed(support, "?q=northwind&state=nonsense") == both


def test_lists_many_cheaply(
    account: Account, support: Client, opens_cheaply: Callable[[Client, str], object]
) -> None:
    mail.queue_mail(account, KIND, [f"p{n}@northwind.example" for n in range(60)], FACTS, at=AT)
    opens_cheaply(support, reverse("staff:mail"))


def test_shows_one(queued: OutgoingMail, support: Client, broken: Callable[[bool], None]) -> None:
    broken(True)
    mail.deliver(queued.pk, clock())
    answer = support.get(reverse("staff:mail-message", args=[queued.pk])).content.decode()
    assert "Trying again" in answer
    assert "Connection unexpectedly closed" in answer
    assert "Contact Center &lt;Elite&gt; of Northwind is live" in answer
    assert f'src="{reverse("staff:mail-html", args=[queued.pk])}"' in answer


def test_html_can_do_nothing(queued: OutgoingMail, support: Client) -> None:
    """It is shown under a policy of its own, in a frame of the panel alone."""
    OutgoingMail.objects.update(html="<script>alert(1)</script>")
    response = support.get(reverse("staff:mail-html", args=[queued.pk]))
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "script" not in policy
    assert response.headers["X-Frame-Options"] == "SAMEORIGIN"


@pytest.mark.parametrize("name", ["mail", "mail-message", "mail-html"])
def test_is_for_onboarding_and_support(queued: OutgoingMail, account: Account, name: str) -> None:
    """ACC-3: 404 to all others."""
    url = reverse(f"staff:{name}", args=[] if name == "mail" else [queued.pk])
    people = {
        factories.staff(ONBOARDING): 200,
        factories.staff(SUPPORT): 200,
        factories.staff(FINANCE): 404,
        factories.member(account, Role.OWNER): 404,
    }
    for user, status in people.items():
        client = Client()
        client.force_login(user)
        assert client.get(url).status_code == status


@pytest.mark.parametrize("name", ["mail-message", "mail-html"])
def test_unknown_message(support: Client, name: str) -> None:
    assert support.get(reverse(f"staff:{name}", args=[999])).status_code == 404

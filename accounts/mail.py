"""Mail: written in the transaction of what it tells of, sent once that is through.

    queue_mail(account, "contact-center-installed", admins_of(account), {...}, at=at)

What is to be sent stands in rows. A task is sent out on commit, and one that beat sends finds what is
left, so that a worker that dies or a mail server that is away delays a message and loses none.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from smtplib import SMTPException
from typing import Any, Final

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import F, QuerySet
from django.template import Context
from django.template.loader import get_template, select_template
from django.utils import translation

from accounts.colours import accent
from accounts.models import Account, Brand, OutgoingMail, Role, User

FALLBACK: Final = "en"
LANGUAGES: Final = ("en", "nl", "de")
MOST_ATTEMPTS: Final = 10
MOST_AT_ONCE: Final = 500
LEASE: Final = timedelta(minutes=5)
"""How long a message that is being sent is left alone by others; a mail server answers or not in less."""
LONGEST_WAIT: Final = timedelta(hours=6)

KINDS: Final[Mapping[str, str]] = {
    "contact-center-installed": "Contact Center installed",
    "activation-requested": "Activation asked for",
    "activation-request-received": "Confirmation of the request",
    "activation-warning": "Warning before automatic activation",
    "contact-center-activated": "Contact Center activated",
    "subscription-ending": "Warning before a subscription ends",
    "port-confirmed": "Day of a port confirmed",
    "port-done": "Numbers ported",
    "port-rejected": "Port rejected",
    "quote-sent": "Quote",
    "quote-accepted": "Confirmation of an accepted quote",
    "plan-registered": "Plan paid for",
    "plan-renewed": "Plan renewed",
    "plan-payment-failed": "Renewal of a plan not paid",
    "plan-ended": "Plan ended",
    "trial-ending": "Warning before a trial ends",
    "payment-received": "Payment received",
    "invoice-payment-failed": "Invoice not collected",
    "invoice-reminder": "Reminder of overdue invoices",
    "account-suspended": "Account suspended",
    "account-restored": "Suspension lifted",
}
"""Every kind of message, by the name of its template, as the staff's page calls it."""

_LINK: Final = re.compile(r"(?P<label>[^\n]+): (?P<url>https?://\S+)")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a message: a paragraph, a list or a link."""

    kind: str
    text: str = ""
    rows: tuple[str, ...] = ()
    url: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A PDF that goes with a message, under this name."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it is sent, in one language."""

    subject: str
    text: str
    html: str
    language: str


def admins_of(account: Account) -> list[str]:
    """The addresses of the owners and admins of an account."""
    admins = User.objects.filter(
        is_active=True, memberships__account=account, memberships__role__in=(Role.OWNER, Role.ADMIN)
    )
    return list(admins.order_by("pk").values_list("email", flat=True))


def billing_contacts_of(account: Account) -> list[str]:
    """The addresses of those whom money concerns: owners, admins, and members with the billing role."""
    found = User.objects.filter(
        is_active=True,
        memberships__account=account,
        memberships__role__in=(Role.OWNER, Role.ADMIN, Role.BILLING),
    )
    return list(found.order_by("pk").values_list("email", flat=True))


def panel_url(path: str) -> str:
    """A path of the panel as an address that works from outside of it."""
    return f"{settings.PANEL_URL.rstrip('/')}{path}"


def queue_mail(
    account: Account,
    kind: str,
    to: Iterable[str],
    context: Mapping[str, Any],
    *,
    at: datetime,
    language: str = "",
) -> list[OutgoingMail]:
    """Write a message to each address, in the account's language unless another is named, and have it sent.

    `context` is for the template of the kind; `account`, `brand` and `panel` come by themselves. Nothing is
    written for a simulated account. Raises outside a transaction: mail travels with what it tells of.
    """
    _check(kind)
    if account.is_simulation:
        return []
    message = compose(account.brand, kind, {**context, "account": account}, language or account.language)
    return _queue(OutgoingMail(account=account, kind=kind), to, message, at)


def queue_brand_mail(
    brand: Brand,
    kind: str,
    to: Iterable[str],
    context: Mapping[str, Any],
    *,
    at: datetime,
    language: str,
    attachment: Attachment | None = None,
) -> list[OutgoingMail]:
    """As `queue_mail`, to somebody who has no account yet: the brand itself writes."""
    _check(kind)
    about = OutgoingMail(brand=brand, kind=kind)
    if attachment is not None:
        about.attachment_name, about.attachment = attachment.name, attachment.content
    return _queue(about, to, compose(brand, kind, context, language), at)


def _check(kind: str) -> None:
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("mail is written in the transaction of what it tells of")
    if kind not in KINDS:
        raise ValueError(f"no such kind of mail: {kind}")


def _queue(about: OutgoingMail, to: Iterable[str], message: Message, at: datetime) -> list[OutgoingMail]:
    """Write the message to each address once; `about` says for whom it is, of which kind, and what goes with it."""
    addresses = {address.strip().lower(): address.strip() for address in to if address.strip()}
    queued = [
        OutgoingMail.objects.create(
            account=about.account,
            brand=about.brand,
            kind=about.kind,
            to=address,
            subject=message.subject,
            text=message.text,
            html=message.html,
            language=message.language,
            attachment_name=about.attachment_name,
            attachment=about.attachment,
            created_at=at,
            next_try_at=at,
        )
        for address in addresses.values()
    ]
    for mail in queued:
        # Beat finds it if the queue does not take it now.
        transaction.on_commit(partial(_send_out, mail.pk), robust=True)
    return queued


def compose(brand: Brand, kind: str, context: Mapping[str, Any], language: str) -> Message:
    """The message under a brand's name in this language, or in English where the panel does not write it.

    The template of a kind is its first line, the subject, and paragraphs below it; a paragraph of lines
    that begin with a dash is a list, and one like `Open it: https://…` a link. HTML is made of the same.
    """
    short = language.partition("-")[0].lower()
    chosen = short if short in LANGUAGES else FALLBACK
    with translation.override(chosen):
        known = {**context, "brand": brand}
        found = select_template([f"mail/{chosen}/{kind}.txt", f"mail/{FALLBACK}/{kind}.txt"])
        written = _plain(found, known)
        subject, _, body = written.strip().partition("\n")
        subject = " ".join(subject.split())[:200]
        blocks = blocks_of(body)
        footer = " · ".join(
            way for way in (brand.support_name, brand.support_email, brand.support_phone) if way
        )
        frame = {
            "subject": subject,
            "blocks": blocks,
            "brand": brand,
            "footer": footer,
            "shades": accent(brand.accent).light,
            "language": chosen,
        }
        text = _plain(get_template("mail/message.txt"), {**frame, "body": _tidy(body)}).strip() + "\n"
        html = get_template("mail/message.html").render(frame)
    return Message(subject, text, html, chosen)


def blocks_of(body: str) -> list[Block]:
    """The pieces of a body, from what stands between its empty lines."""
    blocks = []
    for piece in re.split(r"\n\s*\n", body.strip()):
        lines = [line.strip() for line in piece.splitlines() if line.strip()]
        if not lines:
            continue
        link = _LINK.fullmatch(lines[0]) if len(lines) == 1 else None
        if link is not None:
            blocks.append(Block("link", link["label"], url=link["url"]))
        elif all(line.startswith("- ") for line in lines):
            blocks.append(Block("list", rows=tuple(line[2:] for line in lines)))
        else:
            blocks.append(Block("paragraph", " ".join(lines)))
    return blocks


def due_mail(at: datetime) -> QuerySet[OutgoingMail]:
    """What is to be sent by now, the oldest first."""
    return OutgoingMail.objects.filter(next_try_at__lte=at).order_by("next_try_at", "pk")


def deliver(pk: int, clock: Callable[[], datetime]) -> bool:
    """Send one message if it is due; returns whether it went out.

    However often it is asked and by however many workers: who takes it leaves a mark first, and only that
    worker sends it. One whose worker died is taken again when its mark has run out. What fails is tried
    again, after longer and longer, and given up after ten times.
    """
    at = clock()
    taken = OutgoingMail.objects.filter(pk=pk, next_try_at__lte=at).update(
        next_try_at=at + LEASE, attempts=F("attempts") + 1
    )
    if not taken:
        return False
    mail = OutgoingMail.objects.select_related("account__brand", "brand").get(pk=pk)
    try:
        _message(mail).send()
    except (SMTPException, OSError) as error:
        wait = min(LONGEST_WAIT, timedelta(minutes=2**mail.attempts))
        is_last = mail.attempts >= MOST_ATTEMPTS
        OutgoingMail.objects.filter(pk=pk).update(
            next_try_at=None if is_last else clock() + wait,
            failed_reason=f"{type(error).__name__}: {error}"[:300],
        )
        logger.warning("mail %s could not be sent (attempt %s): %s", pk, mail.attempts, error)
        return False
    OutgoingMail.objects.filter(pk=pk).update(sent_at=clock(), next_try_at=None, failed_reason="")
    return True


def deliver_due(clock: Callable[[], datetime]) -> int:
    """Send what is due, at most so much at once; returns how many went out."""
    due = list(due_mail(clock()).values_list("pk", flat=True)[:MOST_AT_ONCE])
    return sum(deliver(pk, clock) for pk in due)


def _message(mail: OutgoingMail) -> EmailMultiAlternatives:
    brand = mail.sender
    domain = brand.support_email.rpartition("@")[2]
    message = EmailMultiAlternatives(
        subject=mail.subject,
        body=mail.text,
        from_email=f'"{_quoted(brand.name)}" <{brand.support_email}>',
        to=[mail.to],
        reply_to=[brand.onboarding_email],
        # The same each time it is tried, so that one that arrives twice is known for what it is.
        headers={"Message-ID": f"<panel-{mail.pk}@{domain}>", "Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(mail.html, "text/html")
    if mail.attachment:
        message.attach(mail.attachment_name, bytes(mail.attachment), "application/pdf")
    return message


def _quoted(name: str) -> str:
    return " ".join(name.split()).replace("\\", "").replace('"', "")


def _plain(template: Any, context: Mapping[str, Any]) -> str:
    """A template rendered as plain text, where nothing has to be escaped."""
    rendered: str = template.template.render(Context(dict(context), autoescape=False))
    return rendered


def _tidy(body: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", body.strip())


def _send_out(pk: int) -> None:
    from accounts.tasks import send_mail

    send_mail.delay(pk)

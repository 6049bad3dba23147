"""The mail that the panel sends, for staff to look at: what was said to whom, and whether it went out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from accounts.forms import MailFilter, filters_of
from accounts.mail import KINDS
from accounts.models import OutgoingMail
from accounts.paging import page_of
from accounts.permissions import ONBOARDING, SUPPORT, StaffRequest, staff_page

if TYPE_CHECKING:
    from django.db.models import QuerySet

# A message is shown as it was sent, with its own styles, and can do nothing: no script, no form, no other host.
MESSAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox"
)


@require_safe
@staff_page(ONBOARDING, SUPPORT)
def mails(request: StaffRequest) -> HttpResponse:
    """All messages, newest first."""
    form = MailFilter(request.GET)
    asked = filters_of(form)
    page = page_of(_found(asked["q"], asked["kind"], asked["state"]), order=("-id",), query=request.GET)
    context = {
        "form": form,
        "page": page,
        "rows": [(mail, KINDS.get(mail.kind, mail.kind), *_state(mail)) for mail in page.rows],
        "is_filtered": any(asked.values()),
    }
    return render(request, "staff/mails.html", context)


@require_safe
@staff_page(ONBOARDING, SUPPORT)
def message(request: StaffRequest, pk: int) -> HttpResponse:
    """One message: to whom, when, whether it went out, and both of its forms."""
    mail = get_object_or_404(
        OutgoingMail.objects.select_related("account__brand", "brand").defer("attachment"), pk=pk
    )
    state, tone = _state(mail)
    context = {"mail": mail, "kind": KINDS.get(mail.kind, mail.kind), "state": state, "tone": tone}
    return render(request, "staff/mail.html", context)


@require_safe
@staff_page(ONBOARDING, SUPPORT)
@xframe_options_sameorigin
def message_html(request: StaffRequest, pk: int) -> HttpResponse:
    """The HTML of a message by itself, under a policy of its own that lets it do nothing."""
    mail = get_object_or_404(OutgoingMail.objects.only("html"), pk=pk)
    return HttpResponse(mail.html, headers={"Content-Security-Policy": MESSAGE_POLICY})


def _found(search: str | None, kind: str | None, state: str | None) -> QuerySet[OutgoingMail]:
    found = OutgoingMail.objects.select_related("account", "brand").defer("text", "html", "attachment")
    if search:
        found = found.filter(
            Q(to__icontains=search) | Q(account__name__icontains=search) | Q(account__slug__icontains=search)
        )
    if kind:
        found = found.filter(kind=kind)
    if state == "sent":
        found = found.filter(sent_at__isnull=False)
    elif state == "waiting":
        found = found.filter(next_try_at__isnull=False)
    elif state == "failed":
        found = found.filter(sent_at=None, next_try_at=None)
    return found


def _state(mail: OutgoingMail) -> tuple[str, str]:
    """How a message stands, in a word and a tone."""
    if mail.sent_at is not None:
        return "Sent", "ok"
    if mail.is_given_up:
        return "Given up", "bad"
    return ("Trying again", "warn") if mail.failed_reason else ("To be sent", "info")

"""What beat and the workers do for accounts: send the mail that stands in rows."""

from __future__ import annotations

from typing import Any, Final

from celery import shared_task
from django.db import OperationalError
from django.utils import timezone

from accounts.mail import deliver, deliver_due

_patient: Final[dict[str, Any]] = {
    "autoretry_for": (OperationalError,),
    "retry_backoff": 2,
    "retry_backoff_max": 60,
    "max_retries": 5,
}


@shared_task(name="accounts.tasks.send_mail", **_patient)
def send_mail(mail: int) -> None:
    """Send one message, by its key; nothing if it was sent or is not due."""
    deliver(mail, timezone.now)


@shared_task(name="accounts.tasks.send_due_mail", **_patient)
def send_due_mail() -> None:
    """Send what is left: what failed before, and what no task came for."""
    deliver_due(timezone.now)

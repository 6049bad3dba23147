"""ACC-5: the trail is append-only, in the model and in the database, and travels with its change."""

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.models import Account, AuditEntry
from accounts.trail import Actor, record
from tests.factories import AT, TESTS


@pytest.fixture
def entry(account: Account) -> AuditEntry:
    with transaction.atomic():
        record(account, "edit-account", account, "Renamed", actor=TESTS, at=AT)
    return AuditEntry.objects.latest("id")


@pytest.mark.parametrize(
    "statement", ["UPDATE accounts_auditentry SET summary = 'x'", "DELETE FROM accounts_auditentry"]
)
def test_database_refuses_to_change_an_entry(entry: AuditEntry, statement: str) -> None:
    """ACC-5: not even SQL changes or deletes an entry."""
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert AuditEntry.objects.get(pk=entry.pk).summary == "Renamed"


def test_query_sets_are_refused_too(entry: AuditEntry) -> None:
    """ACC-5: what walks past the model meets the database."""
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditEntry.objects.filter(pk=entry.pk).update(summary="x")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditEntry.objects.filter(pk=entry.pk).delete()


def test_model_refuses_first(entry: AuditEntry) -> None:
    """ACC-5: a programmer is told before the database has to."""
    with pytest.raises(TypeError, match="append-only"):
        entry.save()
    with pytest.raises(TypeError, match="append-only"):
        entry.delete()


@pytest.mark.django_db(transaction=True)
def test_entry_goes_with_its_change_or_not_at_all() -> None:
    """ACC-5: outside a transaction nothing is written, and a change that is undone leaves no entry."""
    with pytest.raises(RuntimeError, match="transaction"):
        record(None, "run", AuditEntry(), "alone", actor=TESTS, at=AT)
    with transaction.atomic():
        record(None, "run", AuditEntry(), "undone", actor=TESTS, at=AT)
        transaction.set_rollback(True)
    assert not AuditEntry.objects.exists()


def test_task_is_named(account: Account) -> None:
    """ACC-5: a change made by a scheduled task names the task."""
    with transaction.atomic():
        record(account, "park-number", account, "Parked", actor=Actor.for_task("daily-triggers"), at=AT)
    entry = AuditEntry.objects.latest("id")
    assert (entry.by, entry.is_task, entry.user) == ("daily-triggers", True, None)

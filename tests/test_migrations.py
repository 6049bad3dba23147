"""Migrations, all of them: back to before the first lock, and forth again."""

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from accounts.models import AuditEntry
from tests.factories import AT

GUARDS = {"sqlite": 4, "postgresql": 3}
"""How many triggers watch over invoices and their lines (INV-1)."""


def guards() -> set[str]:
    """The triggers that watch over invoices and their lines."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'issued%%'")
        else:
            cursor.execute("SELECT tgname FROM pg_trigger WHERE tgname LIKE 'issued%%'")
        return {name for (name,) in cursor.fetchall()}


@pytest.mark.django_db
def test_the_guards_of_invoices_stand_after_the_last_migration() -> None:
    """INV-1: SQLite drops them with a table that a migration makes anew; that migration puts them back."""
    assert len(guards()) == GUARDS[connection.vendor]


@pytest.mark.django_db(transaction=True)
def test_locks_are_taken_off_and_put_back_by_migrations() -> None:
    """ACC-5, INV-1: each migration is reversible, and the locks are on when all are done again.

    One way for all locks, to the earliest of them: a database with the tables of each step in turn takes long to walk.
    """
    executor = MigrationExecutor(connection)
    executor.migrate([("accounts", "0002_staff_groups")])
    assert guards() == set()
    AuditEntry.objects.create(at=AT, by="a", action="a", target_kind="a", target="a", summary="before")
    AuditEntry.objects.update(summary="after")
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditEntry.objects.update(summary="later")
    assert AuditEntry.objects.get().summary == "after"
    assert len(guards()) == GUARDS[connection.vendor]

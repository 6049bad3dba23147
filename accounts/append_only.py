"""The audit trail's lock in the database itself: no client of it can change or delete an entry (ACC-5).

SQLite makes a table anew when a migration alters it, and the triggers go with the old one: such a
migration calls `guard` again as its last step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor
    from django.db.migrations.state import StateApps

TABLE: Final = "accounts_auditentry"
REFUSAL: Final = "the audit trail is append-only (ACC-5)"

GUARDS: Final[dict[str, tuple[str, ...]]] = {
    "sqlite": tuple(
        f"CREATE TRIGGER audit_refuses_{verb} BEFORE {verb.upper()} ON {TABLE} "
        f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        for verb in ("update", "delete")
    ),
    "postgresql": (
        "CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"BEGIN RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'restrict_violation'; END $$",
        f"CREATE TRIGGER audit_refuses_change BEFORE UPDATE OR DELETE ON {TABLE} "
        "FOR EACH ROW EXECUTE FUNCTION audit_is_append_only()",
    ),
}
RELEASES: Final[dict[str, tuple[str, ...]]] = {
    "sqlite": tuple(f"DROP TRIGGER IF EXISTS audit_refuses_{verb}" for verb in ("update", "delete")),
    "postgresql": (
        f"DROP TRIGGER IF EXISTS audit_refuses_change ON {TABLE}",
        "DROP FUNCTION IF EXISTS audit_is_append_only()",
    ),
}


def guard(apps: StateApps | None, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Put the triggers on the table, in place of those that may be there."""
    release(apps, schema_editor)
    _run(GUARDS, schema_editor)


def release(apps: StateApps | None, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Take the triggers off."""
    _run(RELEASES, schema_editor)


def _run(statements: dict[str, tuple[str, ...]], schema_editor: BaseDatabaseSchemaEditor) -> None:
    for statement in statements[schema_editor.connection.vendor]:
        schema_editor.execute(statement)

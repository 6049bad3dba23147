"""A contact center that went live stays live, held in the database itself (ONB-8).

SQLite makes a table anew when a migration alters it, and the trigger goes with the old one: such a
migration calls `guard` again as its last step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor
    from django.db.migrations.state import StateApps

TABLE: Final = "telephony_contactcenter"
REFUSAL: Final = "activation is final (ONB-8)"
_UNDONE: Final = "OLD.state = 'active' AND (NEW.state <> 'active' OR NEW.activated_on <> OLD.activated_on)"

GUARDS: Final[dict[str, tuple[str, ...]]] = {
    "sqlite": (
        f"CREATE TRIGGER activation_is_final BEFORE UPDATE ON {TABLE} WHEN {_UNDONE} "
        f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
        # A row that is gone could be written anew, in onboarding.
        f"CREATE TRIGGER activation_is_not_deleted BEFORE DELETE ON {TABLE} WHEN OLD.state = 'active' "
        f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION activation_is_final() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"BEGIN RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'restrict_violation'; END $$",
        f"CREATE TRIGGER activation_is_final BEFORE UPDATE ON {TABLE} "
        f"FOR EACH ROW WHEN ({_UNDONE}) EXECUTE FUNCTION activation_is_final()",
        f"CREATE TRIGGER activation_is_not_deleted BEFORE DELETE ON {TABLE} "
        "FOR EACH ROW WHEN (OLD.state = 'active') EXECUTE FUNCTION activation_is_final()",
    ),
}
RELEASES: Final[dict[str, tuple[str, ...]]] = {
    "sqlite": (
        "DROP TRIGGER IF EXISTS activation_is_final",
        "DROP TRIGGER IF EXISTS activation_is_not_deleted",
    ),
    "postgresql": (
        f"DROP TRIGGER IF EXISTS activation_is_final ON {TABLE}",
        f"DROP TRIGGER IF EXISTS activation_is_not_deleted ON {TABLE}",
        "DROP FUNCTION IF EXISTS activation_is_final()",
    ),
}


def guard(apps: StateApps | None, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Put the trigger on the table, in place of one that may be there."""
    release(apps, schema_editor)
    for statement in GUARDS[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def release(apps: StateApps | None, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Take the trigger off."""
    for statement in RELEASES[schema_editor.connection.vendor]:
        schema_editor.execute(statement)

"""What is issued stays as it is, held in the database itself: no client of it can change that (INV-1).

An issued invoice may be settled or made void, once, with what belongs to that; nothing else of it
moves, and neither it nor a line of it can be deleted. Only UPDATE and DELETE are watched, so writing
invoices costs nothing more.

SQLite makes a table anew when a migration alters it, and the triggers go with the old one: such a
migration calls `guard` again as its last step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor
    from django.db.migrations.state import StateApps

REFUSAL: Final = "an issued invoice never changes (INV-1)"

INVOICES: Final = "billing_invoice"
LINES: Final = "billing_invoiceline"

FOR_GOOD: Final = (
    "id",
    "account_id",
    "brand_id",
    "run_id",
    "kind",
    "number",
    "sequence",
    "issued_on",
    "issued_at",
    "due_on",
    "period_start",
    "period_end",
    "currency",
    "subtotal",
    "tax",
    "total",
    "corrects_id",
)
"""Columns that stand from the moment of issue."""

ONCE: Final = ("state", "paid_on", "payment_reference", "void_reason")
"""Columns that move together, once: from issued to paid, or to void."""

MOVES: Final = ("settled",)
"""The column that moves while an invoice is open: how much of it is paid. A check holds it to the total at the end."""


def _differs(columns: tuple[str, ...], comparison: str) -> str:
    return " OR ".join(f"OLD.{column} {comparison} NEW.{column}" for column in columns)


def _forbidden(comparison: str) -> str:
    """The condition under which an update of an invoice is refused."""
    return (
        f"OLD.state <> 'draft' AND ({_differs(FOR_GOOD, comparison)} "
        f"OR (({_differs(ONCE, comparison)}) AND NOT (OLD.state = 'issued' AND NEW.state IN ('paid', 'void'))))"
    )


_OF_AN_ISSUED: Final = "EXISTS (SELECT 1 FROM billing_invoice WHERE id = OLD.invoice_id AND state <> 'draft')"
_ABORT: Final = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"

GUARDS: Final[dict[str, tuple[str, ...]]] = {
    "sqlite": (
        f"CREATE TRIGGER issued_refuses_update BEFORE UPDATE ON {INVOICES} "
        f"WHEN {_forbidden('IS NOT')} {_ABORT}",
        f"CREATE TRIGGER issued_refuses_delete BEFORE DELETE ON {INVOICES} "
        f"WHEN OLD.state <> 'draft' {_ABORT}",
        f"CREATE TRIGGER issued_line_refuses_update BEFORE UPDATE ON {LINES} WHEN {_OF_AN_ISSUED} {_ABORT}",
        f"CREATE TRIGGER issued_line_refuses_delete BEFORE DELETE ON {LINES} WHEN {_OF_AN_ISSUED} {_ABORT}",
    ),
    "postgresql": (
        "CREATE FUNCTION issued_never_changes() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"BEGIN RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'restrict_violation'; END $$",
        "CREATE FUNCTION issued_line_never_changes() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"BEGIN IF {_OF_AN_ISSUED} THEN "
        f"RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'restrict_violation'; END IF; "
        "IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$",
        f"CREATE TRIGGER issued_refuses_update BEFORE UPDATE ON {INVOICES} FOR EACH ROW "
        f"WHEN ({_forbidden('IS DISTINCT FROM')}) EXECUTE FUNCTION issued_never_changes()",
        f"CREATE TRIGGER issued_refuses_delete BEFORE DELETE ON {INVOICES} FOR EACH ROW "
        "WHEN (OLD.state <> 'draft') EXECUTE FUNCTION issued_never_changes()",
        f"CREATE TRIGGER issued_line_refuses_change BEFORE UPDATE OR DELETE ON {LINES} FOR EACH ROW "
        "EXECUTE FUNCTION issued_line_never_changes()",
    ),
}
RELEASES: Final[dict[str, tuple[str, ...]]] = {
    "sqlite": tuple(
        f"DROP TRIGGER IF EXISTS {name}"
        for name in (
            "issued_refuses_update",
            "issued_refuses_delete",
            "issued_line_refuses_update",
            "issued_line_refuses_delete",
        )
    ),
    "postgresql": (
        f"DROP TRIGGER IF EXISTS issued_refuses_update ON {INVOICES}",
        f"DROP TRIGGER IF EXISTS issued_refuses_delete ON {INVOICES}",
        f"DROP TRIGGER IF EXISTS issued_line_refuses_change ON {LINES}",
        "DROP FUNCTION IF EXISTS issued_never_changes()",
        "DROP FUNCTION IF EXISTS issued_line_never_changes()",
    ),
}


def guard(apps: StateApps | None, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Put the triggers on the tables, in place of those that may be there."""
    release(apps, schema_editor)
    _run(GUARDS, schema_editor)


def release(apps: StateApps | None, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Take the triggers off."""
    _run(RELEASES, schema_editor)


def _run(statements: dict[str, tuple[str, ...]], schema_editor: BaseDatabaseSchemaEditor) -> None:
    for statement in statements[schema_editor.connection.vendor]:
        schema_editor.execute(statement)

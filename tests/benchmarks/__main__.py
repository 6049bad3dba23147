"""`python -m tests.benchmarks`: start PostgreSQL, make its tables, measure, print."""

from __future__ import annotations

import argparse
import os
import tempfile

from tests.services import postgres


def main() -> None:
    """Measure what is asked for, at the sizes asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--accounts", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", choices=["run", "import", "usage"], help="One of the three alone.")
    parser.add_argument("--records", type=int, default=1_000_000, help="Call records to import.")
    asked = parser.parse_args()
    named = os.environ.get("TEST_DATABASE_URL")
    with postgres(named) as server, tempfile.TemporaryDirectory() as folder:
        os.environ["DATABASE_URL"] = server.url
        os.environ["DATA_DIR"] = folder
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlpanel.settings")
        _make_database(server.url)
        print(server.description)
        from tests.benchmarks import invoice_run, usage_import, usage_run

        if asked.only in (None, "run"):
            for accounts in asked.accounts:
                print(invoice_run.measure(accounts, asked.repeats), flush=True)
        if asked.only in (None, "import"):
            print(usage_import.measure(asked.records, max(asked.accounts), asked.repeats), flush=True)
        if asked.only in (None, "usage"):
            print(usage_run.measure(max(asked.accounts), asked.repeats), flush=True)


def _make_database(url: str) -> None:
    import django
    import psycopg
    from django.core.management import call_command

    server, _, name = url.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if known is None:
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
    django.setup()
    call_command("migrate", verbosity=0)


if __name__ == "__main__":
    main()

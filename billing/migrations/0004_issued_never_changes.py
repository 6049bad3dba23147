"""Triggers that refuse to change or delete what has been issued (INV-1)."""

from django.db import migrations

from billing.permanence import guard, release


class Migration(migrations.Migration):
    dependencies = [("billing", "0003_run_scope_and_credit_notes")]

    operations = [migrations.RunPython(guard, release)]

"""Triggers that refuse to change or delete an entry of the audit trail (ACC-5)."""

from django.db import migrations

from accounts.append_only import guard, release


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_staff_groups")]

    operations = [migrations.RunPython(guard, release)]

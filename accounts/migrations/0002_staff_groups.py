"""The three groups of the provider's staff (ACC-3)."""

from django.db import migrations

GROUPS = ("Onboarding team", "Finance", "Support")


def make(apps, schema_editor):
    Group = apps.get_model("auth", "Group")
    for name in GROUPS:
        Group.objects.get_or_create(name=name)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial"), ("auth", "0012_alter_user_first_name_max_length")]

    # The groups stay when this is undone: people may be in them.
    operations = [migrations.RunPython(make, migrations.RunPython.noop)]

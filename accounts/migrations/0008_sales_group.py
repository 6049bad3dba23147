"""The group of the sales representatives, who write quotes (ACC-3, ORD-1)."""

from django.db import migrations


def make(apps, schema_editor):
    apps.get_model("auth", "Group").objects.get_or_create(name="Sales")


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_mail_without_an_account"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    # The group stays when this is undone: people may be in it.
    operations = [migrations.RunPython(make, migrations.RunPython.noop)]

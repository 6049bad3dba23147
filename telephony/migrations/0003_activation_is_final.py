"""A trigger that refuses to take a contact center back from active (ONB-8)."""

from django.db import migrations

from telephony.finality import guard, release


class Migration(migrations.Migration):
    dependencies = [("telephony", "0002_contact_center")]

    operations = [migrations.RunPython(guard, release)]

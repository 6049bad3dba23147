"""Sells plans; counts what was paid before parts could be as paid in full; and guards issued invoices again."""

from django.db import migrations, models
from django.db.models import F

from billing import permanence


def sell(apps, schema_editor):
    """Have the packages be registered as plans."""
    apps.get_model("billing", "Product").objects.filter(family="plan").update(is_on_sale=True)


def withdraw(apps, schema_editor):
    """Take them off the shelf again."""
    apps.get_model("billing", "Product").objects.filter(family="plan").update(is_on_sale=False)


def settle(apps, schema_editor):
    """Count the whole of a paid invoice as paid."""
    apps.get_model("billing", "Invoice").objects.filter(state="paid").update(settled=F("total"))


class Migration(migrations.Migration):
    dependencies = [("billing", "0014_plans_and_payments")]

    operations = [
        migrations.RunPython(sell, withdraw),
        migrations.RunPython(settle, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.CheckConstraint(
                condition=models.Q(("state", "paid"), _negated=True) | models.Q(("settled", F("total"))),
                name="paid_is_settled",
            ),
        ),
        migrations.RunPython(permanence.guard, permanence.release),
    ]

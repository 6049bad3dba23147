"""Put hardware on sale: it can be ordered, and ships."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def sell(apps: Apps, _: BaseDatabaseSchemaEditor) -> None:
    """Open the shelf."""
    apps.get_model("billing", "Product").objects.filter(family="hardware").update(is_on_sale=True)


def withdraw(apps: Apps, _: BaseDatabaseSchemaEditor) -> None:
    """Close it again."""
    apps.get_model("billing", "Product").objects.filter(family="hardware").update(is_on_sale=False)


class Migration(migrations.Migration):
    dependencies = [("billing", "0011_orders")]

    operations = [migrations.RunPython(sell, withdraw)]

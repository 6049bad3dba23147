"""Which family each phone of the catalogue is of. The headset has none: it is no device (ORD-6)."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

FAMILIES = {
    "phone-desk-basic": "yealink",
    "phone-desk-executive": "yealink",
    "phone-conference": "poly",
    "phone-cordless": "yealink",
}


def load(apps: Apps, _: BaseDatabaseSchemaEditor | None) -> None:
    """Give each phone its family."""
    family = apps.get_model("hardware", "ProductFamily")
    for product in apps.get_model("billing", "Product").objects.filter(code__in=FAMILIES):
        family.objects.get_or_create(product=product, defaults={"family": FAMILIES[product.code]})


def take_away(apps: Apps, _: BaseDatabaseSchemaEditor) -> None:
    """Nothing has a family."""
    apps.get_model("hardware", "ProductFamily").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("hardware", "0002_devices")]

    operations = [migrations.RunPython(load, take_away)]

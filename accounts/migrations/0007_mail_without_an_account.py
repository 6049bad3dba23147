"""Mail to who has no account yet: a quote is sent before there is one (ORD-1)."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_partners")]

    operations = [
        migrations.AlterField(
            model_name="outgoingmail",
            name="account",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="outgoing_mail",
                to="accounts.account",
            ),
        ),
        migrations.AddField(
            model_name="outgoingmail",
            name="brand",
            field=models.ForeignKey(
                blank=True,
                help_text="The sender, where there is no account yet.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="outgoing_mail",
                to="accounts.brand",
            ),
        ),
        migrations.AddConstraint(
            model_name="outgoingmail",
            constraint=models.CheckConstraint(
                condition=models.Q(("account__isnull", False), ("brand", None))
                | models.Q(("account", None), ("brand__isnull", False)),
                name="mail_is_of_an_account_or_a_brand",
            ),
        ),
    ]

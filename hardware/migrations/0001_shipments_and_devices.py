"""Shipments of ordered hardware, and the devices that its units become."""

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0006_partners'),
        ('billing', '0011_orders'),
    ]

    operations = [
        migrations.CreateModel(
            name='Shipment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('shipped_on', models.DateField(help_text="The account's own date of its recording.")),
                ('recorded_at', models.DateTimeField()),
                ('recorded_by', models.CharField(max_length=120)),
                ('carrier', models.CharField(blank=True, max_length=60)),
                ('tracking', models.CharField(blank=True, max_length=80)),
                ('order', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='shipments', to='billing.order')),
            ],
            options={
                'ordering': ('-id',),
            },
        ),
        migrations.CreateModel(
            name='ShippedUnits',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('quantity', models.PositiveIntegerField()),
                ('charge', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.charge')),
                ('line', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='shipped_units', to='billing.orderline')),
                ('shipment', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='units', to='hardware.shipment')),
            ],
            options={
                'verbose_name_plural': 'shipped units',
                'ordering': ('id',),
            },
        ),
        migrations.CreateModel(
            name='Device',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('mac', models.CharField(max_length=17, unique=True, validators=[django.core.validators.RegexValidator('^([0-9A-F]{2}:){5}[0-9A-F]{2}$', 'A MAC address is like 00:15:65:A1:B2:C3.')], verbose_name='MAC')),
                ('serial', models.CharField(blank=True, max_length=40)),
                ('added_on', models.DateField()),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='devices', to='accounts.account')),
                ('product', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='devices', to='billing.product')),
                ('units', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='devices', to='hardware.shippedunits')),
            ],
            options={
                'ordering': ('mac',),
            },
        ),
        migrations.AddConstraint(
            model_name='shippedunits',
            constraint=models.CheckConstraint(condition=models.Q(('quantity__gte', 1)), name='shipped_units_have_a_quantity'),
        ),
    ]

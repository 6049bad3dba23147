"""What devices need to be assigned and to check in, which family a phone is of, and refused check-ins by day."""

import django.core.validators
import django.db.models.deletion
import hardware.models
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0006_partners'),
        ('billing', '0012_sell_hardware'),
        ('hardware', '0001_shipments_and_devices'),
        ('telephony', '0003_activation_is_final'),
    ]

    operations = [
        migrations.CreateModel(
            name='ProductFamily',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('family', models.CharField(choices=[('yealink', 'Yealink'), ('poly', 'Poly')], max_length=10)),
            ],
            options={
                'verbose_name': 'phone family',
                'verbose_name_plural': 'phone families',
                'ordering': ('product__rank', 'product'),
            },
        ),
        migrations.CreateModel(
            name='RefusedCheckIns',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('day', models.DateField(help_text='In UTC.', unique=True)),
                ('unknown_mac', models.PositiveIntegerField(default=0, verbose_name='unknown MAC')),
                ('wrong_secret', models.PositiveIntegerField(default=0)),
            ],
            options={
                'verbose_name_plural': 'refused check-ins',
                'ordering': ('-day',),
            },
        ),
        migrations.CreateModel(
            name='SipServer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('host', models.CharField(max_length=120, validators=[django.core.validators.RegexValidator('^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$', 'Use a host name.')])),
                ('port', models.PositiveIntegerField(default=5061)),
            ],
            options={
                'verbose_name': 'SIP server',
                'ordering': ('brand',),
            },
        ),
        migrations.AddField(
            model_name='device',
            name='assigned_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='device',
            name='connected_at',
            field=models.DateTimeField(blank=True, help_text='Its last check-in.', null=True),
        ),
        migrations.AddField(
            model_name='device',
            name='e911_acknowledged_at',
            field=models.DateTimeField(blank=True, null=True, verbose_name='emergency location acknowledged at'),
        ),
        migrations.AddField(
            model_name='device',
            name='e911_acknowledged_by',
            field=models.CharField(blank=True, max_length=120, verbose_name='emergency location acknowledged by'),
        ),
        migrations.AddField(
            model_name='device',
            name='e911_address',
            field=models.CharField(blank=True, help_text='As it was acknowledged.', max_length=300, verbose_name='emergency address'),
        ),
        migrations.AddField(
            model_name='device',
            name='end_user',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='devices', to='accounts.enduser'),
        ),
        migrations.AddField(
            model_name='device',
            name='location',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='devices', to='accounts.location'),
        ),
        migrations.AddField(
            model_name='device',
            name='rebooted_at',
            field=models.DateTimeField(blank=True, help_text='Its last check-in after starting.', null=True),
        ),
        migrations.AddField(
            model_name='device',
            name='retired_on',
            field=models.DateField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='device',
            name='salt',
            field=models.CharField(default=hardware.models.new_salt, editable=False, max_length=24),
        ),
        migrations.AddField(
            model_name='device',
            name='service',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='devices', to='telephony.service'),
        ),
        migrations.AlterField(
            model_name='device',
            name='mac',
            field=models.CharField(max_length=17, validators=[django.core.validators.RegexValidator('^([0-9A-F]{2}:){5}[0-9A-F]{2}$', 'A MAC address is like 00:15:65:A1:B2:C3.')], verbose_name='MAC'),
        ),
        migrations.AddIndex(
            model_name='device',
            index=models.Index(fields=['account', 'mac'], name='device_by_account'),
        ),
        migrations.AddConstraint(
            model_name='device',
            constraint=models.UniqueConstraint(condition=models.Q(('retired_on', None)), fields=('mac',), name='one_device_a_mac'),
        ),
        migrations.AddConstraint(
            model_name='device',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('assigned_at', None), ('end_user', None), ('location', None), ('service', None)), models.Q(models.Q(models.Q(('end_user', None), ('service__isnull', False)), models.Q(('end_user__isnull', False), ('service', None)), _connector='OR'), ('assigned_at__isnull', False), ('e911_acknowledged_at__isnull', False), ('location__isnull', False), ('retired_on', None)), _connector='OR'), name='device_has_one_holder_at_a_location'),
        ),
        migrations.AddField(
            model_name='productfamily',
            name='product',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='phone_family', to='billing.product'),
        ),
        migrations.AddField(
            model_name='sipserver',
            name='brand',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='sip_server', to='accounts.brand'),
        ),
    ]

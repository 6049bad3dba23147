"""Requests to move numbers between carriers."""

import django.core.validators
import django.db.models.deletion
import django_fsm
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0006_partners'),
        ('telephony', '0003_activation_is_final'),
    ]

    operations = [
        migrations.CreateModel(
            name='PortRequest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('direction', models.CharField(choices=[('in', 'Port-in'), ('out', 'Port-out')], max_length=3)),
                ('state', django_fsm.FSMField(choices=[('draft', 'Draft'), ('submitted', 'Submitted'), ('confirmed', 'Confirmed'), ('done', 'Done'), ('rejected', 'Rejected'), ('cancelled', 'Cancelled')], default='draft', max_length=50, protected=True)),
                ('carrier', models.CharField(help_text='The other carrier: where from, or where to.', max_length=80)),
                ('carrier_account', models.CharField(blank=True, help_text="As the other carrier's bill has it.", max_length=40, verbose_name='account number there')),
                ('authorised_by', models.CharField(help_text='Who may speak for the numbers, as the other carrier knows them.', max_length=120)),
                ('wanted_on', models.DateField(blank=True, help_text='The day that the customer asks for.', null=True)),
                ('confirmed_for', models.DateField(blank=True, null=True)),
                ('done_on', models.DateField(blank=True, null=True)),
                ('reason', models.CharField(blank=True, help_text='Why it was rejected.', max_length=300)),
                ('created_at', models.DateTimeField()),
                ('created_by', models.CharField(max_length=120)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='port_requests', to='accounts.account')),
            ],
            options={
                'ordering': ('-id',),
            },
        ),
        migrations.CreateModel(
            name='PortNumber',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('e164', models.CharField(max_length=16, validators=[django.core.validators.RegexValidator('^\\+[1-9]\\d{4,14}$', 'Use the international form, like +12125550100.')], verbose_name='number')),
                ('request', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='numbers', to='telephony.portrequest')),
            ],
            options={
                'ordering': ('e164',),
            },
        ),
        migrations.AddIndex(
            model_name='portrequest',
            index=models.Index(fields=['account', '-id'], name='port_by_account'),
        ),
        migrations.AddIndex(
            model_name='portrequest',
            index=models.Index(condition=models.Q(('state', 'confirmed')), fields=['confirmed_for'], name='port_due'),
        ),
        migrations.AddConstraint(
            model_name='portrequest',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state__in', ('confirmed', 'done')), _negated=True), ('confirmed_for__isnull', False), _connector='OR'), name='confirmed_port_has_its_day'),
        ),
        migrations.AddConstraint(
            model_name='portrequest',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'rejected'), _negated=True), models.Q(('reason', ''), _negated=True), _connector='OR'), name='rejected_port_says_why'),
        ),
        migrations.AddIndex(
            model_name='portnumber',
            index=models.Index(fields=['e164'], name='port_by_number'),
        ),
        migrations.AddConstraint(
            model_name='portnumber',
            constraint=models.UniqueConstraint(fields=('request', 'e164'), name='one_number_of_a_port_once'),
        ),
    ]


from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='JobRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('job', models.CharField(max_length=100)),
                ('status', models.CharField(choices=[('running', 'Running'), ('succeeded', 'Succeeded'), ('failed', 'Failed'), ('abandoned', 'Abandoned')], default='running', max_length=10)),
                ('started_at', models.DateTimeField()),
                ('finished_at', models.DateTimeField(null=True)),
                ('result', models.JSONField(null=True)),
                ('error', models.TextField(blank=True, default='')),
            ],
            options={
                'db_table': 'job_runs',
                'indexes': [models.Index(fields=['job', '-started_at'], name='job_runs_job_started'), models.Index(fields=['job', 'status', '-finished_at'], name='job_runs_job_finished')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', True), ('status', 'running')), models.Q(models.Q(('status', 'running'), _negated=True), ('finished_at__isnull', False)), _connector='OR'), name='job_runs_finished_unless_running'), models.CheckConstraint(condition=models.Q(('status__in', ['running', 'succeeded', 'failed', 'abandoned'])), name='job_runs_known_status')],
            },
        ),
    ]

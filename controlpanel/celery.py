"""The task queue. Its settings are Django's, those that begin with ``CELERY_``."""

import logging.config
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from django.conf import settings
from kombu.transport import TRANSPORT_ALIASES

from controlpanel.filebroker import make_folders

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlpanel.settings")

TRANSPORT_ALIASES["filesystem"] = "controlpanel.filebroker:Transport"

app = Celery("controlpanel")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.on_after_configure.connect
def prepare_broker(sender: Celery, **kwargs: Any) -> None:
    """Make the folders of the embedded broker, for whoever uses it first."""
    make_folders(settings.CELERY_BROKER_TRANSPORT_OPTIONS)


@setup_logging.connect
def log_as_django_does(**kwargs: Any) -> None:
    """Keep Celery from bringing log handlers and a format of its own."""
    logging.config.dictConfig(settings.LOGGING)

"""The project: settings, addresses, the task queue, and the pages that put apps together."""

from controlpanel.celery import app as celery_app

__all__ = ["celery_app"]

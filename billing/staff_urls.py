"""Addresses of the staff's pages of invoice runs and of mail, below /staff/."""

from django.urls import path

from accounts.views import mail
from billing.views import runs

app_name = "staff"

urlpatterns = [
    path("runs/", runs.runs, name="runs"),
    path("runs/again/", runs.again_all, name="runs-again"),
    path("runs/<int:pk>/", runs.run, name="run"),
    path("runs/<int:pk>/again/", runs.again, name="run-again"),
    path("mail/", mail.mails, name="mail"),
    path("mail/<int:pk>/", mail.message, name="mail-message"),
    path("mail/<int:pk>/html/", mail.message_html, name="mail-html"),
]

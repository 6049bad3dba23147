"""Addresses of the staff's pages of usage imports, below /staff/usage/."""

from django.urls import path

from telephony.views import usage_imports

app_name = "imports"

urlpatterns = [
    path("", usage_imports.imports, name="imports"),
    path("imports.csv", usage_imports.imports_csv, name="imports-csv"),
    path("sample.csv", usage_imports.sample, name="sample"),
    path("new/", usage_imports.send, name="send"),
    path("<int:pk>/", usage_imports.report, name="import"),
    path("<int:pk>/refused.csv", usage_imports.faults_csv, name="faults-csv"),
]

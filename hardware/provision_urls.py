"""Where phones fetch their configurations: outside of every account, since a phone knows of none."""

from django.urls import re_path

from hardware.views.provision import provision

MAC = r"(?P<mac>(?:[0-9A-Fa-f]{2}[:-]?){5}[0-9A-Fa-f]{2})"
BEHIND = r"(?P<secret>[^/]{1,64})"

app_name = "provision"

urlpatterns = [
    re_path(rf"^provision/{MAC}\.cfg$", provision, name="file"),
    re_path(rf"^provision/{MAC}-line\.cfg$", provision, {"is_line": True}, name="line"),
    re_path(rf"^provision/{BEHIND}/{MAC}\.cfg$", provision, name="file-by-secret"),
    re_path(rf"^provision/{BEHIND}/{MAC}-line\.cfg$", provision, {"is_line": True}, name="line-by-secret"),
]

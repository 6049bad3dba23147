"""Files that a person has chosen, kept between the look at them and the button that takes them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile
    from django.http import HttpRequest

KEPT: Final = timedelta(days=1)
"""A file that nobody takes is kept so long."""
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class KeptFiles:
    """Files of one kind, in a folder of their own; each is there for the person who chose it alone."""

    folder_name: str

    def keep(self, request: HttpRequest, file: UploadedFile[Any], at: datetime) -> str:
        """Keep a file under its own digest, which is returned; those that nobody came back for go."""
        forgotten = (at - KEPT).timestamp()
        for old in self._folder().iterdir():
            if old.stat().st_mtime < forgotten:
                old.unlink(missing_ok=True)
        digest = hashlib.sha256()
        for chunk in file.chunks():
            digest.update(chunk)
        name = digest.hexdigest()
        part = self._folder() / f"{name}.part"
        with part.open("wb") as copy:
            for chunk in file.chunks():
                copy.write(chunk)
        part.replace(self._folder() / f"{name}.csv")
        request.session[self.folder_name] = {
            **request.session.get(self.folder_name, {}),
            name: str(file.name or "upload.csv")[:120],
        }
        return name

    def find(self, request: HttpRequest, digest: str) -> tuple[str, Path | None]:
        """The name and the place of a file that this person has chosen; no place where it is no longer there."""
        name = request.session.get(self.folder_name, {}).get(digest)
        path = self._folder() / f"{digest}.csv"
        if name is None or not _DIGEST.fullmatch(digest) or not path.is_file():
            return "", None
        return name, path

    def _folder(self) -> Path:
        folder: Path = settings.DATA_DIR / self.folder_name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

"""How is a report shown, and put into a file?

The face of `probe.formats`: each format is imported only when asked for, so that measuring never pays for rendering.
Whether a verdict is right is for `probe.verdict`; the JSON itself is `probe.records`.
"""

import errno
import os
import tempfile
from enum import StrEnum
from pathlib import Path

from probe import records
from probe.model.results import Report


class Format(StrEnum):
    """What `--format` takes."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    JUNIT = "junit"
    MARKDOWN = "markdown"
    HTML = "html"


def render(
    report: Report, output_format: Format, *, width: int = 80, color: bool = False, ascii_only: bool = False
) -> str | bytes:
    """The whole output, ending with a newline; `width` (columns), `color` and `ascii_only` concern the table alone."""
    match output_format:
        case Format.TABLE:
            from probe.formats.table import render_table

            return render_table(report, width, color, ascii_only=ascii_only)
        case Format.JSON:
            return records.encode(report) + b"\n"
        case Format.JSONL:
            from probe.formats.json_lines import render_json_lines

            return render_json_lines(report)
        case Format.JUNIT:
            from probe.formats.junit import render_junit

            return render_junit(report)
        case Format.MARKDOWN:
            from probe.formats.markdown import render_markdown

            return render_markdown(report)
        case Format.HTML:
            from probe.formats.html import render_html

            return render_html(report)


def write(path: Path, data: str | bytes) -> None:
    """Put `data` at `path` whole or not at all: what was there stays until the new file is on the disk.

    The file gets the permissions that the old one had, else what the umask leaves. A symbolic link is followed; what
    is no regular file (a pipe, /dev/stdout) is written to. Raises OSError.
    """
    content = data.encode() if isinstance(data, str) else data
    if path.exists() and not path.is_file():  # asked before links are followed: those of /dev/stdout lead to no name
        path.write_bytes(content)
        return
    path = path.resolve()
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def require_writable(path: Path) -> None:
    """Raises OSError where `write` could not put a file at `path`; what is there stays as it is."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if path.exists() and not path.is_file():
        return
    descriptor, temporary = tempfile.mkstemp(dir=path.resolve().parent, prefix=f".{path.name[:40]}.", suffix=".tmp")
    os.close(descriptor)
    Path(temporary).unlink()


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current


def _sync_directory(directory: Path) -> None:
    """Make the new name survive a power cut; Windows cannot open a directory, and does it by itself."""
    if os.name == "nt":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""targets.yaml checked, listed and described."""

import os
from pathlib import Path

from probe import config
from probe.commands import terminal
from probe.commands.contacts import contacts_text


def check_targets(file: Path | None) -> int:
    """Every mistake of a targets.yaml on standard error, exit 2; else one line and 0."""
    try:
        path = config.find(config.read_settings(os.environ, targets=file).targets)
        listed = config.load(path)
    except config.ConfigError as error:
        return terminal.refuse(*error.lines)
    terminal.show(f"{path}: {len(listed.targets)} targets, no mistakes")
    return 0


def list_targets(file: Path | None) -> int:
    """What would be contacted, and how many bytes it may take."""
    try:
        settings = config.read_settings(os.environ, targets=file)
        listed = config.load(config.find(settings.targets))
    except config.ConfigError as error:
        return terminal.refuse(*error.lines)
    terminal.show(contacts_text(config.planned(listed, listed.targets, uploads=settings.uploads)))
    return 0


def print_schema() -> int:
    """The JSON Schema of targets.yaml, as it stands in docs/schema/."""
    terminal.show(config.schema_text().rstrip())
    return 0

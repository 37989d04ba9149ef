"""Which targets and controls did the person write down, as typed data, or else everything that is wrong with it?

Finds and reads targets.yaml and the file of known blockpages. What may stand in a targets.yaml is in `targets_schema`,
what is wrong with one in `targets_check`; all of watch.yaml is `watch_file`'s. YAML and places in it are
`yaml_source`'s, the environment is `settings`', and what follows from a list is `plan`'s. All of that is offered from
here. Nothing contacts anything.
"""

import json
import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from probe.config.mistakes import ConfigError, Mistake, lacking, unreadable
from probe.config.plan import Contact, Plan, TargetPlan, planned
from probe.config.settings import Settings, read_settings
from probe.config.watch_file import WatchConfig, load_watch, service_directories
from probe.model.targets import TargetList

__all__ = [
    "ConfigError",
    "Contact",
    "Mistake",
    "Plan",
    "Settings",
    "TargetList",
    "TargetPlan",
    "WatchConfig",
    "find",
    "load",
    "load_blockpages",
    "load_watch",
    "parse",
    "planned",
    "read_settings",
    "schema",
    "schema_text",
]

APPLICATION = "throttleprobe"
FILE_NAME = "targets.yaml"
MIN_BLOCKPAGE_CHARACTERS = 12  # a shorter text stands in innocent pages too, and would accuse them
MAX_BLOCKPAGES = 1_000  # every page that is fetched is searched for each


def load(path: Path) -> TargetList:
    """Read a targets.yaml. Raises `ConfigError` with every mistake; a file that cannot be read is one."""
    return parse(_read(path), name=str(path))


def parse(text: str, *, name: str) -> TargetList:
    """Read the text of a targets.yaml; `name` is what mistakes call it. Raises `ConfigError` with every mistake."""
    from probe.config import targets_check, yaml_source
    from probe.config.findings import located

    source = yaml_source.read(text, name=name)
    target_list, findings = targets_check.check(source.root.plain())
    mistakes = located(findings, source)
    if target_list is None or mistakes:
        raise ConfigError(mistakes, name=name)
    return target_list


def schema() -> dict[str, Any]:
    """The JSON Schema of targets.yaml, equal to docs/schema/targets.schema.json."""
    from probe.config import targets_schema

    return targets_schema.json_schema()


def schema_text() -> str:
    """The same as the text of that file: `throttleprobe targets schema > docs/schema/targets.schema.json` makes it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def find(explicit: Path | None) -> Path:
    """The targets.yaml to use: the one named, else ./targets.yaml, a service's, the configuration directory's, the
    packaged one.

    Raises `ConfigError` where the named one does not exist; a named file is never replaced by another.
    """
    if explicit is not None:
        if reason := lacking(explicit):
            raise unreadable(explicit, reason)
        return explicit
    import platformdirs

    places = (
        Path(FILE_NAME),
        *(place / FILE_NAME for place in service_directories(os.environ)),
        Path(platformdirs.user_config_dir(APPLICATION)) / FILE_NAME,
        _package() / FILE_NAME,
        _package().parent / FILE_NAME,  # a checkout: the packaged copy is made from this file
    )
    for place in places:
        if not lacking(place):
            return place
    raise ConfigError(
        tuple(Mistake(line=0, column=0, path=str(place), message="no such file") for place in places), name=FILE_NAME
    )


def load_blockpages(path: Path) -> Mapping[str, str]:
    """Texts that are known to stand in blockpages, by name: a YAML mapping of name to text.

    A page that holds one is called a blockpage, so short texts are refused. Raises `ConfigError` with every mistake.
    """
    from probe.config import yaml_source

    source = yaml_source.read(_read(path), name=str(path))
    mistakes = list(source.mistakes)
    entries = source.root.entries
    if entries is None:
        mistakes.append(_at(source.root.line, source.root.column, (), "must be a mapping of name to text"))
        entries = {}
    if len(entries) > MAX_BLOCKPAGES:
        mistakes.append(_at(source.root.line, source.root.column, (), f"more than {MAX_BLOCKPAGES} texts"))
    texts: dict[str, str] = {}
    for name, (_, value) in entries.items():
        text = value.scalar
        if not isinstance(text, str) or len(text.strip()) < MIN_BLOCKPAGE_CHARACTERS:
            message = f"must be text of at least {MIN_BLOCKPAGE_CHARACTERS} characters"
            mistakes.append(_at(value.line, value.column, (name,), message))
        else:
            texts[name] = text.strip()
    if mistakes:
        raise ConfigError(tuple(mistakes), name=str(path))
    return texts


def _at(line: int, column: int, path: tuple[str, ...], message: str) -> Mistake:
    from probe.config.yaml_source import spell

    return Mistake(line=line, column=column, path=spell(path), message=message)


def _read(path: Path) -> str:
    """The text of a file, whole; `ConfigError` where it cannot be read, is too large, or is not UTF-8."""
    from probe.config import yaml_source

    return yaml_source.read_text(path)


def _package() -> Path:
    """Where the package's own files lie."""
    return Path(str(resources.files("probe")))

"""Which lab tests run only when they are asked for?"""

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long runs, marked `bench`, are left out unless the marker expression names them (`-m bench`)."""
    if "bench" in (config.getoption("markexpr") or ""):
        return
    long_runs = [item for item in items if item.get_closest_marker("bench") is not None]
    if long_runs:
        items[:] = [item for item in items if item not in long_runs]
        config.hook.pytest_deselected(items=long_runs)

"""Settings that all tests share."""

import os
from collections.abc import Generator

import pytest
from hypothesis import settings

CI = bool(os.environ.get("CI"))

ALLOWED_SKIPS = ("no GPU", "the published parameters are not beside this checkout")
"""What a CI machine may lack; any other skipped test fails there."""

# Examples are drawn from fixed seeds in CI, so that a red run can be repeated; nothing is ever timed.
settings.register_profile("project", deadline=None, derandomize=CI, max_examples=60 if CI else 100)
settings.load_profile("project")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI, turn a skipped test into a failed one: a missing tool must not hide a test there."""
    report = yield
    reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else ""
    # pytest calls an expected failure skipped as well, but it did run.
    is_left_out = report.skipped and not hasattr(report, "wasxfail")
    if CI and is_left_out and not any(allowed in reason for allowed in ALLOWED_SKIPS):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} must run in CI, but was skipped: {reason}"
    return report


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that runs the long tables of cases as a whole."""
    parser.addoption("--table", action="store_true", help="run every row of the long tables of cases")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the rows of long tables out unless they are asked for: the usual run has a part of each."""
    if config.getoption("--table"):
        return
    table = [item for item in items if "table" in item.keywords]
    items[:] = [item for item in items if "table" not in item.keywords]
    config.hook.pytest_deselected(items=table)

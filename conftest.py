"""Settings that all tests share."""

import os

from hypothesis import settings

# Examples are drawn from fixed seeds in CI, so that a red run can be repeated; nothing is ever timed.
settings.register_profile("project", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("project")

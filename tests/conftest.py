"""Settings of all tests."""

from __future__ import annotations

import hypothesis

# The same examples at each run, and no limit on time: a test must not depend on luck or on speed.
hypothesis.settings.register_profile("sequela", deadline=None, derandomize=True)
hypothesis.settings.load_profile("sequela")

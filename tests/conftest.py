# SPDX-License-Identifier: Apache-2.0
"""Settings for all tests."""

from hypothesis import settings

# How long an example takes says something about the machine, not about the code: speed belongs in bench/.
settings.register_profile("registry", deadline=None)
settings.load_profile("registry")

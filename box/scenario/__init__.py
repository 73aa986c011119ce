# SPDX-License-Identifier: Apache-2.0
"""A run on a box that is up: edits, faults, load, and a verdict at the end. See `Scenario`."""

from box.scenario.run import Scenario

__all__ = ["Scenario"]

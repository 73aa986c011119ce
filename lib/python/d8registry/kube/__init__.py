# SPDX-License-Identifier: Apache-2.0
"""Snapshots to model, model to values and objects: the only place that digs in dicts."""

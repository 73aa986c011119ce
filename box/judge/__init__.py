# SPDX-License-Identifier: Apache-2.0
"""The judge: facts of a run go in, violations come out. Nothing here meets the cluster; box.scenario collects."""

# SPDX-License-Identifier: Apache-2.0
"""Move a running cluster from one container registry, or mode, to another."""

# SPDX-License-Identifier: Apache-2.0
"""Frozen values: what is wanted (settings), seen (cluster), remembered (state)."""

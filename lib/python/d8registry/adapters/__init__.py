# SPDX-License-Identifier: Apache-2.0
"""The only code that meets clock, randomness, environment, files and network."""

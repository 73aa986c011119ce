# SPDX-License-Identifier: Apache-2.0
"""Plans, steps, guards; decide what is to be, realise it, report it."""

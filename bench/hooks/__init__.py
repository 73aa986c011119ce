# SPDX-License-Identifier: Apache-2.0
"""What the hooks cost: CPU of a run with nothing to do, Helm runs and API writes of a switch."""

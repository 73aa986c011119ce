# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for what the platform itself brings to a cluster; none of it is the platform's own code."""

# SPDX-License-Identifier: Apache-2.0
"""What to ask registries and the proxy's pods, and what their answers mean."""

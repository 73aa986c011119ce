# SPDX-License-Identifier: Apache-2.0
"""The sidecar of the in-cluster registry proxy: it decides, nginx carries the bytes."""

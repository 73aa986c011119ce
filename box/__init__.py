# SPDX-License-Identifier: Apache-2.0
"""A real small Kubernetes cluster on one machine: `python -m box --help`. Never shipped with the module."""

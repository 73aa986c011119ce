# SPDX-License-Identifier: Apache-2.0
"""What in the cluster still refers to the old base, or needs the old source."""

# SPDX-License-Identifier: Apache-2.0
"""What is measured, against whom, as ratios; timings never decide a test."""

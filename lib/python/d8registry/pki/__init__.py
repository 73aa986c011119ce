# SPDX-License-Identifier: Apache-2.0
"""The module's own authority and the certificate of the fixed address: what to issue or renew, and when."""

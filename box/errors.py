# SPDX-License-Identifier: Apache-2.0
"""The one error of the box."""


class BoxError(Exception):
    """What went wrong with the box, in words for its user: the object, the trouble, the next command."""

# SPDX-License-Identifier: Apache-2.0
"""The platform image set of the box: stand-ins for the platform's images and the module's own, real ones."""

from box.images.build import build
from box.images.imageset import ImageSet, PlatformImage, read_image_set

__all__ = ["ImageSet", "PlatformImage", "build", "read_image_set"]

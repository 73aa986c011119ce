# SPDX-License-Identifier: Apache-2.0
"""The load: on every node new pods whose images have to be fetched anew, the platform's and a tenant's."""

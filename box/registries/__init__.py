# SPDX-License-Identifier: Apache-2.0
"""Registries of the box: what each is like, who may log in, what it does wrong on demand, and who asked it for what.

A registry is distribution (Debian's 2.8 or a built 3.x) on a Unix socket, and before it a front of our own that holds
the public address, TLS, the token server, the faults and the journal.
"""

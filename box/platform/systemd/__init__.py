# SPDX-License-Identifier: Apache-2.0
"""Stand-in for systemd: the init process of a box node.

It runs the unit files that the module and the box install, as the files say, and nothing more of systemd. What a
unit file may hold is listed in `directives`; anything else is an error in the journal, so that a unit which works
here by accident is noticed. Only the standard library is used: the process starts before anything else in a node.
"""

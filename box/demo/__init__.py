# SPDX-License-Identifier: Apache-2.0
"""`make demo`: the first switch on the box, under load, followed live and proven.

`folders`, `client` and `summary` are pure and decide what the demo says; `proofs` and `show` meet the cluster;
`session` puts them in order, on a `box.scenario`.
"""

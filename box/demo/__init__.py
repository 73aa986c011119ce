# SPDX-License-Identifier: Apache-2.0
"""`make demo`: the first switch on the box, under load, followed live and proven.

`view`, `timing`, `pulls`, `folders`, `restarts`, `edit`, `leaks` and `summary` are pure and decide what the demo says;
`api`, `node`, `load`, `follow`, `proofs` and `show` meet the cluster; `session` puts them in order.
"""

# SPDX-License-Identifier: Apache-2.0
"""Stand-in for addon-operator: run the hooks and the chart of one module against a real API server.

Only what the `registry` module can notice is imitated; the binary of addon-operator can take its place with the same
arguments, folders and environment. The pure parts (configuration, contexts, merging, values, pacing) know neither
threads nor a cluster; `monitor`, `queues`, `process`, `helm` and `operator` put them to work.
"""

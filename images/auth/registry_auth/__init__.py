# SPDX-License-Identifier: Apache-2.0
"""The sidecar of the in-cluster registry proxy: it decides, nginx carries the bytes.

For each request nginx asks the sidecar (servers.py, deciding.py). The answer is either the OCI error that the client
gets, or an internal redirect that names the upstream's path and carries the Authorization for it. The sidecar also
writes nginx's configuration from the mounted Secrets, makes nginx load it (controlling.py), and reports what runs.

Pure: model, clients, routes, oci, challenge, deciding, nginx_config. With memory: tokens. Rims: mounts,
upstream_client, nginx_process, resolving, servers, __main__.
"""

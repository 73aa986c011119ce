# SPDX-License-Identifier: Apache-2.0
# Stand-in for the platform's step: the kubelet runs; on a first boot it asks for its certificate and writes its own
# kubeconfig, and until then nothing on the node has an identity of its own.
# shellcheck shell=bash
systemctl enable kubelet.service
systemctl start kubelet.service
for ((tries = 0; tries < 300; tries++)); do
  [[ -s /etc/kubernetes/kubelet.conf ]] && return 0
  sleep 0.2
done
bb-log-error "the kubelet has no certificate after 60 s; see journalctl -u kubelet on this node, kubectl get csr"
return 1

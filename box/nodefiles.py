# SPDX-License-Identifier: Apache-2.0
"""Text of the files that make a node: the units of containerd and kubelet, the kubelet's settings, the pod network.

They hold what lies on a machine of the platform before bashible runs, with the differences that a box in namespaces
needs; each difference is named where it is made.
"""

import json

from box.layout import BRIDGE_ADDRESS, CLUSTER_DOMAIN, Group, Node
from box.platform.approvals import GROUP_LABEL

BIN = "/opt/deckhouse/bin"

CONTAINERD_UNIT = f"""\
[Unit]
Description=containerd container runtime
After=network.target
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={BIN}/containerd
Restart=always
RestartSec=1
KillMode=process
Delegate=yes
LimitNOFILE=infinity
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
OOMScoreAdjust=-999

[Install]
WantedBy=multi-user.target
"""

KUBELET_UNIT = f"""\
[Unit]
Description=kubelet
After=containerd.service
Wants=containerd.service
StartLimitIntervalSec=0

[Service]
ExecStart={BIN}/kubelet --config=/var/lib/kubelet/config.yaml --kubeconfig=/etc/kubernetes/kubelet.conf \
--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --cert-dir=/var/lib/kubelet/pki --hostname-override=%H \
--node-ip=${{NODE_IP}} --node-labels=${{LABELS}} --register-with-taints=${{TAINTS}} --root-dir=/var/lib/kubelet --v=2
EnvironmentFile=/etc/kubernetes/kubelet.env
Restart=always
RestartSec=1
KillMode=process

[Install]
WantedBy=multi-user.target
"""


def render_kubelet_config(node: Node) -> str:
    """Return the KubeletConfiguration; the box's own are cgroup root and driver, swap, and no eviction."""
    config = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": "/etc/kubernetes/pki/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{node.namespace}",
        "clusterDNS": [BRIDGE_ADDRESS],
        "clusterDomain": CLUSTER_DOMAIN,
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "enforceNodeAllocatable": [],
        "evictionHard": {"imagefs.available": "0%", "memory.available": "0%", "nodefs.available": "0%"},
        "failSwapOn": False,
        "imageGCHighThresholdPercent": 100,
        "makeIPTablesUtilChains": False,
        "resolvConf": "/etc/resolv.conf",
        "serializeImagePulls": False,
    }
    return json.dumps(config, indent=2) + "\n"


def render_kubelet_environment(node: Node) -> str:
    """Return what differs between the kubelets of nodes."""
    taints = "node-role.kubernetes.io/control-plane=:NoSchedule" if node.group is Group.MASTER else ""
    labels = f"{GROUP_LABEL}={node.group},node.deckhouse.io/type=Static"
    return f"NODE_IP={node.address}\nTAINTS={taints}\nLABELS={labels}\n"


def render_pod_network(node: Node) -> str:
    """Return the CNI configuration: a bridge with the node's own /24 and no address translation."""
    addresses = {"type": "host-local", "ranges": [[{"subnet": node.pod_range}]], "routes": [{"dst": "0.0.0.0/0"}]}
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": addresses,
    }
    content = {"cniVersion": "0.4.0", "name": "box", "plugins": [bridge]}
    return json.dumps(content, indent=2) + "\n"

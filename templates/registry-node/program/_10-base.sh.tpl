#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# registry-node: keeps what containerd reads below registry.d as Secret d8-system/registry-node-plan says.
#
#   registry-node run      one round: ask, prove, write, report (what the systemd timer and path unit start)
#   registry-node status   what is live on this node, and why
#   registry-node rescue   pull from a source given by hand, when the module itself cannot help
#
# It is safe at any time, any number of times, killed at any line: whatever it decides is first written beside, then
# taken over by one rename. `current` (what is to be live) only moves after every proof of a new layout has passed;
# making the live files equal to `current` is then the same code that repairs a foreign change.
#
#   /var/lib/registry-node/          (0700: it holds passwords, as hosts.toml does)
#     layouts/<token>/folders/…      files as they are to be live          layouts/<token>/counter
#     layouts/<token>/proofs/<n>/    meta, hosts/<host>/… (staged folder with that source alone)
#     current, candidate             symlinks to a layout: live; not proven yet
#     rescue                         symlink to a layout made by hand: live instead of `current` while it is there
#     owned                          folders of registry.d that this program made, one a line
#     seen                           uid and resourceVersion of the Secret that was read last
#     passed, pinned                 ids of proofs that passed; references pinned in containerd
#     dials                          milliseconds that a connection took, by address
#     trial                          the candidate's failure: token, attempts, not before, class, message
#     restored, uninstall            token of a plan that is older than what this node applied; that removes all of ours
#     interval                       seconds between rounds
#     kubelet.json                   what the kubelet itself had for each base that a rescue gave it credentials for
#   /run/registry-node/              what may be lost at a reboot: API client, answers, containerd's start, and what the
#                                    Node's annotation was last told
#
# Helm reads this file as a template and bashible reads it as another: it holds no pair of opening braces.

set -o nounset -o pipefail
export LC_ALL=C TZ=UTC PATH="${PATH:-/usr/sbin:/usr/bin:/sbin:/bin}:/opt/deckhouse/bin"
umask 077

PROGRAM=2
ROOT="${REGISTRY_NODE_ROOT:-}" # another root folder, for tests
LIVE="$ROOT/etc/containerd/registry.d"
CONFIG="$ROOT/etc/containerd"
KEEP="$ROOT/var/lib/registry-node"
RUN="$ROOT/run/registry-node"
DROP_INS="$ROOT/run/systemd/system"
KUBECONFIG_FILE="$ROOT/etc/kubernetes/kubelet.conf"

METADATA='application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1'
SECRET=/api/v1/namespaces/d8-system/secrets/registry-node-plan
FIXED_BASE=registry.d8-system.svc:5001/system/deckhouse
NEVER=9999999999
NEAR='dial_timeout = "300ms"' FAR='dial_timeout = "1s"'
CUT_OFF='the last try was cut off'
LONGEST_STAY=86400 # seconds that a node which is to uninstall waits for containerd to read its files no more
LONGEST_PAUSE=4500 # an hour of Retry-After, and a quarter of jitter

SERVER='' NODE='' STATUS='' REPLY=''
ERROR_CLASS='' ERROR_MESSAGE='' ERROR_TOKEN=''
RETRY_AFTER=0
PLAN_VERSION='' PLAN_COUNTER='' PLAN_TOKEN='' PLAN_INTERVAL='' PLAN_UNINSTALL='' PLAN_PROOFS='' PLAN_PINS=''
CONFIG_PATH=false CUSTOM_CONFIG=false CUSTOM_DETAIL='' FOREIGN_AGENT=''
CONFIG_FILES=() IMPORTS=() OURS_AT=''
WANTED='' STALE=() FRESH=' ' WENT_LIVE=''

log() {
  # Under systemd as "notice": the unit keeps back "info", or each round would leave two lines in the journal.
  echo "${INVOCATION_ID:+<5>}registry-node: $*" >&2
}

log_once() { # KIND MESSAGE: the same message of a kind is logged once
  if ! read_text "$RUN/said-$1" || [[ $REPLY != "$2"$'\n' ]]; then
    log "$2"
    echo "$2" >"$RUN/said-$1"
  fi
}

read_text() { # FILE: its whole text in REPLY, without a process
  REPLY=''
  [[ -f $1 && -r $1 ]] || return 1
  IFS= read -r -d '' REPLY <"$1"
  return 0
}

read_line() { # FILE: its first line in REPLY, empty without a file
  REPLY=''
  [[ -f $1 ]] && IFS= read -r REPLY <"$1"
  return 0
}

write_text() { # FILE TEXT: old or new, never half
  printf '%s' "${2:+$2$'\n'}" >"$1.part" && sync "$1.part" && mv -fT "$1.part" "$1"
}

point() { # LINK TARGET: move a symlink in one step
  ln -sfnT "$2" "$1.part" && mv -fT "$1.part" "$1"
}

token_of() { # LINK: the token that a symlink names, in REPLY
  REPLY=''
  [[ -L $1 ]] || return 1
  REPLY=$(readlink "$1")
  REPLY=${REPLY##*/}
}

fail() { # CLASS MESSAGE
  ERROR_CLASS=$1
  ERROR_MESSAGE=$2
  return 1
}

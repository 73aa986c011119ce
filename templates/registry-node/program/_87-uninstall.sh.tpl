# Removing everything of ours, when the plan says so.
#
# Whatever is killed in between is finished by the next round, so what makes a round possible goes last: the kubelet's
# word on the Node, then the units, then the program.

uninstall() { # TOKEN
  if [[ ! -e $RUN/leaving ]]; then
    tell "$1" uninstalling '' '' || return 1
    : >"$RUN/leaving"
  fi
  if ! { unpin '' && hand_back && end_rescue uninstalled && forget_kubelet; }; then
    no_space "$KEEP"
    return 1
  fi
  # hosts.toml goes in one round and the CA files that it named in the next.
  [[ ! -s $KEEP/owned ]] || return 0
  echo '{"metadata":{"annotations":{"registry.deckhouse.io/node-report":null},"labels":{"registry.deckhouse.io/node-state":null}}}' \
    >"$RUN/patch.json"
  patch_node || return 1
  log "nothing of registry-node is left but the program: it goes now"
  systemctl disable registry-node.timer registry-node.path 2>/dev/null
  rm -rf "$KEEP"
  rm -rf "$DROP_INS"/registry-node.*.d "$ROOT"/etc/systemd/system/registry-node.{service,timer,path}
  systemctl stop registry-node.timer registry-node.path
  rm -rf "$ROOT/opt/deckhouse/registry-node" "$ROOT/opt/deckhouse/bin/registry-node"
  systemctl daemon-reload
  rm -rf "$RUN"
}

hand_back() { # folders that the platform's own step has on its list stay, for that step to remove; ours go
  local name list=''
  [[ -s $KEEP/owned ]] || return 0
  while IFS= read -r name; do
    if [[ -z $name ]] || is_platforms "$name"; then continue; fi
    remove_folder "$name" || return 1
    [[ -z $REPLY ]] || list+="$name"$'\n'
  done <"$KEEP/owned"
  write_text "$KEEP/owned" "${list%$'\n'}"
}

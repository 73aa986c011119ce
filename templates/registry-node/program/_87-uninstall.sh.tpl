# Removing everything of ours, when the plan says so.
#
# Whatever is killed in between is finished by the next round, so what makes a round possible goes last: the kubelet's
# word on the Node, then the units, then the program.

uninstall() { # TOKEN
  local kept=''
  if [[ ! -e $RUN/leaving ]]; then
    tell "$1" uninstalling '' '' || return 1
    : >"$RUN/leaving"
  fi
  if ! { unpin '' && hand_back && end_rescue uninstalled && forget_kubelet; }; then
    no_space "$KEEP"
    return 1
  fi
  [[ -z $kept ]] || tell "$1" uninstalling '' "$kept is kept until containerd runs without config_path (bashible, step 032)"
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

hand_back() { # what the platform's own step has on its list stays for that step; the rest goes; the caller's kept tells
  local name list=''
  [[ -s $KEEP/owned ]] || return 0
  while IFS= read -r name; do
    [[ -n $name ]] || continue
    if is_read "$name"; then
      if is_overdue; then
        # For ever would be too long to wait, and a pull that fails worse than a file that somebody has to remove.
        is_platforms "$name" ||
          log "left behind: $LIVE/$name, since containerd still reads it; remove it when config_path is off"
        continue
      fi
      kept+="${kept:+, }$LIVE/$name" list+="$name"$'\n'
      continue
    fi
    ! is_platforms "$name" || continue
    remove_folder "$name" || return 1
    [[ -z $REPLY ]] || list+="$name"$'\n'
  done <"$KEEP/owned"
  write_text "$KEEP/owned" "${list%$'\n'}"
}

is_read() { # FOLDER: a real registry's, and containerd pulls by it: the platform turns config_path off when it may
  [[ $1 != "${FIXED_BASE%%/*}" && (-e $LIVE/$1/hosts.toml || -f $WANTED/$1/hosts.toml) ]] || return 1
  # One that does not run just now may start by the configuration that it had.
  read_line "$RUN/containerd"
  [[ $CONFIG_PATH == true || ${REPLY%% *} == 0 ]]
}

keep_read() { # the platform's step takes the folders on its list away a while before it restarts containerd
  local name path
  [[ -s $KEEP/owned ]] || return 0
  detect
  find_wanted
  while IFS= read -r name; do
    if [[ -z $name || ! -f $WANTED/$name/hosts.toml || -e $LIVE/$name ]]; then continue; fi
    if ! is_read "$name" || is_overdue; then continue; fi
    mkdir -p "$LIVE/.registry-node" || return 1
    for path in "$WANTED/$name"/ca-????????????.crt "$WANTED/$name/hosts.toml"; do
      [[ ! -f $path ]] || put "${path#"$WANTED/"}" || return 1
    done
    rm -rf "$LIVE/.registry-node"
  done <"$KEEP/owned"
}

is_overdue() { # this node has been leaving for long
  local now since
  printf -v now '%(%s)T' -1
  since=$(stat -c %Y "$RUN/leaving") || return 1
  ((now - since > LONGEST_STAY))
}

# registry-node status: for a person, at night.

status() {
  local link
  if [[ ! -r $KEEP/layouts ]]; then
    echo "registry-node has not run on this node yet (or: you are not root). journalctl -u registry-node"
    return 1
  fi
  find_foreign_agent
  find_wanted
  if token_of "$KEEP/current"; then
    printf 'plan:       %s, live since %s\n' "$REPLY" "$(date -r "$KEEP/current" '+%F %T UTC')"
  else
    echo "plan:       none is live yet"
  fi
  if token_of "$KEEP/rescue"; then
    printf 'RESCUE:     a source given by hand goes before the plan since %(%F %T)T UTC\n' "${REPLY#rescue-}"
    echo "            registry-node rescue undo takes it back"
  elif [[ -e $KEEP/kubelet.json ]]; then
    echo "RESCUE:     is over, but for the kubelet's credentials: registry-node rescue undo"
  fi
  show_candidate
  [[ ! -f $KEEP/restored ]] || { read_line "$KEEP/restored" &&
    echo "restored:   plan $REPLY is older than what this node had: ignored (was etcd restored?)"; }
  [[ ! -f $KEEP/uninstall ]] || echo "uninstall:  the plan says to remove everything of ours; each round goes on with it"
  show_containerd
  for link in "$WANTED"/*; do [[ ! -d $link ]] || show_folder "$link"; done
  show_rounds
}

show_candidate() {
  local attempts='' next=0 class='' message='' token
  token_of "$KEEP/candidate" || return 0
  token=$REPLY
  if [[ -f $KEEP/trial ]]; then
    { read -r _ && read -r attempts && read -r next && read -r class && IFS= read -r message; } <"$KEEP/trial"
  fi
  if [[ -z $class ]]; then
    echo "new plan:   $token, not proven yet"
    return 0
  fi
  echo "new plan:   $token, not live: $class, tried $attempts times"
  echo "            ${message}"
  if [[ $next == "$NEVER" ]]; then
    echo "            not tried again with this plan, so that the account is not locked: mend the password, or annotation retry"
  else
    printf '            tried again from %(%T)T UTC\n' "$next"
  fi
}

show_containerd() {
  local line='' detail=''
  { IFS= read -r line && IFS= read -r detail; } 2>/dev/null <"$RUN/containerd"
  read -r _ _ line _ <<<"$line"
  case $line in
    true) echo "containerd: reads $LIVE" ;;
    false) echo "containerd: does NOT read $LIVE: it was started without config_path (bashible steps 030 and 032 turn it on)" ;;
    *) echo "containerd: not looked at since the start of this machine" ;;
  esac
  [[ -z $detail ]] || echo "            has settings that are not the platform's: $detail"
  [[ -z $FOREIGN_AGENT ]] || echo "            ANOTHER AGENT keeps registry.d, ours changes nothing: $FOREIGN_AGENT"
}

show_folder() { # FOLDER AS WANTED: what containerd reads there now, as it would take it
  local name=${1##*/} line host='' server='' rewrite='' sources='' at=''
  echo "$LIVE/$name:"
  is_as_wanted "$1" || echo "  differs from what is wanted: the next round puts it back, or says why not"
  if ! read_text "$LIVE/$name/hosts.toml"; then
    echo "  no hosts.toml"
    return 0
  fi
  while IFS= read -r line; do
    case $line in
      '[host."'*'"]') host=${line:7:-2} at="$host" sources+="  $host"$'\n' ;;
      'server = '*) server=${line#*'"'} && server=${server%'"'} && at="$server, last" ;;
      'dial_timeout = '*) sources=${sources%$'\n'}", given up after ${line#*= } without a connection"$'\n' ;;
      'replace = '*)
        if [[ $at == "$host" ]]; then sources=${sources%$'\n'}", path ${line#*= }"$'\n'; else rewrite=", path ${line#*= }"; fi
        ;;
    esac
  done <<<"$REPLY"
  sources+="  ${server:-no server: the name itself}$rewrite"$'\n'
  printf '%s' "$sources" | { local number=0; while IFS= read -r line; do echo "  $((++number)).${line# }"; done; }
}

show_rounds() {
  local line
  [[ ! -e $RUN/lock ]] || printf 'last round: %s' "$(date -r "$RUN/lock" '+%F %T UTC')"
  [[ ! -e $RUN/lock ]] || { read_line "$KEEP/interval" && echo ", every ${REPLY:-20} s (systemctl list-timers registry-node.timer)"; }
  [[ ! -s $RUN/reported ]] || { read_line "$RUN/reported" && IFS='|' read -r _ line _ <<<"$REPLY" && echo "reported:   $line"; }
  for line in "$RUN"/said-*; do [[ -f $line ]] && read_line "$line" && echo "trouble:    $REPLY"; done
  return 0
}

# The commands.

run() {
  local status=0
  [[ -d $RUN && -d $KEEP/layouts ]] || mkdir -p "$RUN" "$KEEP/layouts" || return 1
  exec 9>"$RUN/lock"
  if ! flock --nonblock 9; then
    log "another run is under way"
    return 0
  fi
  sync_live || { status=1; log_once disk "$ERROR_MESSAGE"; }
  connect || return "$status"
  ask_plan
  detect
  if [[ -z $ERROR_CLASS ]]; then
    try_candidate
    [[ -z $WENT_LIVE ]] || sync_live || { status=1; log_once disk "$ERROR_MESSAGE"; }
  fi
  set_units
  report
  # systemd does not watch the folders while this service runs: look once more for what came meanwhile.
  sync_live || status=1
  return "$status"
}

status() {
  local folder line token=''
  [[ -r $KEEP/layouts ]] || { echo "registry-node has not run on this node yet (or: not root)"; return 1; }
  if token_of "$KEEP/current"; then echo "live:      $REPLY"; else echo "live:      nothing of ours"; fi
  if token_of "$KEEP/candidate"; then
    token=$REPLY
    echo "candidate: $token"
    if [[ -f $KEEP/trial ]]; then
      local tried attempts next class message
      { read -r tried && read -r attempts && read -r next && read -r class && IFS= read -r message; } <"$KEEP/trial"
      echo "           not proven after $attempts attempts ($class): $message"
      if [[ $next == "$NEVER" ]]; then echo "           tried again with the next plan only"
      else printf '           tried again from %(%H:%M:%S)T UTC\n' "$next"; fi
      [[ $tried == "$token" ]] || echo "           (that was $tried)"
    fi
  fi
  [[ -f $KEEP/restored ]] && read_line "$KEEP/restored" && echo "restored:  plan $REPLY is older than what is live: ignored"
  read_line "$KEEP/interval" && echo "interval:  ${REPLY:-20} s"
  read_line "$RUN/containerd" && read -r _ _ line token <<<"$REPLY" &&
    echo "containerd: started with config_path: $line; foreign registry settings: $token"
  for folder in "$KEEP"/current/folders/*; do
    [[ -d $folder ]] || continue
    echo "$LIVE/${folder##*/}:"
    if ! is_as_wanted "$folder"; then echo "  differs from the plan; the next run puts it back"; fi
    read_text "$LIVE/${folder##*/}/hosts.toml" || continue
    while IFS= read -r line; do
      case $line in
        '[host."'*'"]') echo "  first tried: ${line:7:-2}" ;;
        'server = '*) line=${line#*'"'} && token=${line%'"'} ;;
      esac
    done <<<"$REPLY"
    echo "  last tried:  ${token:-unknown}"
  done
  for line in "$RUN"/said-*; do [[ -f $line ]] && read_line "$line" && echo "complaint: $REPLY"; done
  return 0
}

main() {
  case ${1:-run} in
    run) run ;;
    status) status ;;
    *)
      echo "usage: registry-node [run|status]" >&2
      return 2
      ;;
  esac
}

# Read as a whole before it runs: the step that installs a new version may replace this file meanwhile.
main "$@"; exit $?

# The commands.

HELP='registry-node keeps the sources that containerd pulls platform images from, as the registry module says.

  registry-node status        what is live on this node, and why (changes nothing)
  registry-node rescue help   pull from a source given by hand, when deckhouse itself cannot be pulled
  registry-node run           one round now; systemd starts it by itself (registry-node.timer)

Attempts and changes: journalctl -u registry-node. Files: /etc/containerd/registry.d, /var/lib/registry-node.
'

run() {
  local code=0
  take_lock 0 || return 0
  keep_files
  connect || return "$code"
  ask_plan
  detect
  if [[ -z $ERROR_CLASS && -f $KEEP/uninstall ]]; then
    read_line "$KEEP/uninstall" && uninstall "$REPLY" && keep_read && return "$code"
  fi
  if [[ -z $ERROR_CLASS ]]; then
    try_candidate
    [[ -z $WENT_LIVE ]] || keep_live
  fi
  set_units
  report
  # systemd does not watch the folders while this service runs: look once more for what came meanwhile.
  keep_files
  return "$code"
}

keep_files() { # what pulls depend on is there: all that is wanted, or, once this node leaves, what containerd still reads
  if [[ -e $RUN/leaving || -e $KEEP/uninstall ]]; then keep_read; else keep_live; fi
}

keep_live() { # the caller's code tells systemd
  find_foreign_agent
  sync_live && return 0
  code=1
  log_once "$ERROR_CLASS" "$ERROR_MESSAGE"
}

take_lock() { # SECONDS to wait
  if ! { [[ -d $RUN && -d $KEEP/layouts ]] || mkdir -p "$RUN" "$KEEP/layouts"; } || ! : >"$RUN/lock"; then
    log "cannot write below $KEEP and $RUN: not root, disk full or read-only?"
    return 1
  fi
  exec 9>"$RUN/lock"
  flock --timeout "$1" 9 && return 0
  log "another run is under way$( (($1 == 0)) || echo ": wait for it, or systemctl stop registry-node.service")"
  return 1
}

say_wrong() { # WHAT
  echo "not understood: $1 (registry-node help; registry-node rescue help)" >&2
  return 2
}

main() {
  case ${1:-help} in
    run) run ;;
    status) status ;;
    rescue) rescue "${@:2}" ;;
    help | -h | --help) printf '%s' "$HELP" ;;
    *) say_wrong "$*" ;;
  esac
}

# Read as a whole before it runs: the step that installs a new version may replace this file meanwhile.
main "$@"; exit $?

# The systemd units that follow the plan.

set_units() { # the timer follows the plan's interval, the path unit the folders that are ours
  local interval name timer paths changed=''
  read_line "$KEEP/interval"
  interval=${REPLY:-20}
  [[ $interval =~ ^[0-9]{1,4}$ ]] && ((interval > 0)) || interval=20
  # The empty line takes back the timers of the unit file; OnBootSec is left out, as it would elapse at once.
  timer=$'[Timer]\nOnUnitInactiveSec=\n'"OnUnitInactiveSec=${interval}s"$'\n'"RandomizedDelaySec=$((interval * 50))ms"
  paths='[Path]'
  if [[ -f $KEEP/owned ]]; then
    while IFS= read -r name; do
      [[ -z $name || $name == registry.d8-system.svc:5001 ]] || paths+=$'\n'"PathChanged=$LIVE/$name"
    done <"$KEEP/owned"
  fi
  [[ -f $KEEP/interval ]] && set_drop_in timer "$timer" && changed+=' registry-node.timer'
  set_drop_in path "$paths" && changed+=' registry-node.path'
  [[ -n $changed ]] || return 0
  # The new interval counts from the end of this very run: systemd computes it when the service has ended.
  # shellcheck disable=SC2086
  if ! { systemctl daemon-reload && systemctl --no-block restart $changed; }; then
    log "systemctl could not take over the interval of ${interval} s; the old one stays"
  fi
}

set_drop_in() { # KIND TEXT: true if it was another one
  local path="$DROP_INS/registry-node.$1.d/50-plan.conf"
  read_text "$path" && [[ $REPLY == "$2"$'\n' ]] && return 1
  (umask 022 && mkdir -p "${path%/*}") && write_text "$path" "$2" && chmod 0644 "$path"
}

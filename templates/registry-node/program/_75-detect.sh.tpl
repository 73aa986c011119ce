# What containerd runs with.

detect() { # CONFIG_PATH: the running containerd was started with config_path; CUSTOM_CONFIG: registry settings not ours
  local pid='' started='' unit path fresh=yes
  read_line "$RUN/containerd"
  read -r pid started CONFIG_PATH CUSTOM_CONFIG <<<"$REPLY"
  if [[ -z $pid ]] || ! start_of "$pid" || [[ $REPLY != "$started" ]]; then
    fresh=''
    for unit in containerd.service containerd-deckhouse.service; do
      pid=$(systemctl show -p MainPID --value "$unit" 2>/dev/null) || pid=''
      [[ $pid =~ ^[1-9][0-9]*$ ]] && start_of "$pid" && started=$REPLY && break
      pid=''
    done
    CONFIG_PATH=false
    # A configuration written after the start says nothing about what the process read. Two seconds: /proc counts in
    # ticks from a boot time that is rounded to seconds.
    [[ -n $pid ]] && is_ours_config_path && ! is_newer_than_start "$started" && CONFIG_PATH=true
  fi
  for path in "$CONFIG/config.toml" "$CONFIG/conf.d" "$CONFIG"/conf.d/*.toml; do
    [[ ! -e $path || $RUN/containerd -nt $path ]] || fresh=''
  done
  [[ -z $fresh ]] || return 0
  CUSTOM_CONFIG=false
  is_custom_config && CUSTOM_CONFIG=true
  echo "${pid:-0} ${started:-0} $CONFIG_PATH $CUSTOM_CONFIG" >"$RUN/containerd"
}

start_of() { # PID: its start in ticks since boot, in REPLY
  local -a fields
  read_line "/proc/$1/stat"
  [[ -n $REPLY ]] || return 1
  read -r -a fields <<<"${REPLY##*) }"
  REPLY=${fields[19]}
}

is_newer_than_start() { # TICKS: containerd's configuration was written after that
  local key value boot=0 written
  while read -r key value _; do [[ $key == btime ]] && boot=$value; done </proc/stat
  written=$(stat -c %Y "$CONFIG/config.toml") || return 0
  ((written > boot + $1 / $(getconf CLK_TCK) + 2))
}

scan_config() { # FILE: registry settings of the CRI plugin in it, as words in REPLY
  local line section='' found=''
  [[ -r $1 ]] || { REPLY=''; return 0; }
  while IFS= read -r line || [[ -n $line ]]; do
    line=${line#"${line%%[![:space:]]*}"}
    case $line in
      '#'*) ;;
      '['*) section=$line ;;
    esac
    [[ $section == *cri*registry* ]] || continue
    case $section in
      *registry.mirrors* | *registry.configs* | *registry.auths* | *registry.headers*) found+=' settings' ;;
    esac
    if [[ $line =~ ^config_path[[:space:]]*=[[:space:]]*[\"\']([^\"\']*)[\"\'] && -n ${BASH_REMATCH[1]} ]]; then
      if [[ ${BASH_REMATCH[1]} == /etc/containerd/registry.d ]]; then found+=' ours'; else found+=' foreign'; fi
    fi
  done <"$1"
  REPLY=$found
}

is_ours_config_path() {
  scan_config "$CONFIG/config.toml"
  [[ $REPLY == *' ours'* ]]
}

is_custom_config() {
  # Mirrors in the main file may be the platform's own, as long as config_path is off; in a drop-in they are a user's.
  local path
  scan_config "$CONFIG/config.toml"
  [[ $REPLY != *' foreign'* ]] || return 0
  for path in "$CONFIG"/conf.d/*.toml; do
    scan_config "$path"
    [[ $REPLY != *' foreign'* && $REPLY != *' settings'* ]] || return 0
  done
  return 1
}

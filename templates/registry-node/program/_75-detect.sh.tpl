# What containerd runs with, and who else keeps registry.d.

detect() { # CONFIG_PATH: the running containerd was started with ours; CUSTOM_CONFIG, CUSTOM_DETAIL: what is not ours
  local pid='' started='' fresh=yes paths='' path unit
  { IFS= read -r REPLY && IFS= read -r CUSTOM_DETAIL && IFS= read -r paths; } 2>/dev/null <"$RUN/containerd" || REPLY=''
  read -r pid started CONFIG_PATH CUSTOM_CONFIG <<<"$REPLY"
  if [[ -z $pid ]] || ! start_of "$pid" || [[ $REPLY != "$started" ]]; then
    fresh='' CONFIG_PATH=''
    for unit in containerd.service containerd-deckhouse.service; do
      pid=$(systemctl show -p MainPID --value "$unit" 2>/dev/null) || pid=''
      [[ $pid =~ ^[1-9][0-9]*$ ]] && start_of "$pid" && started=$REPLY && break
      pid=''
    done
  fi
  for path in $paths "$CONFIG/config.toml" "$CONFIG/conf.d" "$CONFIG"/conf.d/*.toml; do
    [[ ! -e $path || $RUN/containerd -nt $path ]] || fresh=''
  done
  [[ -z $fresh ]] || return 0
  read_config "$pid"
  # A configuration written after the start says nothing about what the process read. Two seconds: /proc counts in
  # ticks from a boot time that is rounded to seconds.
  if [[ -z $CONFIG_PATH ]]; then
    CONFIG_PATH=false
    [[ -n $pid && -n $OURS_AT ]] && ! is_newer_than_start "$started" && CONFIG_PATH=true
  fi
  CUSTOM_CONFIG=false
  [[ -z $CUSTOM_DETAIL ]] || CUSTOM_CONFIG=true
  printf '%s\n' "${pid:-0} ${started:-0} $CONFIG_PATH $CUSTOM_CONFIG" "$CUSTOM_DETAIL" "${CONFIG_FILES[*]}" \
    >"$RUN/containerd.part" && mv -fT "$RUN/containerd.part" "$RUN/containerd"
}

find_foreign_agent() { # FOREIGN_AGENT: a newer platform's registry agent, by what it leaves on a node
  local path
  FOREIGN_AGENT=''
  for path in "$LIVE/.managed-by-agent" "$ROOT/etc/kubernetes/manifests/registry-agent.yaml"; do
    [[ ! -e $path ]] || FOREIGN_AGENT+="${FOREIGN_AGENT:+, }${path#"$ROOT"}"
  done
}

start_of() { # PID: its start in ticks since boot, in REPLY
  local -a fields
  read_line "/proc/$1/stat"
  [[ -n $REPLY ]] || return 1
  read -r -a fields <<<"${REPLY##*) }"
  REPLY=${fields[19]}
}

is_newer_than_start() { # TICKS: the file that turns config_path on was written after that
  local key value boot=0 written
  while read -r key value _; do [[ $key == btime ]] && boot=$value; done </proc/stat
  written=$(stat -c %Y "$OURS_AT") || return 0
  ((written > boot + $1 / $(getconf CLK_TCK) + 2))
}

read_config() { # PID: CONFIG_FILES that containerd reads, OURS_AT: where config_path is ours, CUSTOM_DETAIL: the rest
  local main="$CONFIG/config.toml" argument previous='' pattern path
  if [[ -n $1 && -r /proc/$1/cmdline ]]; then
    while IFS= read -r -d '' argument; do
      case $argument in --config=* | -c=*) main=${argument#*=} ;; esac
      case $previous in --config | -c) main=$argument ;; esac
      previous=$argument
    done <"/proc/$1/cmdline"
  fi
  CONFIG_FILES=() OURS_AT='' CUSTOM_DETAIL=''
  scan_config "$main" main
  for pattern in "${IMPORTS[@]}" "$CONFIG/conf.d/*.toml"; do
    [[ $pattern == /* ]] || pattern="${main%/*}/$pattern"
    for path in $pattern; do
      [[ ! -f $path || " ${CONFIG_FILES[*]} " == *" $path "* ]] || scan_config "$path" drop-in
    done
  done
  CUSTOM_DETAIL=${CUSTOM_DETAIL:0:300}
}

scan_config() { # FILE main|drop-in: what of it concerns registries in the CRI plugin
  # The platform writes the main file itself, with mirrors of its own while config_path is off; a drop-in is a user's.
  local line section='' importing='' where
  CONFIG_FILES+=("$1")
  [[ $2 == drop-in ]] || IMPORTS=()
  [[ -r $1 ]] || return 0
  where="${1#"$CONFIG/"}"
  while IFS= read -r line || [[ -n $line ]]; do
    line=${line#"${line%%[![:space:]]*}"}
    case $line in
      '' | '#'*) continue ;;
      imports*=* | '"imports"'*=*) [[ -n $section || $2 == drop-in ]] || importing=yes ;;
    esac
    if [[ -n $importing ]]; then
      read_imports "$line"
      [[ $line != *']'* ]] || importing=''
    elif [[ $line == '['* ]]; then
      section=${line#'['}
      section=${section%%']'*}
      scan_setting "$section" '' "$where" "$2"
    else
      scan_setting "${section:+$section.}${line%%=*}" "${line#*=}" "$where" "$2" "${CONFIG_FILES[-1]}"
    fi
  done <"$1"
}

read_imports() { # LINE of an array of file patterns
  local rest=${1#*imports*=} pattern='^[^"'\'']*["'\'']([^"'\'']+)["'\''](.*)$'
  while [[ $rest =~ $pattern ]]; do
    IMPORTS+=("${BASH_REMATCH[1]}")
    rest=${BASH_REMATCH[2]}
  done
}

scan_setting() { # NAME VALUE WHERE main|drop-in [FILE]: the name with its sections, dots between
  local name=${1//[[:space:]]/} value=$2 what='' path
  local named='registry["'\'']?\.["'\'']?(mirrors|configs|auths|headers)["'\'']?\.("[^"]*"|'\''[^'\'']*'\''|[^.]+)'
  local inline='(^|[{,[:space:]])(mirrors|configs|auths|headers)[[:space:]]*=[[:space:]]*\{[[:space:]]*[^}[:space:]]'
  local ours='(^|[{,[:space:]])config_path[[:space:]]*=[[:space:]]*["'\'']([^"'\'']*)'
  [[ $name == *cri*registry* ]] || return 0
  if [[ $name =~ $named ]]; then
    what="registry.${BASH_REMATCH[1]}.${BASH_REMATCH[2]}"
  elif [[ $name =~ registry\.(mirrors|configs|auths|headers)$ && $value =~ \{[[:space:]]*[^}[:space:]] ]] ||
    [[ $name == *registry && $value =~ $inline ]]; then
    what="registry.${BASH_REMATCH[2]:-${name##*.}}"
  fi
  [[ $4 == main || -z $what || $CUSTOM_DETAIL == *"$3: $what"* ]] || CUSTOM_DETAIL+="${CUSTOM_DETAIL:+; }$3: $what"
  path=''
  [[ $name == *registry.config_path && "config_path = $value" =~ $ours ]] && path=${BASH_REMATCH[2]}
  [[ $name == *registry && $value =~ $ours ]] && path=${BASH_REMATCH[2]}
  if [[ ${path%/} == /etc/containerd/registry.d ]]; then
    OURS_AT=${5:-}
  elif [[ -n $path ]] && ! is_unused_default "$path"; then
    CUSTOM_DETAIL+="${CUSTOM_DETAIL:+; }$3: config_path $path"
  fi
}

is_unused_default() { # VALUE: what containerd 2.2 has by itself, and nobody has put anything there
  local path
  [[ $1 == /etc/containerd/certs.d:/etc/docker/certs.d ]] || return 1
  for path in "$CONFIG"/certs.d/* "$ROOT"/etc/docker/certs.d/*; do [[ ! -e $path ]] || return 1; done
}

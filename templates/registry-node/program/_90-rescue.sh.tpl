# Rescue: a source given by hand, on this node alone, for the night when the module cannot help itself.

RESCUE_HELP='Pull again when the registry is dead and deckhouse itself cannot be pulled.

  1. On every master (at least where deckhouse is to run):
       registry-node rescue install --source https://HOST[:PORT]/PATH [--user NAME] [--ca FILE]
     The password is asked for (or read from standard input). The source is proven first; if it does not answer,
     nothing is changed. From then on this node pulls REGISTRY_BASE from it.
  2. With --user, let the kubelet read its credentials again (containers go on):
       systemctl restart kubelet
  3. Let deckhouse be pulled again, and wait for it:
       kubectl -n d8-system delete pod -l app=deckhouse
       kubectl -n d8-system wait pod -l app=deckhouse --for=condition=Ready --timeout=10m
  4. Tell the module the same registry: ModuleConfig deckhouse, spec.settings.registry. It switches the other nodes.
  5. When condition Ready is True, on each node of step 1 (the kubelet only after --user):
       registry-node rescue undo
       systemctl restart kubelet

Options of install:
  --source URL       the registry and the path of the platform'"'"'s images in it
  --user NAME        its user; without it the registry is asked anonymously
  --ca FILE          PEM of its certificate authority
  --reference REF    an image that must be there (default: one that this node has; a digest or a tag will do)
  --base HOST/PATH   what image references begin with (default: REGISTRY_BASE). A real registry'"'"'s address is
                     possible, but then ALL pulls of that host from this node go to the new source.
'

rescue() { # install …|undo|help
  local command=${1:-help}
  RESCUE_HELP=${RESCUE_HELP//REGISTRY_BASE/$FIXED_BASE}
  case $command in
    help | -h | --help) printf '%s' "$RESCUE_HELP" ;;
    install) take_lock 60 && install_rescue "${@:2}" ;;
    undo) take_lock 60 && undo_rescue ;;
    *) say_wrong "registry-node rescue $command" ;;
  esac
}

install_rescue() {
  local url='' user='' password='' ca='' reference='' base=$FIXED_BASE scheme='' host='' path='' layout new
  while (($# > 0)); do
    [[ $1 == --?* && $# -gt 1 ]] || { say_wrong "registry-node rescue install $*"; return 2; }
    case $1 in
      --source) url=$2 ;;
      --user) user=$2 ;;
      --ca) ca=$2 ;;
      --reference) reference=$2 ;;
      --base) base=${2%/} ;;
      *) say_wrong "registry-node rescue install $1"; return 2 ;;
    esac
    shift 2
  done
  check_rescue || return 2
  [[ -z $user ]] || read_password || return 2
  detect
  if [[ $CONFIG_PATH != true ]]; then
    echo "containerd does not run with config_path = \"/etc/containerd/registry.d\": a source put there would not be used." >&2
    echo "Set it in $CONFIG/config.toml (section registry of the CRI plugin), systemctl restart containerd, and try again." >&2
    return 1
  fi
  find_reference || return 1
  layout="rescue-$(date +%s)" new="$KEEP/layouts/.rescue"
  if ! { rm -rf "$new" && mkdir -p "$new/folders" && render_rescue; }; then
    echo "cannot write below $KEEP: disk full?" >&2
    return 1
  fi
  find_foreign_agent
  if ! { is_free "$new/folders" && echo "asking $url for $reference …" && fetch_image "$new/hosts" 60 "$reference"; }; then
    echo "nothing is changed ($ERROR_CLASS): $ERROR_MESSAGE" >&2
    rm -rf "$new"
    return 1
  fi
  rm -rf "$new/hosts"
  # A plan that goes live from now on has proven its sources after this night, not before it.
  if ! { { [[ -z $user ]] || teach_kubelet; } && rm -f "$KEEP/passed" && mv -T "$new" "$KEEP/layouts/$layout" &&
    point "$KEEP/rescue" "layouts/$layout" && sync_live; }; then
    echo "the source answers, but could not be installed: ${ERROR_MESSAGE:-cannot write below $KEEP: disk full?}" >&2
    return 1
  fi
  log "rescue: $base is pulled from $url"
  echo "This node pulls $base from $url now, whatever the plan says, until it is undone:"
  echo "  registry-node rescue undo"
  [[ -z $user ]] || printf '%s\n' "Next, so that pods with an older pull secret are let in as well (containers go on):" \
    "  systemctl restart kubelet"
  echo "The whole procedure: registry-node rescue help"
}

check_rescue() { # the caller's options, taken apart
  local authority='([0-9A-Za-z][0-9A-Za-z.-]*(:[0-9]{1,5})?)' path_text='(/[0-9a-z]+([._/-]+[0-9a-z]+)*)'
  if [[ ! $url =~ ^(https?)://$authority$path_text/?$ ]]; then
    echo "--source takes https://HOST[:PORT]/PATH, not: ${url:-nothing}" >&2
    return 1
  fi
  scheme=${BASH_REMATCH[1]} host=${BASH_REMATCH[2]} path=${BASH_REMATCH[4]#/}
  if [[ ! $base =~ ^$authority$path_text$ ]]; then
    echo "--base takes HOST[:PORT]/PATH, not: $base" >&2
    return 1
  fi
  if [[ -n $ca ]] && ! grep -q -e '-BEGIN CERTIFICATE-' "$ca"; then
    echo "--ca $ca: not a file with a PEM certificate" >&2
    return 1
  fi
  [[ $user != *[[:cntrl:]]* ]] || { echo "--user holds a control character" >&2; return 1; }
}

read_password() { # from a terminal without showing it, else the first line of standard input
  if [[ -t 0 ]]; then
    IFS= read -r -s -p "password of $user: " password
    echo
  else
    IFS= read -r password
  fi
  [[ -n $password && $password != *[[:cntrl:]]* ]] && return 0
  echo "no password was given (or it holds a control character)" >&2
  return 1
}

find_reference() { # an image that the new source must have: one given, pinned, proven before, or present
  local found line
  case $reference in
    "$base"[@:]*) return 0 ;;
    sha256:*) reference="$base@$reference" && return 0 ;;
    ?*) reference="$base:$reference" && return 0 ;;
  esac
  found=$(cat "$KEEP/pinned" "$KEEP"/current/proofs/*/meta 2>/dev/null; run_ctr 30 images list --quiet 2>/dev/null)
  while IFS= read -r line; do
    [[ $line == "$base"[@:]* ]] && reference=${line%% *} && return 0
  done <<<"$found"
  echo "no image of $base is known on this node: name one with --reference" >&2
  return 1
}

render_rescue() { # folders as they are wanted now, with the base's own replaced; hosts/ is what is proven
  local folder name='' target="$new/folders/${base%%/*}"
  find_wanted
  for folder in "$WANTED"/*; do
    [[ ! -d $folder ]] || cp -r --preserve=mode "$folder" "$new/folders/" || return 1
  done
  rm -rf "$target" && mkdir "$target" || return 1
  if [[ -n $ca && $scheme == https ]]; then
    name=$(sha256sum <"$ca") && name="ca-${name:0:12}.crt" && install -m 0644 "$ca" "$target/$name" || return 1
  fi
  printf '%s\n' "$scheme://$host" "$name" "$user" "$password" "${base#*/}" "$path" | jq -Rrs '
    split("\n") | map(@json) as [$server, $ca, $user, $password, $from, $to]
    | "server = \($server)", "capabilities = [\"pull\", \"resolve\"]",
      (if $ca == "\"\"" then empty else "ca = [\($ca)]" end),
      (if $user == "\"\"" then empty else "\n[auth]\nusername = \($user)\npassword = \($password)" end),
      (if $from == $to then empty else "\n[[rewrite]]\nregex = \($from | "\"^" + .[1:])\nreplace = \($to)" end)' \
    >"$target/hosts.toml" || return 1
  mkdir "$new/hosts" && cp -r --preserve=mode "$target" "$new/hosts/"
}

teach_kubelet() { # its own credentials, tried after those of a pull secret; what it had for the base is noted first
  local file="$ROOT/var/lib/kubelet/config.json" existed=true text='{}'
  if [[ -s $file ]]; then read_text "$file" && text=$REPLY; else existed=false; fi
  if ! jq -e 'type == "object" and has("kind") == false' <<<"$text" >/dev/null; then
    # A kubelet whose own settings have that name: nothing of ours may go into them.
    echo "$file holds something else than credentials and is left alone: pods whose pull secret the source refuses fail" >&2
    return 0
  fi
  mkdir -p "${file%/*}" || return 1
  jq --arg base "$base" --argjson existed "$existed" --slurpfile noted <(cat "$KEEP/kubelet.json" 2>/dev/null) '
    .auths[$base] as $had | $noted[0] // {existed: $existed, auths: {}}
    | if .auths | has($base) then . else .auths[$base] = $had end' <<<"$text" >"$KEEP/kubelet.json.part" &&
    mv -fT "$KEEP/kubelet.json.part" "$KEEP/kubelet.json" || return 1
  printf '%s\n' "$base" "$user" "$password" | jq -Rs --slurpfile old <(echo "$text") '
    split("\n") as [$base, $user, $password]
    | $old[0] | .auths[$base] = {auth: ("\($user):\($password)" | @base64)}' >"$file.part" && mv -fT "$file.part" "$file"
}

forget_kubelet() { # our entries go, what was there before them comes back, and what somebody wrote meanwhile stays
  local file="$ROOT/var/lib/kubelet/config.json" left
  [[ -e $KEEP/kubelet.json ]] || return 0
  if [[ -s $file ]]; then
    if ! left=$(jq --slurpfile noted "$KEEP/kubelet.json" '
      reduce ($noted[0].auths | to_entries[]) as $each (.;
        if $each.value == null then del(.auths[$each.key]) else .auths[$each.key] = $each.value end)
      | if .auths == {} then del(.auths) else . end
      | if . == {} and $noted[0].existed == false then empty else . end' "$file"); then
      fail other "$file is not JSON any more: mend it by hand, it still holds what the rescue wrote"
      return 1
    fi
    if [[ -n $left ]]; then write_text "$file" "$left"; else rm -f "$file"; fi || return 1
  fi
  rm -f "$KEEP/kubelet.json"
}

end_rescue() { # WHY: the plan's own files are live again; the kubelet keeps what it was told until `undo`
  [[ -L $KEEP/rescue ]] || return 0
  rm -f "$KEEP/rescue" && log "the rescue is over: $1"
}

undo_rescue() {
  if [[ ! -L $KEEP/rescue && ! -e $KEEP/kubelet.json ]]; then
    echo "there is nothing to undo on this node"
    return 0
  fi
  find_foreign_agent
  if ! { end_rescue undone && forget_kubelet && sync_live; }; then
    echo "not undone: ${ERROR_MESSAGE:-cannot write: disk full?}" >&2
    return 1
  fi
  drop_layouts
  token_of "$KEEP/current" || REPLY='nothing of ours'
  echo "undone; live is: $REPLY. If a user was given: systemctl restart kubelet"
}

# The plan: read from the Secret, staged as a layout.

ask_plan() { # take the plan over if it is another one than was read last
  local seen
  api GET "$SECRET?resourceVersion=0" "$METADATA" || return 1
  if [[ $STATUS != 200 ]]; then
    log_once api "Secret d8-system/registry-node-plan: HTTP $STATUS, nothing changes"
    return 1
  fi
  rm_said api
  [[ $REPLY =~ \"uid\":[[:space:]]*\"([^\"]+)\" ]] && seen=${BASH_REMATCH[1]}
  [[ $REPLY =~ \"resourceVersion\":[[:space:]]*\"([^\"]+)\" ]] && seen+=" ${BASH_REMATCH[1]}"
  read_line "$KEEP/seen"
  [[ -n ${seen:-} && $REPLY == "$seen" ]] && return 0
  take_plan
}

rm_said() { # KIND: what was complained about is over
  [[ ! -e $RUN/said-$1 ]] || rm -f "$RUN/said-$1"
}

# One line a fact, fields parted by "|", file contents as base64. A plan that names anything but host folders and
# their files is refused as a whole.
# shellcheck disable=SC2016  # jq's own variables
PLAN_LINES='
def only($pattern): if type == "string" and test("\\A(?:" + $pattern + ")\\z") then . else error("unexpected value") end;
def hostname: only("[0-9A-Za-z][0-9A-Za-z.-]*(:[0-9]{1,5})?");
def image: only("[0-9A-Za-z][0-9A-Za-z.-]*(:[0-9]+)?/[0-9A-Za-z._/-]+(:[0-9A-Za-z._-]+)?(@sha256:[0-9a-f]{64})?");
def number: if type == "number" and . == floor and . >= 0 then tostring else error("unexpected number") end;
def entry($folder):
  "file|" + $folder + "|" + (.name | only("hosts\\.toml|ca-[0-9a-f]{12}\\.crt")) + "|" + (.mode | only("0600|0644"))
  + "|" + (.content | @base64);
.metadata as $secret
| (.data.plan // error("no key plan")) | @base64d | fromjson
| if .schema == 1 then . else error("schema \(.schema) is not 1: a newer release wrote it") end
| . as $plan
| (if .canaries != null and (.canaries.nodes | index([$node])) then .canaries.layout else .default end) as $name
| .layouts[$name]
| "plan|" + $secret.uid + "|" + $secret.resourceVersion + "|" + ($plan.counter | number) + "|"
  + (.token | only("[0-9]+\\.[0-9A-Za-z]+\\.[0-9a-f]+")) + "|" + ($plan.intervalSeconds | number),
  ($plan.layouts[].proofs[] | "known|" + (.id | only("[0-9a-f]{64}"))),
  ($plan.layouts[].proofs[].masterPulls[] | "keep|" + image),
  (.folders[] | .name as $folder | .files[] | entry("folders/" + ($folder | hostname))),
  (.proofs | to_entries[] | "proofs/\(.key)" as $path | .value
    | "proof|" + $path + "|" + .id + "|" + (.reference | image) + "|" + (.address | hostname)
      + "|" + (.deadlineSeconds | number) + "|" + (.masterPulls | join(" ")),
      (.host as $folder | .files[] | entry($path + "/hosts/" + ($folder | hostname)))),
  "end"'

take_plan() { # read the whole Secret and stage this node's layout as candidate
  local kind a b c d e f uid='' version='' counter='' token='' interval='' complete='' known='' keep=''
  local new="$KEEP/layouts/.new" current_counter=0
  api GET "$SECRET" application/json --output "$RUN/secret.json" || return 1
  [[ $STATUS == 200 ]] || { log_once api "Secret d8-system/registry-node-plan: HTTP $STATUS, nothing changes"; return 1; }
  if ! jq -r --arg node "$NODE" "$PLAN_LINES" "$RUN/secret.json" >"$RUN/plan.lines" 2>"$RUN/jq.err"; then
    read_line "$RUN/jq.err"
    rm -f "$RUN/secret.json" "$RUN/plan.lines"
    log_once plan "Secret d8-system/registry-node-plan is not understood, nothing changes: ${REPLY:0:200}"
    fail other "node plan not understood: ${REPLY:0:200}"
    return 1
  fi
  rm -f "$RUN/secret.json"
  if ! { chmod 0700 "$KEEP" && rm -rf "$new" && mkdir -p "$new/folders" "$new/proofs"; }; then
    no_space "$new"
    return 1
  fi
  while IFS='|' read -r kind a b c d e f; do
    case $kind in
      plan) uid=$a version=$b counter=$c token=$d interval=$e ERROR_TOKEN=$d ;;
      known) known+="$a"$'\n' ;;
      keep) keep+="$a"$'\n' ;;
      file)
        { mkdir -p "$new/$a" && base64 -d <<<"$d" >"$new/$a/$b" && chmod "$c" "$new/$a/$b"; } ||
          { no_space "$new"; return 1; }
        ;;
      proof)
        { mkdir -p "$new/$a" && printf '%s\n' "$b" "$c" "$d" "$e" "$f" >"$new/$a/meta"; } ||
          { no_space "$new"; return 1; }
        ;;
      end) complete=yes ;;
    esac
  done <"$RUN/plan.lines"
  rm -f "$RUN/plan.lines"
  [[ -n $complete ]] || { fail other "node plan incomplete"; return 1; }
  rm_said plan
  [[ -L $KEEP/current ]] && read_line "$KEEP/current/counter" && current_counter=$REPLY
  if ((counter < current_counter)); then
    log "the plan's counter $counter is lower than $current_counter, which this node applied: nothing changes"
    rm -rf "$new"
    write_text "$KEEP/restored" "$token" && write_text "$KEEP/seen" "$uid $version"
    return
  fi
  if ! { echo "$counter" >"$new/counter" && stage "$new" "$token" && forget_proofs "$known" && unpin "$keep" &&
    write_text "$KEEP/interval" "$interval" && rm -f "$KEEP/restored" && write_text "$KEEP/seen" "$uid $version"; }; then
    no_space "$KEEP"
    return 1
  fi
  ERROR_TOKEN=''
}

no_space() { # WHERE
  fail disk "cannot write below $1: disk full or read-only?"
}

stage() { # FOLDER TOKEN: make it the candidate, unless it is what is current
  local old
  token_of "$KEEP/current" && [[ $REPLY == "$2" ]] && { rm -rf "$1" "$KEEP/candidate" "$KEEP/trial"; return; }
  if [[ -d $KEEP/layouts/$2 ]]; then rm -rf "$1"; else sync -f "$1" && mv -T "$1" "$KEEP/layouts/$2" || return 1; fi
  token_of "$KEEP/candidate" && old=$REPLY
  [[ ${old:-} == "$2" ]] || rm -f "$KEEP/trial"
  point "$KEEP/candidate" "layouts/$2" || return 1
  drop_layouts
}

drop_layouts() { # layouts that nothing points to
  local path current candidate
  token_of "$KEEP/current"
  current=$REPLY
  token_of "$KEEP/candidate"
  candidate=$REPLY
  for path in "$KEEP"/layouts/*; do
    [[ ${path##*/} == "$current" || ${path##*/} == "$candidate" || ! -e $path ]] || rm -rf "$path"
  done
}

forget_proofs() { # IDS: a proof that no layout of the plan lists has to be passed again later
  local id role left=''
  [[ -f $KEEP/passed ]] || return 0
  while read -r id role; do
    [[ $'\n'$1 == *$'\n'"$id"$'\n'* ]] && left+="$id $role"$'\n'
  done <"$KEEP/passed"
  write_text "$KEEP/passed" "${left%$'\n'}"
}

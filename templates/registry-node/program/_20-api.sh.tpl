# The API, as the kubelet.

field() { # TEXT KEY: a scalar of a kubeconfig (YAML or JSON), in REPLY
  REPLY=''
  [[ $1 =~ (^|[[:space:],{\"])$2\"?:[[:space:]]*[\"\']?([^]\"\',[:space:]}]+) ]] && REPLY=${BASH_REMATCH[2]}
  return 0
}

pem() { # TEXT KEY: the file of a kubeconfig's KEY or KEY-data, in REPLY
  local text=$1 key=$2
  field "$text" "$key-data"
  if [[ -n $REPLY ]]; then
    base64 -d <<<"$REPLY" >"$RUN/$key.pem" || return 1
    REPLY="$RUN/$key.pem"
    return 0
  fi
  field "$text" "$key"
  [[ -z $REPLY || $REPLY == /* ]] || REPLY="${KUBECONFIG_FILE%/*}/$REPLY"
}

connect() { # SERVER and NODE, and curl's settings, from the kubelet's kubeconfig
  local text server='' ca='' cert='' key=''
  if [[ ! -s $KUBECONFIG_FILE ]]; then
    log_once api "no $KUBECONFIG_FILE yet: nothing to do before the kubelet has joined"
    return 1
  fi
  if [[ -s $RUN/api && $RUN/api -nt $KUBECONFIG_FILE ]]; then
    { IFS= read -r SERVER && IFS= read -r NODE; } <"$RUN/api"
    return 0
  fi
  read_text "$KUBECONFIG_FILE"
  text=$REPLY
  field "$text" server && server=$REPLY
  pem "$text" certificate-authority && ca=$REPLY
  pem "$text" client-certificate && cert=$REPLY
  pem "$text" client-key && key=$REPLY
  if [[ -z $server || -z $ca || -z $cert || -z $key ]]; then
    log_once api "$KUBECONFIG_FILE names no server, CA or client certificate: the kubelet has not joined yet"
    return 1
  fi
  # One request a connection: setting up HTTP/2 for it would only cost the API server more.
  printf '%s\n' silent show-error http1.1 'noproxy = "*"' 'connect-timeout = 5' 'max-time = 20' \
    "user-agent = \"registry-node/$PROGRAM\"" "dump-header = \"$RUN/headers\"" \
    "cacert = \"$ca\"" "cert = \"$cert\"" "key = \"$key\"" >"$RUN/curl.conf" || return 1
  SERVER=$server
  # The name under which the API knows this kubelet is the only Node that it may patch.
  api POST /apis/authentication.k8s.io/v1/selfsubjectreviews application/json \
    --header 'Content-Type: application/json' \
    --data '{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}' || return 1
  if [[ ! $REPLY =~ \"username\":[[:space:]]*\"system:node:([a-z0-9.-]+)\" ]]; then
    log_once api "the API server does not take $KUBECONFIG_FILE for a kubelet's (HTTP $STATUS)"
    return 1
  fi
  NODE=${BASH_REMATCH[1]}
  printf '%s\n' "$SERVER" "$NODE" >"$RUN/api.part" && mv -fT "$RUN/api.part" "$RUN/api"
}

api() { # METHOD PATH ACCEPT [curl's arguments…]: HTTP status in STATUS, body in REPLY
  local curl=curl status
  [[ -x /opt/deckhouse/bin/d8-curl ]] && curl=/opt/deckhouse/bin/d8-curl
  REPLY=$("$curl" --config "$RUN/curl.conf" --request "$1" --header "Accept: $3" --write-out '\n%{http_code}' \
    "${@:4}" "$SERVER$2" 2>"$RUN/curl.err")
  status=$?
  STATUS=${REPLY##*$'\n'}
  REPLY=${REPLY%$'\n'*}
  [[ $status != 0 || ! $STATUS =~ ^[1-9][0-9]{2}$ ]] || return 0
  read_line "$RUN/curl.err"
  if [[ $status == 23 ]]; then # curl could not write what came
    no_space "$RUN"
    return 1
  fi
  log_once api "the API server does not answer, nothing changes: ${REPLY:-no reason given}"
  return 1
}

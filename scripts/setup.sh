#!/usr/bin/env bash
# Installs what is missing to build, demonstrate and test tsswarm on this machine, and builds it.
# Can be run again at any time: what is there already is left as it is, in a fraction of a second.
set -euo pipefail
cd "$(dirname "$0")/.."

# Program (or, with a slash, file) to look for, and the Debian package that has it.
readonly TOOLS=(
  ip:iproute2 nft:nftables conntrack:conntrack skopeo:skopeo umoci:umoci runc:runc crun:crun conmon:conmon
  curl:curl nsenter:util-linux ps:procps catatonit:catatonit
  # For tests and measurements.
  docker-registry:docker-registry tcpdump:tcpdump dig:dnsutils iperf3:iperf3 wrk:wrk ethtool:ethtool strace:strace
  dnsmasq:dnsmasq-base dnsperf:dnsperf xmllint:libxml2-utils ping:iputils-ping socat:socat iptables-nft:iptables
  perl:perl
)

fail() {
  printf 'setup: %s\n' "$@" >&2
  exit 1
}

# step WORDS COMMAND...: says what is done and how long it took; the output is shown when it fails.
step() {
  local words=$1 start=$EPOCHREALTIME log
  shift
  printf 'setup: %s ... ' "$words"
  log=$(mktemp)
  if ! "$@" >"$log" 2>&1 </dev/null; then
    printf 'failed\n'
    cat "$log" >&2
    rm -f "$log"
    exit 1
  fi
  rm -f "$log"
  local end=$EPOCHREALTIME
  printf '%d.%01d s\n' $(((${end/./} - ${start/./}) / 1000000)) $(((${end/./} - ${start/./}) / 100000 % 10))
}

check_machine() {
  [[ $OSTYPE == linux* ]] || fail "tsswarm runs on Linux; this is $OSTYPE"
  [[ $EUID == 0 ]] || fail "needs root, to install packages and to make network namespaces and containers: run it with sudo"
  command -v node >/dev/null || fail "Node.js 20.19 or newer is needed and was not found (https://nodejs.org)"
  local version major minor
  version=$(node --version)
  IFS=. read -r major minor _ <<<"${version#v}"
  ((major > 20 || (major == 20 && minor >= 19))) || fail "Node.js 20.19 or newer is needed; this is $version"
}

missing_packages() {
  local entry
  for entry in "${TOOLS[@]}"; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${entry%%:*}" >/dev/null || printf '%s\n' "${entry#*:}"
  done
  # busybox may also be the dynamic one, which a container without libraries cannot run.
  [[ -e /usr/share/doc/busybox-static ]] || printf 'busybox-static\n'
}

install_packages() {
  local -a missing
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]} == 0)) && return
  command -v apt-get >/dev/null || fail "these are missing and this machine has no apt-get to install them: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  step 'updating the list of packages' apt-get update -q
  step "installing ${missing[*]}" without_services apt-get install -q -y --no-install-recommends "${missing[@]}"
}

# Runs a command during which packages may not start services of their own (docker-registry's would
# take a port): what invoke-rc.d asks about that is answered with "not allowed" (101).
without_services() {
  local policy=/usr/sbin/policy-rc.d code=0
  if [[ -e $policy ]]; then
    "$@"
    return
  fi
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
  "$@" || code=$?
  rm -f $policy
  return $code
}

install_modules() {
  # npm writes this file last, so it is older than the lock file when that has changed since.
  [[ node_modules/.package-lock.json -nt package-lock.json ]] || step 'npm install' npm_install
}

# The versions of the lock file, which stays as it is. Not "npm ci": it refuses a lock file without the
# optional packages of other platforms, and a registry that mirrors only some of them gives no other.
npm_install() {
  npm install --no-save --no-audit --no-fund
  touch node_modules/.package-lock.json
}

build() {
  local stamp=dist/.built
  if [[ -e $stamp ]]; then
    local newer
    newer=$(find . \( -path ./node_modules -o -path ./dist -o -path ./.git -o -path ./proto/gen \) -prune -o \
      \( -name '*.ts' -o -name '*.proto' -o -name '*.mjs' -o -name 'tsconfig*.json' -o -name package-lock.json \) \
      -newer $stamp -print -quit)
    [[ -z $newer && -d proto/gen ]] && return
  fi
  step 'building' npm run --silent build
  touch $stamp
}

check_machine
install_packages
install_modules
build

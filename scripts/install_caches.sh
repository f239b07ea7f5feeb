#!/bin/sh
# Install the caches that come from the system's packages. Their own services are not wanted: every trial starts its own.
# One that this system does not have is named at the end, and the others are installed all the same.
set -eu
PATH=$PATH:/usr/sbin:/usr/local/sbin
missing=""

have() { command -v "$1" >/dev/null 2>&1; }

apt() { # packages: all of them, or none
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@" \
    >"$log" 2>&1
}

one_by_one() { # way to install, packages: each that cannot be had is set down as missing
  way=$1
  shift
  for package; do
    "$way" "$package" || missing="$missing $package"
  done
}

say() { # name, program, arguments that make it tell its version
  name=$1
  program=$2
  shift 2
  if have "$program"; then
    echo "$name: $("$program" "$@" 2>&1 | head -n 1)"
  else
    echo "$name: not found"
  fi
}

on_debian() {
  packages="gcc libc6-dev varnish trafficserver squid-openssl haproxy apache2-bin caddy" # Varnish needs the compiler
  if [ "$(id -u)" != 0 ]; then
    echo "this needs root: sudo make caches (or: sudo apt-get install --no-install-recommends $packages)" >&2
    exit 2
  fi
  log=$(mktemp)
  policy=/usr/sbin/policy-rc.d
  made=""
  trap 'rm -f "$log"; [ -z "$made" ] || rm -f "$policy"' EXIT
  if [ ! -e "$policy" ]; then # keeps the packages from starting services on well-known ports
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    made=yes
  fi
  apt-get -o DPkg::Lock::Timeout=300 update -qq >"$log" 2>&1 || tail -n 3 "$log" >&2
  # shellcheck disable=SC2086 # words
  apt $packages && return
  # One of them is unknown here, or does not go with the others: then each by itself.
  apt squid-openssl || one_by_one apt squid
  # shellcheck disable=SC2086
  one_by_one apt $(echo "$packages" | sed 's/squid-openssl//')
}

if have apt-get; then
  on_debian
elif have brew; then
  for formula in varnish trafficserver squid haproxy httpd caddy; do
    brew list "$formula" >/dev/null 2>&1 || brew install --quiet "$formula" || missing="$missing $formula"
  done
else
  echo "no apt-get and no brew here: install what you want of varnish (with a C compiler), trafficserver, squid, haproxy," \
    "apache httpd and caddy by your system's package manager; make check shows what is found" >&2
  exit 2
fi

say "Varnish" varnishd -V
say "Traffic Server" traffic_server -V
say "Squid" squid -v
say "HAProxy" haproxy -v
say "Apache httpd" "$(have apache2 && echo apache2 || echo httpd)" -v
say "Caddy" caddy version
if [ -n "$missing" ]; then
  echo "not to be had here, and left out:$missing" >&2
fi

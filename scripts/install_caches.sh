#!/bin/sh
# Install the caches that come from the system's packages. Their own services are not wanted: every trial starts its own.
set -eu
packages="varnish gcc libc6-dev"
if command -v apt-get >/dev/null 2>&1; then
  if [ "$(id -u)" != 0 ]; then
    echo "this needs root: sudo make caches (or: sudo apt-get install $packages)" >&2
    exit 2
  fi
  policy=/usr/sbin/policy-rc.d
  made=""
  if [ ! -e "$policy" ]; then # keeps the packages from starting services on well-known ports
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    made=yes
  fi
  trap '[ -z "$made" ] || rm -f "$policy"' EXIT
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
  echo "installed: $(varnishd -V 2>&1 | head -n 1)"
elif command -v brew >/dev/null 2>&1; then
  brew install varnish
else
  echo "no apt-get and no brew here: install varnish by your system's package manager; make check shows what is found" >&2
  exit 2
fi

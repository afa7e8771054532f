# shellcheck shell=bash
# For the scripts beside it. fetch NAME=VERSION...: unpacks these Debian packages below $ROOT, a
# temporary folder that is removed at the end, without installing them.
set -eu
ROOT=$(mktemp -d)
trap 'rm -rf "$ROOT"' EXIT
cd "$ROOT"
fetch() {
  for package in "$@"; do
    apt-get download -q "$package" >/dev/null 2>&1 || {
      echo "skipped: $package is not in this machine's package archive"
      exit 77
    }
  done
  for file in ./*.deb; do dpkg-deb -x "$file" "$ROOT"; done
  PATH=$ROOT/usr/bin:$ROOT/usr/sbin:$ROOT/sbin:$PATH
  LD_LIBRARY_PATH=$ROOT/usr/lib/x86_64-linux-gnu:$ROOT/lib/x86_64-linux-gnu
  export PATH LD_LIBRARY_PATH
}
changed() {
  echo "changed: $*"
  exit 1
}

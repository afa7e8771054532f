#!/bin/sh
# Shows that the quick start needs nothing done by hand: a minimal Debian 12 with only git in it,
# a clone of the committed state, ./dev demo, ./dev test.
# usage (as root): packaging/fresh-root-test.sh [DIRECTORY]   needs debootstrap and some 5 GB
set -eu
cd "$(dirname "$0")/.."

if [ "${INSTAR_FRESH_ROOT-}" != inside ]; then
  # A mount namespace of its own: the mounts below go away with it, however this ends.
  exec env INSTAR_FRESH_ROOT=inside unshare --mount --propagation private sh "$0" "$@"
fi

root=${1-$(mktemp -d /var/tmp/instar-fresh-root.XXXXXX)}
# shellcheck disable=SC2016 # $(SITE) is apt's own notation
mirror=$(apt-get indextargets --format '$(SITE)' 'Codename: bookworm' 'Created-By: Packages' |
  head -n 1)
# As any root directory: other users' programs run in it, too.
chmod 755 "$root"
cleanup() {
  for point in proc sys dev; do # which of them are mounted depends on where it ended
    umount -l "$root/$point" 2>/dev/null || true
  done
  rm -rf --one-file-system "$root"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

command -v debootstrap >/dev/null || {
  echo "needs debootstrap (apt-get install debootstrap)" >&2
  exit 1
}
debootstrap --variant=minbase --include=git,ca-certificates bookworm "$root" \
  "${mirror:-http://deb.debian.org/debian}"

# How this machine reaches its packages holds inside too; most need no proxy.
cp /etc/resolv.conf /etc/hosts "$root/etc/"
cp /etc/apt/apt.conf.d/*proxy* "$root/etc/apt/apt.conf.d/" 2>/dev/null || true

git bundle create -q "$root/root/source.bundle" HEAD
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"

chroot "$root" env -i HOME=/root TERM=dumb PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -eu -c '
  git clone -q /root/source.bundle /root/instar
  cd /root/instar
  ./dev demo
  ./dev test
'
echo "fresh root: the quick start works"

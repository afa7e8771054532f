#!/bin/sh
# A tour with a real image: an ext4 file system full of files goes raw -> qcow2 -> raw through the
# sandbox and comes back the same.
# usage: demo.sh PATH-TO-INSTAR
set -eu
instar=$1
work=$(mktemp -d "${TMPDIR:-/tmp}/instar-demo.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

step() { printf '\n==> %s\n' "$*"; }
run() {
  printf '$ instar %s\n' "$*"
  (cd "$work" && "$instar" "$@")
}
case $instar in
/*) ;;
*) instar=$PWD/$instar ;;
esac

step "Making disk.raw: a 256 MiB ext4 file system of this repository and CMake's modules"
mkdir "$work/tree"
git archive HEAD 2>/dev/null | tar -x -C "$work/tree" || cp -R docs formats libinstar "$work/tree"
for modules in /usr/share/cmake*/; do
  [ ! -d "$modules" ] || cp -R "$modules" "$work/tree/"
done
mke2fs -q -t ext4 -L instar-demo -d "$work/tree" "$work/disk.raw" 256M
printf '%s bytes long, %s KiB of it on disk\n' \
  "$(wc -c <"$work/disk.raw")" "$(du -k "$work/disk.raw" | cut -f1)"

step "What protects this machine"
run doctor

step "Converting it to qcow2"
run convert -O qcow2 disk.raw disk.qcow2
run info disk.qcow2

step "The same, compressed"
run convert -c -O qcow2 disk.raw compressed.qcow2
run info compressed.qcow2

step "Converting both back to raw and comparing with the original"
for image in disk compressed; do
  run convert -O raw "$image.qcow2" "$image.back"
  cmp "$work/disk.raw" "$work/$image.back"
  echo "$image.back is identical to disk.raw"
  rm "$work/$image.back"
done

# All of the above ran with the default isolation, which is what doctor tells.
step "Which isolation was used"
"$instar" doctor | grep '^isolation used:'

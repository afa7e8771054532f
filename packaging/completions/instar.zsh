#compdef instar
# zsh completion for instar: verbs, options and their values, then files.

# made by './dev docs': options
_instar_verbs=(
  'amend:change the options of an image, in place'
  'bitmap:change the dirty bitmaps of an image, in place'
  'check:look for inconsistencies in an image'
  'compare:compare the contents of two images'
  'convert:copy a virtual disk into a new image, of any format'
  'create:make an empty image'
  'dd:copy part of a virtual disk'
  'doctor:say which protection this machine offers'
  'info:show what an image is'
  'map:list which parts of a virtual disk hold data, and where'
  'measure:calculate the size a new image would have'
  'resize:give the virtual disk of an image another size, in place'
  'snapshot:take, apply, delete or list internal snapshots, in place'
)
_instar_common=(
  '(--isolation)--isolation=[where images are parsed]:value:(auto kvm process none)'
  '*--require=[refuse to run where this is not active]:value:(kvm seccomp landlock openat2)'
  '*--allow-path=[let images refer to files in DIR and below]:DIR:_files -/'
  '(--references)--references=[which of the files that are allowed so are opened]:value:(none directory any-owner)'
  '(--no-references)--no-references[as --references=none]'
  '(--qemu-version)--qemu-version=[print what that version of qemu-img prints]:X.Y: '
  '(--max-memory)--max-memory=[memory for parsing, 16M to 4G]:SIZE: '
  '(--max-virtual-size)--max-virtual-size=[refuse to convert larger virtual disks, and let no file that is written become longer than such a disk can need]:SIZE: '
  '(--max-output-size)--max-output-size=[let no file written, nor text printed, grow longer]:SIZE: '
  '(--max-chain-depth)--max-chain-depth=[images a backing chain may have, 1 to 1024]:N: '
  '(--timeout)--timeout=[end the whole operation after so long, whatever it waits for, and remove the files that it created]:SECONDS: '
  '(--stall-timeout)--stall-timeout=[end it when one of its processors makes no progress for so long]:SECONDS: '
  '(--workers)--workers=[processors to parse and compress on, 1 to 16]:N: '
  '(--reproducible)--reproducible[let the identities of a new image follow from what it holds, not from chance]'
  '(--strict)--strict[refuse images that do not pass the strict profile]'
  '*--trace=[say on standard error where the time of the run went, or which files were opened because an image names them]:value:(timing references)'
)
_instar_before=(
  '(-h --help)-h[show this text]'
  '(-h --help)--help[show this text]'
  '(-V --version)-V[show the version]'
  '(-V --version)--version[show the version]'
  '(-T)-T+[as --trace]:PATTERN: '
)
# _instar_set VERB: fills _instar_own with the options of this verb.
_instar_set() {
  case $1 in
    amend)
      _instar_own=(
        '(-f --format)-f+[take the image for this format instead of looking at its content]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(-f --format)--format=[take the image for this format instead of looking at its content]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(--image-opts)--image-opts[images are named by options]'
        '*-o+[what the image is to have]:NAME=VALUE,...: '
        '*--options=[what the image is to have]:NAME=VALUE,...: '
        '(--shrink)--shrink[allow the disk to become smaller]'
        '(--force)--force[taken for qemu-img'\''s sake]'
        '(-t --cache)-t+[how to write]:value:(writeback none writethrough directsync unsafe)'
        '(-t --cache)--cache=[how to write]:value:(writeback none writethrough directsync unsafe)'
        '(-p --progress)-p[show how far it is]'
        '(-p --progress)--progress[show how far it is]'
        '(-q --quiet)-q[print nothing but errors]'
        '(-q --quiet)--quiet[print nothing but errors]'
        '(-h --help)-h[show this text]'
        '(-h --help)--help[show this text]'
      )
      ;;
    bitmap)
      _instar_own=(
        '(--add)--add[add the bitmap]'
        '(--remove)--remove[remove it, also one that was not stored completely]'
        '(--remove-all)--remove-all[remove all bitmaps of the image]'
        '(--clear)--clear[clear all of its bits]'
        '(--enable)--enable[have it record what is written from now on]'
        '(--disable)--disable[have it record nothing from now on]'
        '(--merge)--merge=[set what the bitmap SOURCE has set, too]:SOURCE: '
        '(-g --granularity)-g+[of the disk that one bit stands for, with --add]:SIZE: '
        '(-g --granularity)--granularity=[of the disk that one bit stands for, with --add]:SIZE: '
        '(-b --source-file)-b+[merge bitmaps of this image, which is only read]:FILE:_files'
        '(-b --source-file)--source-file=[merge bitmaps of this image, which is only read]:FILE:_files'
        '(-F --source-format)-F+[take that image for this format instead of looking at its content]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(-F --source-format)--source-format=[take that image for this format instead of looking at its content]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(-f --format)-f+[take the image for this format instead of looking at its content]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(-f --format)--format=[take the image for this format instead of looking at its content]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(--image-opts)--image-opts[images are named by options]'
        '(-h --help)-h[show this text]'
        '(-h --help)--help[show this text]'
      )
      ;;
    check)
      _instar_own=(
        '(-f --format)-f+[take the image for this format instead of looking at its content]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(-f --format)--format=[take the image for this format instead of looking at its content]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(--image-opts)--image-opts[images are named by options]'
        '(--output)--output=[print for people or for programs]:value:(human json)'
        '(-T --cache)-T+[how to read]:value:(writeback none writethrough directsync unsafe)'
        '(-T --cache)--cache=[how to read]:value:(writeback none writethrough directsync unsafe)'
        '(-U --force-share)-U[read images even while somebody writes to them]'
        '(-U --force-share)--force-share[read images even while somebody writes to them]'
        '(-q --quiet)-q[print findings and errors only]'
        '(-q --quiet)--quiet[print findings and errors only]'
        '(-h --help)-h[show this text]'
        '(-h --help)--help[show this text]'
        '(-r --repair)-r+[repair the image]:value:(leaks all)'
        '(-r --repair)--repair=[repair the image]:value:(leaks all)'
        '(--dry-run)--dry-run[with --repair]'
      )
      ;;
    compare)
      _instar_own=(
        '(-f --a-format)-f+[take the first image for this format instead of looking at its content]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(-f --a-format)--a-format=[take the first image for this format instead of looking at its content]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(-F --b-format)-F+[take the second one for this format]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(-F --b-format)--b-format=[take the second one for this format]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(--image-opts)--image-opts[images are named by options]'
        '(-s --strict)-s[the disks must have the same size and hold data in the same places, too]'
        '(-s --strict)--strict[the disks must have the same size and hold data in the same places, too]'
        '(-T --cache)-T+[how to read]:value:(writeback none writethrough directsync unsafe)'
        '(-T --cache)--cache=[how to read]:value:(writeback none writethrough directsync unsafe)'
        '(-U --force-share)-U[read images even while somebody writes to them]'
        '(-U --force-share)--force-share[read images even while somebody writes to them]'
        '(-p --progress)-p[show how far it is]'
        '(-p --progress)--progress[show how far it is]'
        '(-q --quiet)-q[print nothing but errors]'
        '(-q --quiet)--quiet[print nothing but errors]'
        '(-h --help)-h[show this text]'
        '(-h --help)--help[show this text]'
      )
      ;;
    convert)
      _instar_own=(
        '(-f --source-format)-f+[take the sources for this format instead of looking at their content]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(-f --source-format)--source-format=[take the sources for this format instead of looking at their content]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(--image-opts)--image-opts[images are named by options]'
        '(-O --target-format)-O+[format of the target]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(-O --target-format)--target-format=[format of the target]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '*-o+[options of the target'\''s format]:NAME=VALUE,...: '
        '*--target-format-options=[options of the target'\''s format]:NAME=VALUE,...: '
        '(-c --compress)-c[compress the data]'
        '(-c --compress)--compress[compress the data]'
        '(--compress-level)--compress-level=[how hard, 1 to 9, with -c or to streamOptimized]:N: '
        '(-l --snapshot)-l+[read this internal snapshot]:SNAPSHOT: '
        '(-l --snapshot)--snapshot=[read this internal snapshot]:SNAPSHOT: '
        '(-b --backing)-b+[make the target an overlay on FILE, which holds what the source'\''s backing file does]:FILE:_files'
        '(-b --backing)--backing=[make the target an overlay on FILE, which holds what the source'\''s backing file does]:FILE:_files'
        '(-F --backing-format)-F+[format of that backing file]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(-F --backing-format)--backing-format=[format of that backing file]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(-n --no-create)-n[write into an existing target, keep its size and format]'
        '(-n --no-create)--no-create[write into an existing target, keep its size and format]'
        '(--target-image-opts)--target-image-opts[TARGET is such a list of options]'
        '(--target-is-zero)--target-is-zero[that target reads as zeros everywhere]'
        '(-S --sparse-size)-S+[leave out runs of zeros at least so long]:SIZE: '
        '(-S --sparse-size)--sparse-size=[leave out runs of zeros at least so long]:SIZE: '
        '(--bitmaps)--bitmaps[copy the persistent bitmaps too]'
        '(--skip-broken-bitmaps)--skip-broken-bitmaps[leave out those that are inconsistent]'
        '(--salvage)--salvage[take what cannot be read for zeros, warn, and go on]'
        '(-T --source-cache)-T+[how to read]:value:(writeback none writethrough directsync unsafe)'
        '(-T --source-cache)--source-cache=[how to read]:value:(writeback none writethrough directsync unsafe)'
        '(-t --target-cache)-t+[how to write]:value:(writeback none writethrough directsync unsafe)'
        '(-t --target-cache)--target-cache=[how to write]:value:(writeback none writethrough directsync unsafe)'
        '(-m --parallel)-m+[work on N processors, 1 to 16]:N: '
        '(-m --parallel)--parallel=[work on N processors, 1 to 16]:N: '
        '(-W --oob-writes)-W[accepted]'
        '(-W --oob-writes)--oob-writes[accepted]'
        '(-C --copy-range-offloading)-C[share blocks with the source]'
        '(-C --copy-range-offloading)--copy-range-offloading[share blocks with the source]'
        '(-r --rate-limit)-r+[bytes written a second at most]:SIZE: '
        '(-r --rate-limit)--rate-limit=[bytes written a second at most]:SIZE: '
        '(-U --force-share)-U[read images even while somebody writes to them]'
        '(-U --force-share)--force-share[read images even while somebody writes to them]'
        '(-p --progress)-p[show how far it is]'
        '(-p --progress)--progress[show how far it is]'
        '(-q --quiet)-q[print nothing but errors]'
        '(-q --quiet)--quiet[print nothing but errors]'
        '(-h --help)-h[show this text]'
        '(-h --help)--help[show this text]'
      )
      ;;
    create)
      _instar_own=(
        '(-f --format)-f+[format of the new image]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(-f --format)--format=[format of the new image]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '*-o+[options of the format]:NAME=VALUE,...: '
        '*--options=[options of the format]:NAME=VALUE,...: '
        '(-b --backing)-b+[make the image an overlay on FILE]:FILE:_files'
        '(-b --backing)--backing=[make the image an overlay on FILE]:FILE:_files'
        '(-F --backing-format)-F+[format of that backing file]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(-F --backing-format)--backing-format=[format of that backing file]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(-u --backing-unsafe)-u[do not open the backing file]'
        '(-u --backing-unsafe)--backing-unsafe[do not open the backing file]'
        '(-q --quiet)-q[print nothing but errors]'
        '(-q --quiet)--quiet[print nothing but errors]'
        '(-h --help)-h[show this text]'
        '(-h --help)--help[show this text]'
      )
      ;;
    dd)
      _instar_own=(
        '(-f --format)-f+[take the source for this format instead of looking at its content]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(-f --format)--format=[take the source for this format instead of looking at its content]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(-O --output-format)-O+[format of the target]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(-O --output-format)--output-format=[format of the target]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(--image-opts)--image-opts[images are named by options]'
        '(-U --force-share)-U[read images even while somebody writes to them]'
        '(-U --force-share)--force-share[read images even while somebody writes to them]'
        '(-h --help)-h[show this text]'
        '(-h --help)--help[show this text]'
      )
      ;;
    doctor)
      _instar_own=(
        '(--output)--output=[print for people or for programs]:value:(human json)'
        '(-h --help)-h[show this text]'
        '(-h --help)--help[show this text]'
      )
      ;;
    info)
      _instar_own=(
        '(-f --format)-f+[take the image for this format instead of looking at its content]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(-f --format)--format=[take the image for this format instead of looking at its content]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(--image-opts)--image-opts[images are named by options]'
        '(--output)--output=[print for people or for programs]:value:(human json)'
        '(--backing-chain)--backing-chain[show the backing files too, and theirs]'
        '(--partitions)--partitions[show the partition table of a raw image, too]'
        '(-U --force-share)-U[read images even while somebody writes to them]'
        '(-U --force-share)--force-share[read images even while somebody writes to them]'
        '(-h --help)-h[show this text]'
        '(-h --help)--help[show this text]'
      )
      ;;
    map)
      _instar_own=(
        '(-f --format)-f+[take the image for this format instead of looking at its content]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(-f --format)--format=[take the image for this format instead of looking at its content]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(--image-opts)--image-opts[images are named by options]'
        '(--output)--output=[print for people or for programs]:value:(human json)'
        '(-s --start-offset)-s+[leave out what comes before this byte of the disk]:SIZE: '
        '(-s --start-offset)--start-offset=[leave out what comes before this byte of the disk]:SIZE: '
        '(-l --max-length)-l+[list so many bytes at most]:SIZE: '
        '(-l --max-length)--max-length=[list so many bytes at most]:SIZE: '
        '(-U --force-share)-U[read images even while somebody writes to them]'
        '(-U --force-share)--force-share[read images even while somebody writes to them]'
        '(-h --help)-h[show this text]'
        '(-h --help)--help[show this text]'
      )
      ;;
    measure)
      _instar_own=(
        '(-O --target-format)-O+[format of the new image]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(-O --target-format)--target-format=[format of the new image]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '*-o+[options of that format]:NAME=VALUE,...: '
        '*--target-format-options=[options of that format]:NAME=VALUE,...: '
        '(-s --size)-s+[measure an empty disk of SIZE bytes instead of an image]:SIZE: '
        '(-s --size)--size=[measure an empty disk of SIZE bytes instead of an image]:SIZE: '
        '(-f --source-format)-f+[take FILE for this format instead of looking at its content]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(-f --source-format)--source-format=[take FILE for this format instead of looking at its content]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(--image-opts)--image-opts[images are named by options]'
        '(-l --snapshot)-l+[read this internal snapshot]:SNAPSHOT: '
        '(-l --snapshot)--snapshot=[read this internal snapshot]:SNAPSHOT: '
        '(--output)--output=[print for people or for programs]:value:(human json)'
        '(-U --force-share)-U[read images even while somebody writes to them]'
        '(-U --force-share)--force-share[read images even while somebody writes to them]'
        '(-h --help)-h[show this text]'
        '(-h --help)--help[show this text]'
      )
      ;;
    resize)
      _instar_own=(
        '(-f --format)-f+[take the image for this format instead of looking at its content]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(-f --format)--format=[take the image for this format instead of looking at its content]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(--image-opts)--image-opts[images are named by options]'
        '(--shrink)--shrink[allow the disk to become smaller]'
        '(--preallocation)--preallocation=[how the part that the disk grows by is stored]:value:(off metadata falloc full)'
        '(-t --cache)-t+[how to write]:value:(writeback none writethrough directsync unsafe)'
        '(-t --cache)--cache=[how to write]:value:(writeback none writethrough directsync unsafe)'
        '(-q --quiet)-q[print nothing but errors]'
        '(-q --quiet)--quiet[print nothing but errors]'
        '(-h --help)-h[show this text]'
        '(-h --help)--help[show this text]'
      )
      ;;
    snapshot)
      _instar_own=(
        '(-l --list)-l[list the snapshots]'
        '(-l --list)--list[list the snapshots]'
        '(-c --create)-c+[keep the disk as it is now under that name]:SNAPSHOT: '
        '(-c --create)--create=[keep the disk as it is now under that name]:SNAPSHOT: '
        '(-a --apply)-a+[give the disk the content and the size that it had in the snapshot with that ID, or else that name]:SNAPSHOT: '
        '(-a --apply)--apply=[give the disk the content and the size that it had in the snapshot with that ID, or else that name]:SNAPSHOT: '
        '(-d --delete)-d+[delete the first snapshot with that name]:SNAPSHOT: '
        '(-d --delete)--delete=[delete the first snapshot with that name]:SNAPSHOT: '
        '(-f --format)-f+[take the image for this format instead of looking at its content]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(-f --format)--format=[take the image for this format instead of looking at its content]:FORMAT:(raw qcow2 vmdk vpc vhdx)'
        '(--image-opts)--image-opts[images are named by options]'
        '(--output)--output=[print for people or for programs]:value:(human json)'
        '(-t --cache)-t+[how to write]:value:(writeback none writethrough directsync unsafe)'
        '(-t --cache)--cache=[how to write]:value:(writeback none writethrough directsync unsafe)'
        '(-U --force-share)-U[read images even while somebody writes to them]'
        '(-U --force-share)--force-share[read images even while somebody writes to them]'
        '(-q --quiet)-q[print nothing but errors and the list]'
        '(-q --quiet)--quiet[print nothing but errors and the list]'
        '(-h --help)-h[show this text]'
        '(-h --help)--help[show this text]'
      )
      ;;
  esac
}
# end of what './dev docs' made

_instar() {
  local curcontext=$curcontext state line
  local -a _instar_own
  _arguments -C -S "${_instar_before[@]}" "${_instar_common[@]}" \
    '1:verb:->verb' '*::argument:->argument' && return
  case $state in
    verb) _describe -t verbs verb _instar_verbs ;;
    argument)
      curcontext="${curcontext%:*}-$words[1]:"
      _instar_set "$words[1]"
      case $words[1] in
        doctor) _arguments -S -s "${_instar_own[@]}" "${_instar_common[@]}" ;;
        dd) _arguments -S -s "${_instar_own[@]}" "${_instar_common[@]}" '*:operand:_instar_operand' ;;
        *) _arguments -S -s "${_instar_own[@]}" "${_instar_common[@]}" '*:file:_files' ;;
      esac
      ;;
  esac
}

# An operand of dd: if=FILE, bs=SIZE.
_instar_operand() {
  if compset -P '(if|of)='; then
    _files
  else
    compadd -S '' -- if= of= bs= count= skip=
  fi
}

_instar "$@"

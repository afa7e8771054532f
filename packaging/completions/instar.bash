# bash completion for instar: verbs, options and their values, then files.

# made by './dev docs': options
_instar_verbs='amend bitmap check compare convert create dd doctor info map measure resize snapshot'

# _instar_options VERB: its options; without a verb those that come before it.
_instar_options() {
  case $1 in
    '') echo '-h --help -V --version -T' ;;
    amend) echo '-f --format --image-opts -o --options --shrink --force -t --cache -p --progress -q --quiet -h --help' ;;
    bitmap) echo '--add --remove --remove-all --clear --enable --disable --merge -g --granularity -b --source-file -F --source-format -f --format --image-opts -h --help' ;;
    check) echo '-f --format --image-opts --output -T --cache -U --force-share -q --quiet -h --help -r --repair --dry-run' ;;
    compare) echo '-f --a-format -F --b-format --image-opts -s --strict -T --cache -U --force-share -p --progress -q --quiet -h --help' ;;
    convert) echo '-f --source-format --image-opts -O --target-format -o --target-format-options -c --compress --compress-level -l --snapshot -b --backing -F --backing-format -n --no-create --target-image-opts --target-is-zero -S --sparse-size --bitmaps --skip-broken-bitmaps --salvage -T --source-cache -t --target-cache -m --parallel -W --oob-writes -C --copy-range-offloading -r --rate-limit -U --force-share -p --progress -q --quiet -h --help' ;;
    create) echo '-f --format -o --options -b --backing -F --backing-format -u --backing-unsafe -q --quiet -h --help' ;;
    dd) echo '-f --format -O --output-format --image-opts -U --force-share -h --help' ;;
    doctor) echo '--output -h --help' ;;
    info) echo '-f --format --image-opts --output --backing-chain --partitions -U --force-share -h --help' ;;
    map) echo '-f --format --image-opts --output -s --start-offset -l --max-length -U --force-share -h --help' ;;
    measure) echo '-O --target-format -o --target-format-options -s --size -f --source-format --image-opts -l --snapshot --output -U --force-share -h --help' ;;
    resize) echo '-f --format --image-opts --shrink --preallocation -t --cache -q --quiet -h --help' ;;
    snapshot) echo '-l --list -c --create -a --apply -d --delete -f --format --image-opts --output -t --cache -U --force-share -q --quiet -h --help' ;;
  esac
  echo '--isolation --require --allow-path --references --no-references --qemu-version --max-memory --max-virtual-size --max-output-size --max-chain-depth --timeout --stall-timeout --workers --reproducible --strict --trace'
}

# _instar_value VERB OPTION: the words its value may be, FILE, DIR, or ANY; nothing
# where it takes none.
_instar_value() {
  case $1:$2 in
    :-T) echo 'ANY' ;;
    amend:-f | amend:--format) echo 'raw qcow2 vmdk vpc vhdx' ;;
    amend:-o | amend:--options) echo 'ANY' ;;
    amend:-t | amend:--cache) echo 'writeback none writethrough directsync unsafe' ;;
    bitmap:--merge) echo 'ANY' ;;
    bitmap:-g | bitmap:--granularity) echo 'ANY' ;;
    bitmap:-b | bitmap:--source-file) echo 'FILE' ;;
    bitmap:-F | bitmap:--source-format) echo 'raw qcow2 vmdk vpc vhdx' ;;
    bitmap:-f | bitmap:--format) echo 'raw qcow2 vmdk vpc vhdx' ;;
    check:-f | check:--format) echo 'raw qcow2 vmdk vpc vhdx' ;;
    check:--output) echo 'human json' ;;
    check:-T | check:--cache) echo 'writeback none writethrough directsync unsafe' ;;
    check:-r | check:--repair) echo 'leaks all' ;;
    compare:-f | compare:--a-format) echo 'raw qcow2 vmdk vpc vhdx' ;;
    compare:-F | compare:--b-format) echo 'raw qcow2 vmdk vpc vhdx' ;;
    compare:-T | compare:--cache) echo 'writeback none writethrough directsync unsafe' ;;
    convert:-f | convert:--source-format) echo 'raw qcow2 vmdk vpc vhdx' ;;
    convert:-O | convert:--target-format) echo 'raw qcow2 vmdk vpc vhdx' ;;
    convert:-o | convert:--target-format-options) echo 'ANY' ;;
    convert:--compress-level) echo 'ANY' ;;
    convert:-l | convert:--snapshot) echo 'ANY' ;;
    convert:-b | convert:--backing) echo 'FILE' ;;
    convert:-F | convert:--backing-format) echo 'raw qcow2 vmdk vpc vhdx' ;;
    convert:-S | convert:--sparse-size) echo 'ANY' ;;
    convert:-T | convert:--source-cache) echo 'writeback none writethrough directsync unsafe' ;;
    convert:-t | convert:--target-cache) echo 'writeback none writethrough directsync unsafe' ;;
    convert:-m | convert:--parallel) echo 'ANY' ;;
    convert:-r | convert:--rate-limit) echo 'ANY' ;;
    create:-f | create:--format) echo 'raw qcow2 vmdk vpc vhdx' ;;
    create:-o | create:--options) echo 'ANY' ;;
    create:-b | create:--backing) echo 'FILE' ;;
    create:-F | create:--backing-format) echo 'raw qcow2 vmdk vpc vhdx' ;;
    dd:-f | dd:--format) echo 'raw qcow2 vmdk vpc vhdx' ;;
    dd:-O | dd:--output-format) echo 'raw qcow2 vmdk vpc vhdx' ;;
    doctor:--output) echo 'human json' ;;
    info:-f | info:--format) echo 'raw qcow2 vmdk vpc vhdx' ;;
    info:--output) echo 'human json' ;;
    map:-f | map:--format) echo 'raw qcow2 vmdk vpc vhdx' ;;
    map:--output) echo 'human json' ;;
    map:-s | map:--start-offset) echo 'ANY' ;;
    map:-l | map:--max-length) echo 'ANY' ;;
    measure:-O | measure:--target-format) echo 'raw qcow2 vmdk vpc vhdx' ;;
    measure:-o | measure:--target-format-options) echo 'ANY' ;;
    measure:-s | measure:--size) echo 'ANY' ;;
    measure:-f | measure:--source-format) echo 'raw qcow2 vmdk vpc vhdx' ;;
    measure:-l | measure:--snapshot) echo 'ANY' ;;
    measure:--output) echo 'human json' ;;
    resize:-f | resize:--format) echo 'raw qcow2 vmdk vpc vhdx' ;;
    resize:--preallocation) echo 'off metadata falloc full' ;;
    resize:-t | resize:--cache) echo 'writeback none writethrough directsync unsafe' ;;
    snapshot:-c | snapshot:--create) echo 'ANY' ;;
    snapshot:-a | snapshot:--apply) echo 'ANY' ;;
    snapshot:-d | snapshot:--delete) echo 'ANY' ;;
    snapshot:-f | snapshot:--format) echo 'raw qcow2 vmdk vpc vhdx' ;;
    snapshot:--output) echo 'human json' ;;
    snapshot:-t | snapshot:--cache) echo 'writeback none writethrough directsync unsafe' ;;
    *:--isolation) echo 'auto kvm process none' ;;
    *:--require) echo 'kvm seccomp landlock openat2' ;;
    *:--allow-path) echo 'DIR' ;;
    *:--references) echo 'none directory any-owner' ;;
    *:--qemu-version) echo 'ANY' ;;
    *:--max-memory) echo 'ANY' ;;
    *:--max-virtual-size) echo 'ANY' ;;
    *:--max-output-size) echo 'ANY' ;;
    *:--max-chain-depth) echo 'ANY' ;;
    *:--timeout) echo 'ANY' ;;
    *:--stall-timeout) echo 'ANY' ;;
    *:--workers) echo 'ANY' ;;
    *:--trace) echo 'timing references' ;;
  esac
}
# end of what './dev docs' made

_instar() {
  local cur prev words cword
  if declare -F _init_completion >/dev/null; then
    _init_completion -n = || return
  else
    cur=${COMP_WORDS[COMP_CWORD]}
    prev=${COMP_WORDS[COMP_CWORD - 1]}
    words=("${COMP_WORDS[@]}")
    cword=$COMP_CWORD
  fi
  COMPREPLY=()

  local verb="" word option="" value="" matches=""
  for word in "${words[@]:1:cword-1}"; do
    case " $_instar_verbs " in
      *" $word "*) verb=$word && break ;;
    esac
  done

  # The option whose value is to be completed: "--output=...", which may come as three words, or the
  # word before.
  if [[ $cur == --*=* ]]; then
    option=${cur%%=*}
    cur=${cur#*=}
  elif [[ $cur == "=" ]]; then
    option=$prev cur=""
  elif [[ $prev == "=" ]]; then
    option=${words[cword - 2]}
  elif [[ $prev == -* ]]; then
    option=$prev
  fi
  [[ -n $option ]] && value=$(_instar_value "$verb" "$option")
  case $value in
    "") ;;
    FILE) matches=$(compgen -f -- "$cur") ;;
    DIR) matches=$(compgen -d -- "$cur") ;;
    ANY) return ;;
    *) matches=$(compgen -W "$value" -- "$cur") ;;
  esac

  if [[ -z $value ]]; then
    if [[ $cur == -* ]]; then
      matches=$(compgen -W "$(_instar_options "$verb")" -- "$cur")
    elif [[ -z $verb ]]; then
      matches=$(compgen -W "$_instar_verbs" -- "$cur")
    elif [[ $verb == dd && $cur != if=* && $cur != of=* ]]; then
      matches=$(compgen -W "if= of= bs= count= skip=" -- "$cur")
      compopt -o nospace
    else
      [[ $verb == dd ]] && cur=${cur#*=}
      value=FILE
      matches=$(compgen -f -- "$cur")
    fi
  fi
  [[ -n $matches ]] && mapfile -t COMPREPLY <<<"$matches"
  case $value in
    FILE | DIR) compopt -o filenames ;;
  esac
}

complete -F _instar instar

# bash completion for instar: verbs, options, formats, then files.

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

  local formats="raw qcow2 vmdk vpc vhdx"
  local caches="none writeback writethrough directsync unsafe"
  local sandbox="--isolation= --require= --allow-path --references= --no-references --qemu-version --max-memory
    --max-virtual-size --max-output-size --max-chain-depth --timeout --stall-timeout --workers --reproducible
    --strict --trace= --help"
  local verb=""
  local word
  for word in "${words[@]:1:cword-1}"; do
    case $word in
      info | map | compare | check | convert | create | dd | doctor | measure) verb=$word && break ;;
    esac
  done

  case $cur in
    --isolation=*)
      mapfile -t COMPREPLY < <(compgen -W "auto kvm process none" -- "${cur#*=}")
      return
      ;;
    --require=*)
      mapfile -t COMPREPLY < <(compgen -W "kvm seccomp landlock openat2" -- "${cur#*=}")
      return
      ;;
    --references=*)
      mapfile -t COMPREPLY < <(compgen -W "none directory any-owner" -- "${cur#*=}")
      return
      ;;
    --trace=*)
      mapfile -t COMPREPLY < <(compgen -W "timing references" -- "${cur#*=}")
      return
      ;;
    --output=*)
      mapfile -t COMPREPLY < <(compgen -W "human json" -- "${cur#*=}")
      return
      ;;
  esac
  case $prev in
    -f | -O | -F | --format | --a-format | --b-format | --source-format | --target-format | --output-format | --backing-format)
      mapfile -t COMPREPLY < <(compgen -W "$formats" -- "$cur")
      return
      ;;
    -t | -T | --cache | --source-cache | --target-cache)
      mapfile -t COMPREPLY < <(compgen -W "$caches" -- "$cur")
      return
      ;;
    --allow-path)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return
      ;;
  esac

  if [[ -z $verb ]]; then
    mapfile -t COMPREPLY < <(compgen -W "info map compare check convert create dd doctor measure --version $sandbox" -- "$cur")
    [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
    return
  fi
  if [[ $cur == -* ]]; then
    local options=""
    case $verb in
      info)
        options="-f --format --output= --backing-chain --partitions -U --force-share --image-opts
          $sandbox"
        ;;
      map)
        options="-f --format --output= -s --start-offset -l --max-length -U --force-share
          --image-opts $sandbox"
        ;;
      compare)
        options="-f --a-format -F --b-format -s --strict -T --cache -p --progress -q --quiet -U
          --force-share --image-opts $sandbox"
        ;;
      check)
        options="-f --format --output= -T --cache -q --quiet -U --force-share --image-opts $sandbox"
        ;;
      convert)
        options="-f -O -o -c -p -q -n -m -W -C -S -b -B -F -l -t -T -r -U --source-format
          --target-format --target-format-options --source-cache --target-cache --snapshot
          --backing --backing-format --sparse-size --no-create --rate-limit --parallel
          --oob-writes --copy-range-offloading --compress --compress-level --progress --quiet --force-share
          --target-is-zero --salvage --bitmaps --skip-broken-bitmaps --image-opts
          --target-image-opts $sandbox"
        ;;
      create)
        options="-f -o -b -B -F -u -q --format --options --backing --backing-format --backing-unsafe
          --quiet $sandbox"
        ;;
      measure)
        options="-O -o -s -f -l -U --target-format --target-format-options --size --source-format
          --snapshot --output= --force-share --image-opts $sandbox"
        ;;
      dd) options="-f -O -U --format --output-format --force-share --image-opts $sandbox" ;;
      doctor) options="--output= $sandbox" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
    [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
    return
  fi
  if [[ $verb == dd ]]; then
    case $cur in
      if=* | of=*) cur=${cur#*=} ;;
      *)
        mapfile -t COMPREPLY < <(compgen -W "if= of= bs= count= skip=" -- "$cur")
        compopt -o nospace
        return
        ;;
    esac
  fi
  mapfile -t COMPREPLY < <(compgen -f -- "$cur")
  compopt -o filenames
}

complete -F _instar instar

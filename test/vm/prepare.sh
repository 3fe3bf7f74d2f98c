#!/usr/bin/env bash
# Makes ready the kernel that the tests of this folder run on, and prints which it is:
#   here            this machine's own has all that is needed
#   machine FOLDER  Debian's standard one, with which test/vm/machine.ts boots a virtual machine
#   none REASON     neither can be had
# What it does meanwhile is told on standard error. Can be run at any time, and several times at once.
set -uo pipefail

readonly CACHE=${TSSWARM_VM_CACHE:-/var/cache/tsswarm/vm}
readonly APT=(timeout 300 apt-get -q -y -o DPkg::Lock::Timeout=120)
# What the start needs to reach its root and its tests; the kernel loads all others by itself.
readonly EARLY_MODULES=(virtio_pci virtio_console 9pnet_virtio 9p overlay)
# Of the kernel's modules those of networks and what these need: 60 MB in place of 400.
readonly FILES=(./boot/vmlinuz-\* ./lib/modules/\*/modules.\* ./lib/modules/\*/kernel/{arch,crypto,fs,lib,net,drivers/{char,virtio}}
  ./lib/modules/\*/kernel/drivers/net/{dummy,ifb,macvlan,tun,veth}.ko ./lib/modules/\*/kernel/drivers/net/vxlan)

none() {
  printf 'none %s\n' "$*"
  exit 0
}

# quietly REASON COMMAND...: its output is kept, and its last line is told with the reason when it fails.
quietly() {
  local reason=$1
  shift
  "$@" >"$CACHE/log" 2>&1 </dev/null || none "$reason: $(tail -n 1 "$CACHE/log")"
}

# need PROGRAM:PACKAGE...: the packages whose programs are not there.
need() {
  local entry missing=()
  for entry in "$@"; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${entry%%:*}" >/dev/null || missing+=("${entry#*:}")
  done
  [[ -e /usr/share/doc/busybox-static ]] || missing+=(busybox-static)
  ((${#missing[@]} == 0)) && return
  printf 'vm: installing %s\n' "${missing[*]}" >&2
  quietly 'apt-get update' "${APT[@]}" update
  quietly "apt-get install ${missing[*]}" env DEBIAN_FRONTEND=noninteractive \
    "${APT[@]}" install --no-install-recommends "${missing[@]}"
}

# Whether this machine's own kernel has IPVS, ESP and nftables, by trying them in a namespace.
full_kernel() {
  modprobe -qa ip_vs ip_vs_rr esp4 xfrm_user nf_tables 2>/dev/null
  unshare --net sh -ec '
    ipvsadm -A -f 1 -s rr
    ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 4096 mode transport \
      aead "rfc4106(gcm(aes))" 0x0707070707070707070707070707070707070707 128
    nft add table ip try' >/dev/null 2>&1
}

# Unpacks the kernel and packs what starts it, in a folder that is only there when it is whole.
make_folder() {
  local folder=$1 work package version
  rm -rf "$CACHE"/work.*
  work=$(mktemp -d "$CACHE/work.XXXXXX")
  trap "rm -rf '$work'" EXIT
  package=$(apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/^ *Depends: //p' | head -n 1)
  if [[ -z $package ]]; then
    quietly 'apt-get update' "${APT[@]}" update
    package=$(apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/^ *Depends: //p' | head -n 1)
  fi
  [[ -n $package ]] || none 'apt knows no package linux-image-amd64: this is not Debian'
  version=${package#linux-image-}
  printf 'vm: fetching %s\n' "$package" >&2
  quietly "apt-get download $package" env -C "$work" "${APT[@]}" -o APT::Sandbox::User=root download "$package"
  mkdir -p "$work/out" "$work/start/bin" "$work/start/modules" || none "no room in $CACHE"
  quietly "unpack $package" bash -c 'set -o pipefail; dpkg-deb --fsys-tarfile "$1"/*.deb |
    tar -x -C "$1/out" --no-wildcards-match-slash --wildcards "${@:2}"' - "$work" "${FILES[@]}"
  quietly "depmod $version" depmod -b "$work/out" "$version"
  quietly "pack what starts $package" pack "$work" "$version"
  rm -rf "$folder" && mv "$work/out" "$folder" || none "there is no making the folder $folder"
}

# Every step counts: a folder with half of it would be taken for whole from then on.
pack() {
  local work=$1 version=$2
  mv "$work/out/boot/vmlinuz-$version" "$work/out/vmlinuz" &&
    cp "$(command -v busybox)" "$work/start/bin/busybox" &&
    install -m 755 "$(dirname "$0")/init.sh" "$work/start/init" &&
    early_modules "$work/out" "$version" | while read -r module; do
      cp "$module" "$work/start/modules/" && basename "$module" >>"$work/start/modules/order" || return
    done &&
    [[ -s $work/start/modules/order ]] &&
    (cd "$work/start" && find . | busybox cpio -o -H newc) >"$work/out/initrd"
}

# The files of the modules for the start, each after those that it needs.
early_modules() {
  local module
  for module in "${EARLY_MODULES[@]}"; do modprobe -d "$1" -S "$2" --show-depends "$module" || return; done |
    awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

[[ $EUID == 0 ]] || none 'it takes root'
[[ $(uname -m) == x86_64 ]] || none "the machine's kernel is of x86-64; this machine is $(uname -m)"
command -v apt-get >/dev/null || none 'this machine has no apt-get to install an emulator and a kernel with'
mkdir -p "$CACHE" 2>/dev/null || none "there is no making the folder $CACHE"
exec 8>"$CACHE/lock" || none "there is no opening $CACHE/lock"
flock -w 900 8 || none "another run of this has held $CACHE/lock for 15 minutes"

need ipvsadm:ipvsadm modprobe:kmod
if full_kernel; then
  echo here
  exit
fi
need qemu-system-x86_64:qemu-system-x86
# Another way to start, or another choice of modules, is another folder.
folder=$CACHE/$(cat "$0" "$(dirname "$0")/init.sh" | sha256sum | cut -c1-12)
[[ -e $folder/initrd ]] || make_folder "$folder"
echo "machine $folder"

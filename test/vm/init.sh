#!/bin/busybox sh
# The first program in the virtual machine. Its root becomes the host's, read-only below a layer in memory, so
# that programs, libraries and the checkout are all there under their own paths, and what is written vanishes.
# Then goes on with the script that the kernel's command line names (start=PATH).

do_or_die() {
  /bin/busybox "$@" && return
  echo "init: failed: $*"
  /bin/busybox poweroff -f
}

/bin/busybox mkdir -p /proc /host /layer
do_or_die mount -t proc proc /proc
for word in $(/bin/busybox cat /proc/cmdline); do
  case $word in
    start=*) start=${word#start=} ;;
    modules=*) modules=${word#modules=} ;;
  esac
done
while read -r module; do do_or_die insmod "/modules/$module"; done </modules/order

do_or_die mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose host /host
do_or_die mount -t tmpfs -o size=75% layer /layer
do_or_die mkdir /layer/upper /layer/work /layer/root

do_or_die mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work overlay /layer/root
cd /layer/root
do_or_die mount -t proc proc proc
do_or_die mount -t sysfs sysfs sys
do_or_die mount -t cgroup2 cgroup2 sys/fs/cgroup
do_or_die mount -t devtmpfs devtmpfs dev
do_or_die mkdir -p dev/pts dev/shm dev/mqueue
do_or_die mount -t devpts -o mode=620,ptmxmode=666 devpts dev/pts
do_or_die mount -t tmpfs shm dev/shm
do_or_die mount -t mqueue mqueue dev/mqueue
for link in fd:/proc/self/fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do do_or_die ln -sf "${link#*:}" "dev/${link%%:*}"; done
do_or_die mount -t tmpfs -o mode=755 run run
do_or_die mkdir -p run/lock run/netns "lib/modules/$(/bin/busybox uname -r)"
do_or_die mount --bind "/host$modules/$(/bin/busybox uname -r)" "lib/modules/$(/bin/busybox uname -r)"
# The kernel asks /sbin/modprobe of this root for what it needs from here on.
exec /bin/busybox switch_root . /bin/bash "$start"

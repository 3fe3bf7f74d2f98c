#!/bin/sh
# Makes a container fit for a daemon that runs containers of its own.
set -eu

# Tasks' cgroups get controllers only from a group without processes of its own (cgroups(7), "no
# internal processes"): what runs here moves into a group beside theirs.
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir -p /sys/fs/cgroup/init
  xargs -rn1 </sys/fs/cgroup/cgroup.procs >/sys/fs/cgroup/init/cgroup.procs 2>/dev/null || :
  sed 's/ / +/g; s/^/+/' </sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control
fi

# Namespaces are named by bind mounts, which only a shared mount shows to all.
mount --make-rshared /

exec "$@"

#!/bin/sh
# Before removal: Debian says "remove", RPM 0 versions that are left; before an upgrade there is nothing to do.
set -e
case $1 in
  remove | 0) ;;
  *) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then systemctl --no-reload disable --now weka-cpuset.service; fi
# Cgroups above containers get all CPUs back, which they are kept off for exclusive containers. With --wait it isn't asked of an
# agent that is active: that one is of another installation, and goes on.
/usr/bin/weka-cpuset release --yes --wait 5 || cat >&2 <<'S'
weka-cpuset is removed, but cgroups above containers may still be kept off CPUs, for the reason above; they have all CPUs again
after a reboot.
S

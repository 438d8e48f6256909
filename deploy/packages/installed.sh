#!/bin/sh
# After installation or upgrade: Debian says "configure" and the version that was there before, if any; RPM how many
# versions are installed now.
set -e
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
case $1:$2 in
  configure: | 1:*) echo "weka-cpuset is installed, and not started: systemctl enable --now weka-cpuset" ;;
  # Upgraded: only an agent that runs is started anew. Containers keep their CPUs meanwhile.
  *) systemctl try-restart weka-cpuset.service ;;
esac

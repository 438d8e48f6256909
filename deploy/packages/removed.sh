#!/bin/sh
# After removal; the configuration is the package manager's to keep or to delete.
set -e
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
if [ "$1" = purge ]; then rm -rf /etc/weka-cpuset; fi

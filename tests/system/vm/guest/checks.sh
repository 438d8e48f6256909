#!/bin/sh
# Runs the checks in the virtual machine, those that the kernel's command line names. Lines that begin with @ are for the
# host; the reports go there by the second serial port.
seconds() { cut -d' ' -f1 /proc/uptime; }
word() { tr ' ' '\n' </proc/cmdline | sed -n "s/^weka\.$1=//p"; }
export PATH=/bin:/sbin HOME=/root DENO_DIR=/tmp/deno DENO_NO_UPDATE_CHECK=1 NO_COLOR=1
cd /repository || exit 1
echo "@up $(seconds)"
ip link set lo up
mkdir .test-reports
set -- --quiet --allow-all --no-check --no-config --no-lock
[ "$(word run)" = run ] || set -- "$@" --junit-path=".test-reports/$(word report).xml"
.tools/deno "$(word run)" "$@" "tests/system/vm/$(word checks).js"
echo "@checked $? $(seconds)"
stty -F /dev/ttyS1 raw
tar -cz .test-reports >/dev/ttyS1

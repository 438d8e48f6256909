#!/bin/bash
# uninstall.sh WHERE… [OPTION…]: removes the agent, and gives all CPUs back to the cgroups that it has kept off some. Running
# containers keep the CPUs that they have. Only what is known as ours is removed; configurations and logs stay.
#   --cluster           the DaemonSet of the cluster, with its ConfigMap and ServiceAccount; and by helm each release of its chart
#   --node              what is installed on this machine: the plugin that containerd launches, and the systemd service
#   --kubeconfig FILE   the cluster; default: KUBECONFIG, or kubectl's own
#   --restart UNIT      restart containerd (its unit, as in containerd or k3s), which ends the plugin's agent; without it that
#                       agent stays until containerd is restarted: run this again then
#   --dry-run           only say what would be done
set -euo pipefail

cd "$(dirname "$0")/.."
fail() {
  echo "uninstall: $*" >&2
  exit "${status:-64}"
}

cluster='' node='' restart='' dry_run=''
while [ $# -gt 0 ]; do
  case $1 in
    --cluster) cluster=1 ;;
    --node) node=1 ;;
    --kubeconfig | --restart)
      [ -n "${2:-}" ] || fail "$1 needs a value."
      if [ "$1" = --restart ]; then restart=$2; else export KUBECONFIG=$2; fi
      shift
      ;;
    --dry-run) dry_run=1 ;;
    --help) exec sed -n '2,/^set /{s/^# \{0,1\}//p}' "$0" ;;
    *) fail "$1 is no option; --help lists them." ;;
  esac
  shift
done
[ -n "$cluster$node" ] || fail "nothing was said to be removed; --cluster, --node or both."

# Runs a command, or only says it.
run() {
  if [ -n "$dry_run" ]; then echo "would run: $*"; else "$@"; fi
}

# A program is ours when it says so; nothing else is started.
is_ours() {
  [ -f "$1" ] && [ ! -L "$1" ] && [ -x "$1" ] && [ "$(stat -c %u "$1")" = 0 ] &&
    grep -qa 'weka-cpuset' "$1" && [[ $("$1" --version 2>/dev/null) == "weka-cpuset "* ]]
}

kube() {
  kubectl --namespace kube-system "$@"
}

# By hand or by deploy/manifests, not by helm.
plain='app=weka-nri-cpuset,app.kubernetes.io/managed-by!=Helm'

# The releases of the chart, whatever they are called: a line of namespace, name and image for each.
releases() {
  local by_helm='app.kubernetes.io/name=weka-nri-cpuset,app.kubernetes.io/managed-by=Helm' note='.metadata.annotations.meta\.helm\.sh'
  kubectl get daemonset --all-namespaces --selector "$by_helm" --output "jsonpath={range .items[*]}{$note/release-namespace} \
{$note/release-name} {.spec.template.spec.containers[0].image}{'\n'}{end}" | sort -u
}

# NAMESPACE NAME IMAGE of a release: has it give the nodes back, by the image that it has, and then removes it.
remove_release() {
  local in=(--namespace "$1") image=$3 tag=() upgrade
  [[ $image == *@* || ${image##*/} != *:* ]] || tag=(--set-string "image.tag=${image##*:}")
  upgrade=(helm upgrade "$2" deploy/helm/weka-nri-cpuset "${in[@]}" --reset-then-reuse-values --set releaseNodes=true "${tag[@]}"
    --wait --timeout "${ROLLOUT_TIMEOUT:-300s}")
  if ! command -v helm >/dev/null; then
    status=1 fail "the release $2 in the namespace $1 is helm's, and there is no helm on this machine. Nothing of it was removed; from" \
      "this checkout, where there is one: ${upgrade[*]} && helm uninstall $2 ${in[*]}"
  fi
  if [[ $(helm list "${in[@]}" --all --filter "^$2\$" --output json) != *'"chart":"weka-nri-cpuset-'* ]]; then
    status=1 fail "the release $2 in the namespace $1 is another chart's, which has ours in it; it stays: see Removal in README.md."
  fi
  run "${upgrade[@]}" || status=1 fail "the release $2 in the namespace $1 stays. Where helm has waited in vain another agent is active on" \
    "some node, a plugin or a service: remove that (--node there), restart containerd, and run this again."
  run helm uninstall "$2" "${in[@]}" --wait
}

# The DaemonSet that isn't helm's; sets "image" to what it ran, which can release the nodes.
remove_plain() {
  local side_cars
  image=$(kube get daemonset --selector "$plain" --output 'jsonpath={.items[*].spec.template.spec.containers[0].image}')
  [ -n "$image" ] || return 0
  image=${image%% *}
  side_cars=$(kube get daemonset --selector "$plain" --output 'jsonpath={.items[*].spec.template.spec.initContainers[*].name}')
  run kube delete daemonset --selector "$plain" --wait --cascade=foreground
  run kube delete configmap,serviceaccount --selector "$plain"
  if [[ " $side_cars " == *" host-plugin "* ]]; then
    echo "the plugin that it has installed on each node stays, and containerd launches it: run this with --node on each"
  fi
}

# What the agents have kept off CPUs: by the image that they had.
release_nodes() {
  local release
  release=$(sed "s|image: .*|image: $1|" deploy/release/daemonset.yaml)
  if [ -n "$dry_run" ]; then
    echo "would run: deploy/release/daemonset.yaml on each node, with $1"
    return
  fi
  kubectl apply --filename - <<<"$release"
  if ! kube rollout status daemonset/weka-nri-cpuset-release --timeout="${ROLLOUT_TIMEOUT:-300s}"; then
    status=1 fail "some nodes aren't released: is another agent active there, a plugin or a service? Remove that (--node there), and" \
      "then daemonset/weka-nri-cpuset-release."
  fi
  kubectl delete --filename - <<<"$release"
}

remove_cluster() {
  PATH=$PATH:$PWD/.tools/kubernetes:$PWD/.tools/helm
  command -v kubectl >/dev/null || fail "there is no kubectl on this machine; install it, or run hack/get-kubernetes.sh .tools/kubernetes."
  local image='' all release
  all=$(releases)
  # First of all, so that it isn't active on a node that a release gives back.
  remove_plain
  while read -r release; do
    # shellcheck disable=SC2086 # three words
    [ -z "$release" ] || remove_release $release </dev/null
  done <<<"$all"
  if [ -n "$image" ]; then
    release_nodes "$image"
  elif [ -z "$all" ]; then
    echo "the cluster has no DaemonSet of ours (app.kubernetes.io/name=weka-nri-cpuset, or app=weka-nri-cpuset in kube-system)"
  fi
}

plugins=${PLUGIN_ROOT:=/opt/nri}/plugins
# A copy of the program for what is left to be done once the plugin's agent has ended.
kept=$PLUGIN_ROOT/.99-weka-cpuset.removed

remove_service() {
  local unit=/etc/systemd/system/weka-cpuset.service program=/usr/local/bin/weka-cpuset drop_in
  if ! grep -qsx 'ExecStart=/usr/local/bin/weka-cpuset' "$unit"; then return; fi
  found=1
  if is_ours "$program"; then run install -D -m 700 "$program" "$kept"; fi
  run systemctl disable --now weka-cpuset.service
  run rm "$unit"
  drop_in=$unit.d/http.conf
  if cmp -s deploy/systemd/http.conf "$drop_in"; then
    run rm "$drop_in"
    run rmdir --ignore-fail-on-non-empty "$unit.d"
  fi
  if is_ours "$program"; then run rm "$program"; fi
  run systemctl daemon-reload
}

remove_plugin() {
  local file was_ours=''
  for file in "$plugins"/[0-9][0-9]-weka-cpuset; do
    [ -e "$file" ] || [ -L "$file" ] || continue
    is_ours "$file" || status=1 fail "$file isn't a weka-cpuset of root's; it stays. Nothing of the plugin was removed."
    was_ours=1
    run install -m 700 "$file" "$kept"
    # Where install-host-plugin has put it, it knows best what else is its own.
    if ! run "$kept" install-host-plugin --remove 2>/dev/null; then run rm "$file"; fi
    [ -n "$dry_run" ] || [ ! -e "$file" ] || rm "$file"
    [ -n "$dry_run" ] || echo "removed $file"
  done
  [ -n "$was_ours" ] || return 0
  found=1
  if [ -n "$restart" ]; then
    run systemctl restart "$restart"
  else
    launched=1
  fi
}

remove_node() {
  local found='' launched=''
  [ "$(id -u)" = 0 ] || status=1 fail "a node's files are root's; run it as root."
  remove_service
  remove_plugin
  if [ -n "$launched" ]; then
    echo "the agent that containerd has launched stays active until containerd is restarted; after that run this again," \
      "which gives all CPUs back."
    return
  fi
  if [ -x "$kept" ]; then
    run "$kept" release --yes --wait "${RELEASE_WAIT:-60}"
    run rm "$kept"
  elif [ -z "$found" ]; then
    echo "this node has neither a plugin nor a service of ours"
  fi
  if [ -d /etc/weka-cpuset ]; then echo "/etc/weka-cpuset stays: it is your configuration"; fi
}

if [ -n "$cluster" ]; then remove_cluster; fi
if [ -n "$node" ]; then remove_node; fi

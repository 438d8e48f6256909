{{/* What the agent, the release of its nodes and the test have in common, put into an object of the manifests; prints nothing.
     (list ROOT OBJECT NAME POD): POD is the pod's spec in OBJECT. */}}
{{- define "weka-nri-cpuset.workload" -}}
{{- $root := index . 0 }}{{ $object := index . 1 }}{{ $name := index . 2 }}{{ $pod := index . 3 }}
{{- $values := $root.Values }}
{{- $labels := merge (dict "app" $name) (include "weka-nri-cpuset.labels" $root | fromYaml) }}
{{- $metadata := $object.metadata }}
{{- $_ := set $metadata "name" $name }}
{{- $_ := set $metadata "namespace" $root.Release.Namespace }}
{{- $_ := set $metadata "labels" $labels }}
{{- range $key := list "priorityClassName" "nodeSelector" "tolerations" "affinity" "imagePullSecrets" }}
{{- $_ := unset $pod $key }}
{{- with get $values $key }}{{ $_ := set $pod $key . }}{{ end }}
{{- end }}
{{- range $container := concat (default list $pod.initContainers) $pod.containers }}
{{- $_ := set $container "image" (include "weka-nri-cpuset.image" $root) }}
{{- $_ := set $container "imagePullPolicy" $values.image.pullPolicy }}
{{- with $values.seLinuxOptions }}{{ $_ := set $container.securityContext "seLinuxOptions" . }}{{ end }}
{{- $bus := dict "name" "dbus" "mountPath" "/run/dbus" "readOnly" true }}
{{- range $mount := $container.volumeMounts }}
{{- /* Who writes no cgroups asks nothing of systemd. */}}
{{- if and $values.systemBus (eq $mount.name "cgroup") }}
{{- $_ := set $container "volumeMounts" (append $container.volumeMounts $bus) }}
{{- end }}
{{- end }}
{{- end }}
{{- if $values.systemBus }}
{{- $bus := dict "name" "dbus" "hostPath" (dict "path" "/run/dbus" "type" "Directory") }}
{{- $_ := set $pod "volumes" (append $pod.volumes $bus) }}
{{- end }}
{{- range $key, $path := $values.hostPaths }}
{{- range $volume := $pod.volumes }}
{{- if eq $volume.name (kebabcase $key) }}{{ $_ := set $volume.hostPath "path" $path }}{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{/* In a DaemonSet, the labels by which it knows its pods, and those of these. (list ROOT DAEMONSET NAME) */}}
{{- define "weka-nri-cpuset.daemonset" -}}
{{- $root := index . 0 }}{{ $daemonset := index . 1 }}{{ $name := index . 2 }}
{{- $template := $daemonset.spec.template }}
{{- include "weka-nri-cpuset.workload" (list $root $daemonset $name $template.spec) }}
{{- $_ := set $daemonset.spec "selector" (dict "matchLabels" (dict "app" $name)) }}
{{- $_ := set $template.metadata "labels" (merge (dict "app" $name) $root.Values.podLabels) }}
{{- end }}

{{/* deploy/host-plugin in the DaemonSet of deploy/manifests. (list ROOT POD) */}}
{{- define "weka-nri-cpuset.hostPlugin" -}}
{{- $root := index . 0 }}{{ $pod := index . 1 }}
{{- $version := $root.Capabilities.KubeVersion.Version }}
{{- if semverCompare "<1.29.0-0" $version }}
{{- fail (printf "hostPlugin needs side-cars, so Kubernetes 1.29 or newer; this is %s. Install the plugin with deploy/ansible" $version) }}
{{- end }}
{{- $patch := ($root.Files.Get "files/host-plugin.yaml" | fromYaml).spec.template.spec }}
{{- $_ := set $pod "initContainers" $patch.initContainers }}
{{- $_ := set $pod "volumes" (concat $patch.volumes $pod.volumes) }}
{{- end }}

{{/* Removes the plugin before its node is released. (list ROOT POD): POD is that of deploy/release. */}}
{{- define "weka-nri-cpuset.removePlugin" -}}
{{- $root := index . 0 }}{{ $pod := index . 1 }}
{{- $patch := ($root.Files.Get "files/host-plugin.yaml" | fromYaml).spec.template.spec }}
{{- $container := omit (first $patch.initContainers) "restartPolicy" }}
{{- $_ := set $container "args" (list "install-host-plugin" "--remove") }}
{{- $_ := set $container "volumeMounts" (list (first $container.volumeMounts)) }}
{{- $_ := set $pod "initContainers" (prepend $pod.initContainers $container) }}
{{- $_ := set $pod "volumes" (concat $patch.volumes $pod.volumes) }}
{{- end }}

{{/* Where the configuration names another path in the pod, what is to be there is mounted there. (list ROOT CONTAINER) */}}
{{- define "weka-nri-cpuset.mountPaths" -}}
{{- $config := (index . 0).Values.config }}
{{- $paths := dict "sys" $config.sysfsRoot "cgroup" $config.cgroupRoot "run" $config.runDir }}
{{- with $config.socket }}{{ $_ := set $paths "nri" (dir .) }}{{ end }}
{{- with $config.criSockets }}{{ $_ := set $paths "cri" (dir (first .)) }}{{ end }}
{{- with $config.systemBus }}{{ $_ := set $paths "dbus" (dir .) }}{{ end }}
{{- with $config.kubeletRoot }}{{ $_ := set $paths "pod-resources" (printf "%s/pod-resources" .) }}{{ end }}
{{- range $mount := (index . 1).volumeMounts }}
{{- with get $paths $mount.name }}{{ $_ := set $mount "mountPath" . }}{{ end }}
{{- end }}
{{- end }}

{{/* The liveness probe of deploy/http, at the address of config.http. (list ROOT CONTAINER) */}}
{{- define "weka-nri-cpuset.liveness" -}}
{{- $root := index . 0 }}{{ $container := index . 1 }}
{{- $http := $root.Values.config.http }}
{{- $probe := (first ($root.Files.Get "files/http.yaml" | fromYaml).spec.template.spec.containers).livenessProbe }}
{{- $_ := set $probe.httpGet "port" (regexFind "[0-9]+$" $http | int) }}
{{- $host := regexReplaceAll ":[0-9]+$" $http "" | trimAll "[]" }}
{{- if not (has $host (list "0.0.0.0" "::")) }}{{ $_ := set $probe.httpGet "host" $host }}{{ end }}
{{- $_ := set $container "livenessProbe" $probe }}
{{- end }}

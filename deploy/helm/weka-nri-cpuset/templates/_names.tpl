{{/* The name of all objects; the manifests' own where the Helm release is called like the chart. At most 55 characters: 8 are for
     "-release" and "-test". */}}
{{- define "weka-nri-cpuset.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 55 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 55 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 55 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "weka-nri-cpuset.labels" -}}
app: {{ include "weka-nri-cpuset.fullname" . }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "weka-nri-cpuset.image" -}}
{{- with .Values.image }}
{{- .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{/* The agent's configuration as YAML. "on" and "off" without quotes are true and false by the time that Helm has read them. */}}
{{- define "weka-nri-cpuset.config" -}}
{{- $config := deepCopy .Values.config }}
{{- range list "fence" "hostFence" "exclusiveQuota" "pinnedMems" }}
{{- $value := get $config . }}
{{- if kindIs "bool" $value }}{{ $_ := set $config . (ternary "on" "off" $value) }}{{ end }}
{{- end }}
{{- toYaml $config }}
{{- end }}

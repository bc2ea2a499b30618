{{- define "plimsoll.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 53 | trimSuffix "-" -}}
{{- end -}}

{{/*
What scales nodes is the same image with other arguments, other rights and an account of its own. Both are rendered by
the same templates: once for the part "", which scales pods, and once, if it is enabled, for the part "nodes":

  {{- range $part := include "plimsoll.parts" . | fromJsonArray }}
  {{- with merge (dict "Part" $part) $ }}
*/}}
{{- define "plimsoll.parts" -}}
{{- ternary (list "" "nodes") (list "") .Values.nodes.enabled | toJson -}}
{{- end -}}

{{/* The name of the release, with the chart's name in it. */}}
{{- define "plimsoll.release" -}}
{{- $name := include "plimsoll.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 53 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The name of every object of a part. */}}
{{- define "plimsoll.fullname" -}}
{{- include "plimsoll.release" . }}{{ with .Part }}-{{ . }}{{ end -}}
{{- end -}}

{{- define "plimsoll.serviceAccountName" -}}
{{- default (include "plimsoll.fullname" .) (ternary .Values.nodes .Values (not (empty .Part))).serviceAccount.name -}}
{{- end -}}

{{/* Who the part is to the API server. */}}
{{- define "plimsoll.user" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "plimsoll.serviceAccountName" . }}
{{- end -}}

{{/* The names of a part differ, so that no selector of one finds pods of the other. */}}
{{- define "plimsoll.selectorLabels" -}}
app.kubernetes.io/name: {{ include "plimsoll.name" . }}{{ with .Part }}-{{ . }}{{ end }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "plimsoll.labels" -}}
{{ include "plimsoll.selectorLabels" . }}
app.kubernetes.io/component: {{ .Part | default "operator" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "plimsoll.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
The arguments of what scales nodes, beside those that both parts have. The operator's controller/operator/src/args.rs
reads them; --role is left out for what scales pods, whose role is the default.
*/}}
{{- define "plimsoll.arguments.nodes" -}}
- --role=nodes
{{- with .Values.nodes.maxNodes }}
- --max-nodes={{ . | int }}
{{- end }}
{{- end -}}

{{- define "plimsoll.arguments.pods" -}}
- --sync-period-seconds={{ .Values.operator.syncPeriodSeconds | int }}
- --downscale-stabilization-seconds={{ .Values.operator.downscaleStabilizationSeconds | int }}
- --tolerance={{ .Values.operator.tolerance }}
- --cpu-initialization-period-seconds={{ .Values.operator.cpuInitializationPeriodSeconds | int }}
- --initial-readiness-delay-seconds={{ .Values.operator.initialReadinessDelaySeconds | int }}
- --concurrent-syncs={{ .Values.operator.concurrentSyncs | int }}
- --pod-deletion-cost={{ .Values.podDeletionCost.enabled }}
- --availability={{ .Values.availability.enabled }}
- --service-groups={{ .Values.serviceGroups.enabled }}
- --capacity-pools={{ .Values.nodes.enabled }}
- --hpa={{ .Values.hpa.mode }}
{{- with .Values.sources.addresses }}
- --source-addresses={{ join "," . }}
{{- end }}
{{- end -}}

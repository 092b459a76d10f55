{{- /* Names and labels. */ -}}

{{- /* An alias is an identifier, as .Subcharts.jobsState wants it; a name in a cluster is jobs-state. */ -}}
{{- define "leasehold.name" -}}
{{- $name := default .Chart.Name .Values.nameOverride | replace "_" "-" -}}
{{- regexReplaceAll "([a-z0-9])([A-Z])" $name "${1}-${2}" | lower | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "leasehold.fullname" -}}
{{- $name := include "leasehold.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* Labels of the chart's own objects. */ -}}
{{- define "leasehold.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ include "leasehold.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- /* A tag may be longer than a label, and end as no label may. */}}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | trimAll "._-" | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- /* The one label by which the policy and the monitor know every pod with a sidecar. */ -}}
{{- define "leasehold.instanceLabel" -}}
leasehold/instance: {{ include "leasehold.fullname" . }}
{{- end -}}

{{- /* Where things are in the image and in pods. The Dockerfile says the same of the first two. */ -}}
{{- define "leasehold.paths" -}}
command: [node, /app/src/main.js]
data: /var/lib/leasehold
config: /etc/leasehold
run: /run/leasehold
socket: /run/leasehold/leasehold.sock
{{- end -}}

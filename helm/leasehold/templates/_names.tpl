{{- /* Names and labels. */ -}}

{{- define "leasehold.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "leasehold.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
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
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
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

{{- /* The container of the sidecar, the same beside a service and as an agent. */ -}}
{{- define "leasehold.container" -}}
{{- $values := .Values -}}
{{- $paths := include "leasehold.paths" . | fromYaml -}}
{{- $agent := eq $values.mode "agent" -}}
name: leasehold
image: {{ include "leasehold.image" . }}
imagePullPolicy: {{ $values.image.pullPolicy }}
{{- if include "leasehold.exposed" $values }}
ports:
  - name: leasehold
    containerPort: {{ $values.listen.port | int }}
{{- end }}
env:
  {{- include "leasehold.env" . | nindent 2 }}
{{- range $kind := list "startup" "readiness" "liveness" }}
{{ $kind }}Probe:
  {{- include "leasehold.probeAction" (dict "values" $values "kind" $kind) | nindent 2 }}
  periodSeconds: {{ (get $values.probes $kind).periodSeconds | int }}
  failureThreshold: {{ (get $values.probes $kind).failureThreshold | int }}
  timeoutSeconds: {{ $values.probes.timeoutSeconds | int }}
{{- end }}
resources:
  {{- include "leasehold.resources" $values | nindent 2 }}
securityContext:
  {{- include "leasehold.securityContext" $values | nindent 2 }}
volumeMounts:
  - name: leasehold-config
    mountPath: {{ $paths.config }}
    readOnly: true
  - name: {{ $values.data.volume | default "leasehold-data" }}
    mountPath: {{ $paths.data }}
  {{- if or $agent $values.listen.socket }}
  - name: leasehold-run
    mountPath: {{ $paths.run }}
  {{- end }}
{{- end -}}

{{- define "leasehold.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- /* Whether others than the pod's own containers reach it by TCP: "true" or nothing. */ -}}
{{- define "leasehold.exposed" -}}
{{- if not (regexMatch "^(127\\.|::1$|localhost$)" .listen.address) -}}true{{- end -}}
{{- end -}}

{{- define "leasehold.hostAndPort" -}}
{{- contains ":" .host | ternary (printf "[%s]" .host) .host -}}:{{ .port | int }}
{{- end -}}

{{- define "leasehold.listen" -}}
{{- $paths := include "leasehold.paths" . | fromYaml -}}
{{- $addresses := list -}}
{{- if or (eq .mode "sidecar") (include "leasehold.exposed" .) -}}
  {{- $addresses = append $addresses (include "leasehold.hostAndPort" (dict "host" .listen.address "port" .listen.port)) -}}
{{- end -}}
{{- if or (eq .mode "agent") .listen.socket -}}
  {{- $addresses = append $addresses (printf "unix:%s" $paths.socket) -}}
{{- end -}}
{{- join "," $addresses -}}
{{- end -}}

{{- define "leasehold.env" -}}
{{- $values := .Values -}}
{{- $paths := include "leasehold.paths" . | fromYaml -}}
{{- $agent := eq $values.mode "agent" -}}
- name: LEASEHOLD_NAME
  valueFrom: { fieldRef: { fieldPath: {{ $agent | ternary "spec.nodeName" "metadata.name" }} } }
- name: LEASEHOLD_CONFIG
  value: {{ $paths.config }}/leasehold.yaml
- name: LEASEHOLD_DATA_DIR
  value: {{ $paths.data }}
- name: LEASEHOLD_LISTEN
  value: {{ include "leasehold.listen" $values | quote }}
- name: LEASEHOLD_DRAIN_MS
  value: {{ $values.drainMs | int64 | quote }}
- name: LEASEHOLD_LOG_LEVEL
  value: {{ $values.logLevel }}
# What the worst case of the configuration is checked against is what the kernel kills at.
- name: LEASEHOLD_MEMORY_LIMIT_MB
  valueFrom: { resourceFieldRef: { resource: limits.memory, divisor: 1Mi } }
{{- with $values.redis }}
{{- if .url }}
- name: LEASEHOLD_LEDGER_URL
  value: {{ .url | quote }}
{{- else if .existingSecret.name }}
- name: LEASEHOLD_LEDGER_URL
  valueFrom: { secretKeyRef: { name: {{ .existingSecret.name }}, key: {{ .existingSecret.key | quote }} } }
{{- end }}
{{- end }}
{{- with $values.nats }}
{{- if .url }}
- name: LEASEHOLD_BUS_URL
  value: {{ .url | quote }}
{{- else if .existingSecret.name }}
- name: LEASEHOLD_BUS_URL
  valueFrom: { secretKeyRef: { name: {{ .existingSecret.name }}, key: {{ .existingSecret.key | quote }} } }
{{- end }}
{{- end }}
{{- if $values.tokens.existingSecret.name }}
- name: LEASEHOLD_TOKENS_FILE
  value: {{ $paths.config }}/tokens/tokens.yaml
{{- end }}
{{- with $values.telemetry }}
{{- if .otlp.endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .otlp.endpoint | quote }}
- name: OTEL_EXPORTER_OTLP_PROTOCOL
  value: {{ .otlp.protocol }}
{{- if .otlp.headersSecret.name }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom: { secretKeyRef: { name: {{ .otlp.headersSecret.name }}, key: {{ .otlp.headersSecret.key | quote }} } }
{{- end }}
- name: OTEL_TRACES_SAMPLER
  value: {{ .traces.sampler }}
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ .traces.samplerArg | quote }}
- name: POD_NAME
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
- name: POD_NAMESPACE
  valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
- name: NODE_NAME
  valueFrom: { fieldRef: { fieldPath: spec.nodeName } }
- name: OTEL_RESOURCE_ATTRIBUTES
  value: {{ include "leasehold.resourceAttributes" .resourceAttributes | quote }}
{{- end }}
{{- end }}
{{- with $values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "leasehold.resourceAttributes" -}}
{{- $attributes := list "k8s.pod.name=$(POD_NAME)" "k8s.namespace.name=$(POD_NAMESPACE)" "k8s.node.name=$(NODE_NAME)" -}}
{{- range $key, $value := . -}}
  {{- $attributes = append $attributes (printf "%s=%s" $key $value) -}}
{{- end -}}
{{- join "," $attributes -}}
{{- end -}}

{{- /* Liveness asks whether the loop turns; the others whether it can serve. */ -}}
{{- define "leasehold.probeAction" -}}
{{- $live := eq .kind "liveness" -}}
{{- if include "leasehold.exposed" .values -}}
httpGet:
  path: {{ $live | ternary "/livez" "/readyz" }}
  port: leasehold
{{- else -}}
{{- $paths := include "leasehold.paths" . | fromYaml -}}
{{- $arguments := $live | ternary (list "health") (list "health" "--ready") -}}
exec:
  command: {{ concat $paths.command $arguments | toJson }}
{{- end -}}
{{- end -}}

{{- define "leasehold.resources" -}}
{{- $resources := deepCopy .resources -}}
{{- if not $resources.limits.cpu -}}{{- $_ := unset $resources.limits "cpu" -}}{{- end -}}
{{- if not $resources.limits.memory -}}
  {{- /* In steps, so that not every small change of a bound is another limit. */ -}}
  {{- $steps := divf (include "leasehold.memoryNeededMi" .) 32 | ceil | int -}}
  {{- $_ := set $resources.limits "memory" (printf "%dMi" (mul $steps 32)) -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{- define "leasehold.securityContext" -}}
runAsNonRoot: true
{{- with .security.runAsUser }}
runAsUser: {{ . | int64 }}
{{- end }}
{{- with .security.runAsGroup }}
runAsGroup: {{ . | int64 }}
{{- end }}
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities: { drop: [ALL] }
seccompProfile: { type: RuntimeDefault }
{{- end -}}

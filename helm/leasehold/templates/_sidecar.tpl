{{- /*
  What charts of services include. Each takes this chart as it is in the including one, or a dict
  with it as `chart` and what one workload has otherwise:

    {{ include "leasehold.sidecar" .Subcharts.leasehold }}
    {{ include "leasehold.sidecar" (dict "chart" .Subcharts.leasehold "data" (dict "volume" "state")) }}

  Give the same dict to each of them within one pod. docs/kubernetes.md of the project has a whole pod.
*/ -}}

{{- /* An item for `initContainers`: a native sidecar, ready before the service and gone after it. */ -}}
{{- define "leasehold.sidecar" -}}
{{- $chart := include "leasehold.scope" . | fromYaml -}}
{{- include "leasehold.checks" $chart -}}
{{- if ne $chart.Values.mode "sidecar" -}}
{{- fail "leasehold.sidecar: mode is agent, and an agent is beside no service; set mode to sidecar" -}}
{{- end -}}
- {{ include "leasehold.container" $chart | nindent 2 | trim }}
  # Started before the containers of the service, stopped after them, and in the way of no Job.
  restartPolicy: Always
{{- end -}}

{{- /* Items for `volumes`. */ -}}
{{- define "leasehold.volumes" -}}
{{- $chart := include "leasehold.scope" . | fromYaml -}}
{{- include "leasehold.configVolume" $chart }}
{{- if not $chart.Values.data.volume }}
- name: leasehold-data
  emptyDir:
    sizeLimit: {{ $chart.Values.data.sizeLimit }}
{{- end }}
{{- if $chart.Values.listen.socket }}
- name: leasehold-run
  emptyDir: {}
{{- end }}
{{- end -}}

{{- /* For `metadata.labels` of the pod: the policy and the monitor select by them. */ -}}
{{- define "leasehold.podLabels" -}}
{{- $chart := include "leasehold.scope" . | fromYaml -}}
{{- include "leasehold.instanceLabel" $chart -}}
{{- end -}}

{{- /* For `metadata.annotations` of the pod: another configuration is another pod. */ -}}
{{- define "leasehold.podAnnotations" -}}
{{- $chart := include "leasehold.scope" . | fromYaml -}}
leasehold/config-checksum: {{ include "leasehold.config" $chart.Values | sha256sum }}
{{- end -}}

{{- /* For `terminationGracePeriodSeconds` of the pod: the service stops, then the sidecar drains. */ -}}
{{- define "leasehold.terminationGracePeriodSeconds" -}}
{{- $chart := include "leasehold.scope" . | fromYaml -}}
{{- $values := $chart.Values -}}
{{- $values.terminationGracePeriodSeconds | int | default (include "leasehold.stopSeconds" $values | int) -}}
{{- end -}}

{{- /* Items for `env` of the service's containers: where the sidecar is. */ -}}
{{- define "leasehold.clientEnv" -}}
{{- $chart := include "leasehold.scope" . | fromYaml -}}
- name: LEASEHOLD_URL
  value: {{ include "leasehold.clientUrl" $chart }}
{{- end -}}

{{- /* Items for `volumeMounts` of the service's containers: the socket; nothing where there is none. */ -}}
{{- define "leasehold.clientVolumeMounts" -}}
{{- $chart := include "leasehold.scope" . | fromYaml -}}
{{- $paths := include "leasehold.paths" . | fromYaml -}}
{{- if $chart.Values.listen.socket -}}
- name: leasehold-run
  mountPath: {{ $paths.run }}
  readOnly: true
{{- end -}}
{{- end -}}

{{- define "leasehold.clientUrl" -}}
{{- $paths := include "leasehold.paths" . | fromYaml -}}
{{- if or .Values.listen.socket (eq .Values.mode "agent") -}}
unix:{{ $paths.socket }}
{{- else -}}
{{- /* Within the pod "every address" is reached by the one of loopback. */ -}}
{{- $host := get (dict "0.0.0.0" "127.0.0.1" "::" "::1") .Values.listen.address | default .Values.listen.address -}}
http://{{ include "leasehold.hostAndPort" (dict "host" $host "port" .Values.listen.port) }}
{{- end -}}
{{- end -}}

{{- /* This chart's own context, with what the workload has otherwise in its values. */ -}}
{{- define "leasehold.scope" -}}
{{- $chart := . -}}
{{- $otherwise := dict -}}
{{- if and (kindIs "map" .) (hasKey . "chart") -}}
  {{- $chart = .chart -}}
  {{- $otherwise = omit . "chart" -}}
{{- end -}}
{{- /* The including chart has values too; a mode is what this one's have. */ -}}
{{- if not (and (kindIs "map" $chart) (hasKey $chart "Release") (hasKey (get $chart "Values" | default dict) "mode")) -}}
  {{- fail "leasehold: give the templates this chart, .Subcharts.leasehold, or a dict with it as chart; where a condition has switched it off, include nothing" -}}
{{- end -}}
{{- range $key := keys $otherwise | sortAlpha -}}
  {{- if not (has $key (list "data" "resources" "extraEnv" "serviceStopSeconds")) -}}
    {{- printf "leasehold: %s is not for one workload to say; data, resources, extraEnv and serviceStopSeconds are" $key | fail -}}
  {{- end -}}
{{- end -}}
{{- include "leasehold.knownKeys" (dict "given" $otherwise "known" $chart.Values "at" "") -}}
{{- $values := mergeOverwrite (deepCopy $chart.Values) (deepCopy $otherwise) -}}
{{- /* Through YAML, where helm 3 would call the members of the chart otherwise. */ -}}
{{- $about := dict "Name" $chart.Chart.Name "Version" $chart.Chart.Version "AppVersion" $chart.Chart.AppVersion -}}
{{- dict "Values" $values "Release" (dict "Name" $chart.Release.Name "Service" $chart.Release.Service) "Chart" $about | toYaml -}}
{{- end -}}

{{- /* No schema sees what a template is given: a wrong name would leave the journal where nobody keeps it. */ -}}
{{- define "leasehold.knownKeys" -}}
{{- range $key, $value := .given -}}
  {{- $path := printf "%s%s" $.at $key -}}
  {{- if not (hasKey $.known $key) -}}
    {{- printf "leasehold: there is no value %s; its group has %s" $path (keys $.known | sortAlpha | join ", ") | fail -}}
  {{- end -}}
  {{- $standard := get $.known $key -}}
  {{- if ne (kindIs "map" $value) (kindIs "map" $standard) -}}
    {{- printf "leasehold: %s is %s" $path (kindIs "map" $standard | ternary "a dict" "no dict") | fail -}}
  {{- else if kindIs "map" $value -}}
    {{- include "leasehold.knownKeys" (dict "given" $value "known" $standard "at" (printf "%s." $path)) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

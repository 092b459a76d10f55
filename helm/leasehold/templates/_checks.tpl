{{- /*
  What must agree among the values and a schema cannot say. Each refusal names the value, and says
  what to do. Takes the chart.
*/ -}}
{{- define "leasehold.checks" -}}
{{- $values := .Values -}}
{{- $exposed := include "leasehold.exposed" $values -}}
{{- $tokens := $values.tokens.existingSecret.name -}}
{{- if and $exposed (not $tokens) -}}
  {{- printf "listen.address: %s lets others than the pod in, which takes tokens; set tokens.existingSecret.name, or listen on 127.0.0.1" $values.listen.address | fail -}}
{{- end -}}
{{- if and (eq $values.mode "agent") (not $tokens) (not $values.agent.allowWithoutTokens) -}}
  {{- fail "tokens.existingSecret.name: every pod that mounts the socket of an agent can read and write everything; name a Secret with tokens, or set agent.allowWithoutTokens" -}}
{{- end -}}
{{- if and (eq $values.mode "agent") $values.data.volume -}}
  {{- fail "data.volume: the pods of an agent have the volumes of the chart and no others; set agent.dataDir" -}}
{{- end -}}
{{- if and (eq $values.mode "agent") $values.agent.prepareHost (not (and $values.security.runAsUser $values.security.runAsGroup)) -}}
  {{- fail "agent.prepareHost: directories cannot be given to a user that nobody names; set security.runAsUser and security.runAsGroup, or agent.prepareHost to false" -}}
{{- end -}}
{{- range $group := list "redis" "nats" -}}
  {{- $server := get $values $group -}}
  {{- if and $server.url $server.existingSecret.name -}}
    {{- printf "%s.url: there is %s.existingSecret.name too; keep one of them" $group $group | fail -}}
  {{- end -}}
  {{- if not (or $server.url $server.existingSecret.name) -}}
    {{- range $key := list "passwordSecret" "tokenSecret" "credentialsSecret" "nkeySecret" -}}
      {{- if (get $server $key | default dict).name -}}
        {{- printf "%s.%s.name: there is no server it is for; set %s.url or %s.existingSecret.name" $group $key $group $group | fail -}}
      {{- end -}}
    {{- end -}}
    {{- range $key := list "caSecret" "certSecret" -}}
      {{- if (get $server.tls $key).name -}}
        {{- printf "%s.tls.%s.name: there is no server it is for; set %s.url or %s.existingSecret.name" $group $key $group $group | fail -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- $grace := $values.terminationGracePeriodSeconds | int -}}
{{- $needed := include "leasehold.stopSeconds" $values | int -}}
{{- if and $grace (lt $grace $needed) -}}
  {{- printf "terminationGracePeriodSeconds: %d is too short; the service may take serviceStopSeconds and the sidecar drainMs, %d together" $grace $needed | fail -}}
{{- end -}}
{{- with $values.podMonitor -}}
  {{- if and .enabled (not $exposed) -}}
    {{- printf "podMonitor.enabled: Prometheus cannot reach %s; set listen.address to 0.0.0.0" $values.listen.address | fail -}}
  {{- end -}}
  {{- if and .enabled (not .tokenSecret.name) -}}
    {{- fail "podMonitor.tokenSecret.name: /metrics takes a token with the verb metrics; name a Secret that holds one" -}}
  {{- end -}}
{{- end -}}
{{- include "leasehold.memoryCheck" $values -}}
{{- include "leasehold.requestsCheck" $values -}}
{{- end -}}

{{- /* An API server takes no container that asks for more than it may have, and says so to a controller only. */ -}}
{{- define "leasehold.requestsCheck" -}}
{{- $resources := include "leasehold.resources" . | fromYaml -}}
{{- range $resource, $measure := dict "cpu" "leasehold.cores" "memory" "leasehold.bytes" -}}
  {{- $limit := get $resources.limits $resource -}}
  {{- $request := get ($resources.requests | default dict) $resource -}}
  {{- if and $limit $request (gt (include $measure $request | float64) (include $measure $limit | float64)) -}}
    {{- printf "resources.requests.%s: %v is more than the limit, %v" $resource $request $limit | fail -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- /* Of a quantity of Kubernetes: 500m, 0.5. */ -}}
{{- define "leasehold.cores" -}}
{{- hasSuffix "m" . | ternary (divf (trimSuffix "m" .) 1000) (float64 .) -}}
{{- end -}}

{{- /* How long the pod may take to stop. An agent has no service beside it. Takes values. */ -}}
{{- define "leasehold.stopSeconds" -}}
{{- $drain := divf .drainMs 1000 | ceil | int -}}
{{- $service := eq .mode "agent" | ternary 0 (.serviceStopSeconds | int) -}}
{{- /* The kubelet's own part: containers are stopped one after the other. */ -}}
{{- add $drain $service 5 -}}
{{- end -}}

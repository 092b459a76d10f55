{{- /*
  The file of the sidecar, and the one volume with it and every secret. One volume, because a mount
  cannot lie within another read-only one, and because all of it then changes at once.
*/ -}}

{{- /* Whether there is a ledger, whether a bus: "true" or nothing. Takes values. */ -}}
{{- define "leasehold.hasLedger" -}}
{{- if or .redis.url .redis.existingSecret.name -}}true{{- end -}}
{{- end -}}
{{- define "leasehold.hasBus" -}}
{{- if or .nats.url .nats.existingSecret.name -}}true{{- end -}}
{{- end -}}

{{- /* leasehold.yaml: `config`, and the paths of what is mounted. Takes values. */ -}}
{{- define "leasehold.config" -}}
{{- $root := (include "leasehold.paths" . | fromYaml).config -}}
{{- $ledger := dict -}}
{{- if .redis.passwordSecret.name -}}
  {{- $_ := set $ledger "passwordFile" (printf "%s/redis/password" $root) -}}
{{- end -}}
{{- $_ := set $ledger "tls" (include "leasehold.tlsFiles" (dict "tls" .redis.tls "at" (printf "%s/redis" $root)) | fromYaml) -}}
{{- $bus := dict -}}
{{- if .nats.passwordSecret.name -}}
  {{- $_ := set $bus "passwordFile" (printf "%s/nats/password" $root) -}}
{{- end -}}
{{- if .nats.tokenSecret.name -}}
  {{- $_ := set $bus "tokenFile" (printf "%s/nats/token" $root) -}}
{{- end -}}
{{- if .nats.credentialsSecret.name -}}
  {{- $_ := set $bus "credentialsFile" (printf "%s/nats/nats.creds" $root) -}}
{{- end -}}
{{- if .nats.nkeySecret.name -}}
  {{- $_ := set $bus "nkeyFile" (printf "%s/nats/nkey" $root) -}}
{{- end -}}
{{- $_ := set $bus "tls" (include "leasehold.tlsFiles" (dict "tls" .nats.tls "at" (printf "%s/nats" $root)) | fromYaml) -}}
{{- $config := deepCopy .config -}}
{{- range $group, $files := dict "ledger" $ledger "bus" $bus -}}
  {{- if not $files.tls -}}{{- $_ := unset $files "tls" -}}{{- end -}}
  {{- if $files -}}
    {{- $_ := set $config $group (mergeOverwrite (get $config $group | default dict) $files) -}}
  {{- end -}}
{{- end -}}
{{- if or .listen.socket (eq .mode "agent") -}}
  {{- /* The service may run as any user; who reaches the socket at all is decided by who mounts it. */ -}}
  {{- $_ := set $config "http" (mergeOverwrite (dict "socketMode" "0666") ($config.http | default dict)) -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{- define "leasehold.tlsFiles" -}}
{{- $files := dict -}}
{{- if .tls.caSecret.name -}}
  {{- $_ := set $files "caFile" (printf "%s/ca.crt" .at) -}}
{{- end -}}
{{- if .tls.certSecret.name -}}
  {{- $_ := set $files "certFile" (printf "%s/tls.crt" .at) -}}
  {{- $_ := set $files "keyFile" (printf "%s/tls.key" .at) -}}
{{- end -}}
{{- toYaml $files -}}
{{- end -}}

{{- /* The volume: the file, and each secret under the path that the file, or a variable, names. */ -}}
{{- define "leasehold.configVolume" -}}
{{- $values := .Values -}}
- name: leasehold-config
  projected:
    # 0444: the files are root's, and only the container of the sidecar mounts them.
    defaultMode: 292
    sources:
      - configMap:
          name: {{ include "leasehold.fullname" . }}
          items: [{ key: leasehold.yaml, path: leasehold.yaml }]
      {{- range list
        (list $values.redis.passwordSecret "redis/password")
        (list $values.redis.tls.caSecret "redis/ca.crt")
        (list $values.nats.passwordSecret "nats/password")
        (list $values.nats.tokenSecret "nats/token")
        (list $values.nats.credentialsSecret "nats/nats.creds")
        (list $values.nats.nkeySecret "nats/nkey")
        (list $values.nats.tls.caSecret "nats/ca.crt")
        (list $values.tokens.existingSecret "tokens/tokens.yaml")
      }}
      {{- $secret := first . }}
      {{- if $secret.name }}
      - secret:
          name: {{ $secret.name }}
          items: [{ key: {{ $secret.key | quote }}, path: {{ last . }} }]
      {{- end }}
      {{- end }}
      {{- range $at, $secret := dict "redis" $values.redis.tls.certSecret "nats" $values.nats.tls.certSecret }}
      {{- if $secret.name }}
      - secret:
          name: {{ $secret.name }}
          items: [{ key: tls.crt, path: {{ $at }}/tls.crt }, { key: tls.key, path: {{ $at }}/tls.key }]
      {{- end }}
      {{- end }}
{{- end -}}

{{- /*
  The most memory the configuration can come to need, before there is a process that says so: the sum
  of src/config/derive.ts, line by line under the same names. What a line costs stands in _costs.tpl,
  which is made from there; test/helm compares the two sums. Takes values.
*/ -}}

{{- /* What a limit of memory must be at least, in Mi: the worst case, and what asks for health. */ -}}
{{- define "leasehold.memoryNeededMi" -}}
{{- /* Two probes at once, each a process of its own in the same container: 37 Mi. */ -}}
{{- $probesMi := 80 -}}
{{- divf (include "leasehold.worstCaseBytes" .) 1048576 | ceil | int | add $probesMi -}}
{{- end -}}

{{- define "leasehold.memoryCheck" -}}
{{- $given := .resources.limits.memory -}}
{{- if $given -}}
  {{- $needed := include "leasehold.memoryNeededMi" . | int -}}
  {{- if lt (include "leasehold.bytes" $given | float64) (mulf $needed 1048576) -}}
    {{- printf "resources.limits.memory: %v is too little; this configuration can need %dMi with probes, so give it that, leave it empty, or lower limits and capacities in config" $given $needed | fail -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- define "leasehold.worstCaseBytes" -}}
{{- $costs := include "leasehold.costs" . | fromYaml -}}
{{- $config := .config | default dict -}}
{{- $hasLedger := include "leasehold.hasLedger" . -}}
{{- $hasBus := include "leasehold.hasBus" . -}}
{{- /* The groups of options that count, with their defaults. */ -}}
{{- $limits := mergeOverwrite (deepCopy $costs.defaults.limits) (deepCopy ($config.limits | default dict)) -}}
{{- $ledger := mergeOverwrite (deepCopy $costs.defaults.ledger) (deepCopy ($config.ledger | default dict)) -}}
{{- $bus := mergeOverwrite (deepCopy $costs.defaults.bus) (deepCopy ($config.bus | default dict)) -}}
{{- $admission := mergeOverwrite (deepCopy $costs.defaults.admission) (deepCopy ($config.admission | default dict)) -}}
{{- $callerQuota := mergeOverwrite (deepCopy $costs.defaults.callerQuota) (deepCopy ($config.callerQuota | default dict)) -}}
{{- /* The pools: what the namespaces may hold together. */ -}}
{{- $namespaces := mergeOverwrite (dict "default" dict) (deepCopy ($config.namespaces | default dict)) -}}
{{- $leases := 0.0 -}}{{- $entries := 0.0 -}}{{- $bytes := 0.0 -}}{{- $rebuilds := 0.0 -}}
{{- $mirrors := false -}}{{- $tellsValues := false -}}{{- $tellsWhole := false -}}
{{- range $name, $given := $namespaces -}}
  {{- $namespace := mergeOverwrite (deepCopy $costs.defaults.namespace) ($given | default dict) -}}
  {{- $leases = addf $leases $namespace.capacity.leases -}}
  {{- $entries = addf $entries $namespace.capacity.entries -}}
  {{- $bytes = addf $bytes (include "leasehold.bytes" $namespace.capacity.bytes) -}}
  {{- if eq $namespace.mirror "all" -}}{{- $mirrors = true -}}{{- end -}}
  {{- if ne $namespace.events.values "none" -}}{{- $tellsValues = true -}}{{- end -}}
  {{- if eq $namespace.events.values "full" -}}{{- $tellsWhole = true -}}{{- end -}}
  {{- if $namespace.reconstitute.url -}}
    {{- $rebuilds = addf $rebuilds $namespace.reconstitute.concurrency -}}
  {{- end -}}
{{- end -}}
{{- if hasKey $limits "leases" -}}{{- $leases = float64 $limits.leases -}}{{- end -}}
{{- if hasKey $limits "entries" -}}{{- $entries = float64 $limits.entries -}}{{- end -}}
{{- if hasKey $limits "bytes" -}}{{- $bytes = include "leasehold.bytes" $limits.bytes | float64 -}}{{- end -}}
{{- /* What a ledger needs beside them. */ -}}
{{- $copies := 0.0 -}}{{- $copyBytes := 0.0 -}}{{- $tombstones := 0.0 -}}
{{- if $hasLedger -}}
  {{- $wanted := ternary $entries (maxf $costs.copiesMin (ceil (divf $entries 10))) $mirrors -}}
  {{- $copies = minf (subf $costs.poolRowsMax $entries) $wanted -}}
  {{- if hasKey $limits "copies" -}}{{- $copies = float64 $limits.copies -}}{{- end -}}
  {{- $copyBytes = minf (subf $costs.poolBytesMax $bytes) (ceil (divf (mulf $bytes $copies) $entries)) -}}
  {{- if hasKey $limits "copyBytes" -}}{{- $copyBytes = include "leasehold.bytes" $limits.copyBytes | float64 -}}{{- end -}}
  {{- $tombstones = maxf $costs.tombstonesMin (ceil (divf $entries 2)) -}}
  {{- if hasKey $limits "tombstones" -}}{{- $tombstones = float64 $limits.tombstones -}}{{- end -}}
{{- end -}}
{{- $bodies := include "leasehold.bytes" $limits.inFlightBodyBytes | float64 -}}
{{- $lines := list
  (list "entries" $entries)
  (list "leases, live and remembered" (addf $leases $limits.endedMemory.entries))
  (list "bytes of keys and values" $bytes)
  (list "copies of others’ entries" $copies)
  (list "what the ledger knows of entries" (ternary (addf $entries $copies) 0.0 (eq $hasLedger "true")))
  (list "bytes of copies" $copyBytes)
  (list "rounding of cells" (addf $entries $leases (mulf 2 $copies)))
  (list "tombstones" $tombstones)
  (list "details of remembered leases" (addf $limits.endedMemory.entries $copies))
  (list "remembered replies" (include "leasehold.bytes" $limits.idempotency.bytes))
  (list "feed" (include "leasehold.bytes" $limits.feed.bytes))
  (list "index of the feed" $limits.feed.facts)
  (list "request bodies in flight" (addf $bodies (maxf (include "leasehold.bytes" $limits.bodyBytes) (divf $bodies 16))))
  (list "connections" $limits.connections)
  (list "watchers" $limits.watchers)
  (list "refusals held back" (minf $admission.heldRefusals $limits.connections))
-}}
{{- if $callerQuota.requestsPerS -}}
  {{- $lines = append $lines (list "callers counted" $callerQuota.callers) -}}
{{- end -}}
{{- if $hasLedger -}}
  {{- $lines = append $lines (list "requests to the ledger" $ledger.requestsInFlight) -}}
  {{- $lines = append $lines (list "keys asked of the ledger" $ledger.readThroughs) -}}
  {{- $lines = append $lines (list "writes waiting for the ledger" $ledger.waiters) -}}
{{- end -}}
{{- $total := float64 $costs.fixedBytes -}}
{{- if $hasBus -}}
  {{- $outbox := $limits.outbox -}}
  {{- $endings := ceil (mulf $costs.endingsPerLive (addf $entries $leases)) -}}
  {{- if hasKey $outbox "endings" -}}{{- $endings = float64 $outbox.endings -}}{{- end -}}
  {{- $endingBytes := mulf $costs.endingBytes $endings -}}
  {{- if hasKey $outbox "endingBytes" -}}{{- $endingBytes = include "leasehold.bytes" $outbox.endingBytes | float64 -}}{{- end -}}
  {{- $eventBytes := include "leasehold.bytes" $outbox.eventBytes | float64 -}}
  {{- $lines = append $lines (list "endings for the bus" $endingBytes) -}}
  {{- $lines = append $lines (list "index of those endings" $endings) -}}
  {{- $lines = append $lines (list "index of those events" $outbox.events) -}}
  {{- $lines = append $lines (list "acknowledged endings, kept" (include "leasehold.bytes" $outbox.keptBytes)) -}}
  {{- if $tellsWhole -}}
    {{- $lines = append $lines (list "values in those messages" $eventBytes) -}}
  {{- end -}}
  {{- $eventCost := ternary $costs.eventBytesWithValues $costs.eventBytesWithout $tellsValues -}}
  {{- $messageBytes := addf $costs.messageBytes (mulf $costs.messageBytesPerKeyByte $limits.keyBytes) -}}
  {{- $total = addf $total $costs.fixedBusBytes (ceil (mulf $eventBytes $eventCost)) (mulf 2 $bus.window $messageBytes) -}}
{{- end -}}
{{- $total = addf $total (include "leasehold.telemetryBytes" (dict "values" . "costs" $costs.telemetry)) -}}
{{- $total = addf $total (mulf $rebuilds 2 (include "leasehold.bytes" $limits.valueBytes)) -}}
{{- range $lines -}}
  {{- $total = addf $total (ceil (mulf (last .) (get $costs.each (first .)))) -}}
{{- end -}}
{{- $total -}}
{{- end -}}

{{- /* Where telemetry is on: its queues are as large as OTEL_ variables among extraEnv say. */ -}}
{{- define "leasehold.telemetryBytes" -}}
{{- $costs := .costs -}}
{{- $endpoint := .values.telemetry.otlp.endpoint -}}
{{- $given := dict -}}
{{- range .values.extraEnv -}}
  {{- if regexMatch "^OTEL_EXPORTER_OTLP_.*ENDPOINT$" .name -}}{{- $endpoint = .name -}}{{- end -}}
  {{- if regexMatch "^[1-9][0-9]*$" (toString (.value | default "")) -}}{{- $_ := set $given .name (float64 .value) -}}{{- end -}}
{{- end -}}
{{- if $endpoint -}}
  {{- $links := minf $costs.linksMax (dig "OTEL_SPAN_LINK_COUNT_LIMIT" $costs.linksMax $given) -}}
  {{- $total := float64 $costs.fixedBytes -}}
  {{- range $processor, $bytes := dict "BSP" (addf $costs.spanBytes (mulf $costs.linkBytes $links)) "BLRP" $costs.logRecordBytes -}}
    {{- $size := dig (printf "OTEL_%s_MAX_QUEUE_SIZE" $processor) $costs.queue.size $given -}}
    {{- $batch := dig (printf "OTEL_%s_MAX_EXPORT_BATCH_SIZE" $processor) $costs.queue.batch $given -}}
    {{- $total = addf $total (mulf (addf $size (minf $size $batch)) $bytes) -}}
  {{- end -}}
  {{- $total -}}
{{- else -}}
  {{- 0 -}}
{{- end -}}
{{- end -}}

{{- /* Bytes of a size (64Mi, 1.5GiB, 65536) or of a quantity of Kubernetes (which also has M and G). */ -}}
{{- define "leasehold.bytes" -}}
{{- if kindIs "string" . -}}
  {{- $units := dict "" 1 "k" 1000 "m" 1000000 "g" 1000000000 "t" 1000000000000 "ki" 1024 "mi" 1048576 "gi" 1073741824 "ti" 1099511627776 -}}
  {{- $unit := regexFind "[A-Za-z]+" . | lower | trimSuffix "b" -}}
  {{- mulf (regexFind "^[0-9.]+" (trim .)) (get $units $unit) -}}
{{- else -}}
  {{- float64 . -}}
{{- end -}}
{{- end -}}

{{/*
The configuration: what is written to the ConfigMap, and what the pod must know of it.

Every template here takes the context of the chart that includes it. In one's own chart the values
are those of the dependency (.Values.outrigger); in this chart they are .Values itself.
*/}}

{{/* What runs where `config` is empty and this chart is installed by itself. */}}
{{- define "outrigger.example" -}}
listeners:
  - name: ingress
    address: 0.0.0.0:{{ .Values.service.targetPort | int | default 8000 }}
    direction: inbound
    limits: {max_connections: 4000}
    routes:
      - upstream: app
        timeouts: {request: 10s}
        limits: {max_requests: 200}
upstreams:
  app:
    endpoints: ["127.0.0.1:{{ .Values.app.port }}"]
    limits: {max_requests: 100, max_pending: 100, pending_timeout: 500ms}
{{- end }}

{{/* The user's configuration as it was written, as a map. */}}
{{- define "outrigger.written" -}}
{{- $v := .Values.outrigger | default .Values -}}
{{- if $v.existingConfigMap.name -}}
{{- if $v.config }}{{ fail "outrigger: config and existingConfigMap.name are both set: which one is it?" }}{{ end -}}
{}
{{- else if kindIs "string" $v.config -}}
{{- $config := fromYaml $v.config -}}
{{- with $config.Error }}{{ fail (printf "outrigger: config is no YAML map: %s" .) }}{{ end -}}
{{- toYaml $config -}}
{{- else if $v.config -}}
{{- toYaml $v.config -}}
{{- else if and (eq .Chart.Name "outrigger") .Chart.IsRoot -}}
{{- include "outrigger.example" . -}}
{{- else -}}
{{- fail "outrigger: there is no configuration: set outrigger.config (a map or a text) or outrigger.existingConfigMap.name" -}}
{{- end -}}
{{- end }}

{{/* A duration of the configuration in milliseconds. */}}
{{- define "outrigger.milliseconds" -}}
{{- $text := toString .value -}}
{{- if eq $text "0" -}}
0
{{- else if regexMatch "^[0-9]+(\\.[0-9]+)?(ms|s|m|h|d)$" $text -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 -}}
{{- mulf (regexFind "^[0-9.]+" $text) (get $units (regexFind "[a-z]+$" $text)) | ceil | int64 -}}
{{- else if .otherwise -}}
{{ .otherwise }}
{{- else -}}
{{- fail (printf "outrigger: %s is %q, from which no terminationGracePeriodSeconds can be computed (a duration such as 20s, or set terminationGracePeriodSeconds)" .name $text) -}}
{{- end -}}
{{- end }}

{{/* Of a configuration: where its admin server listens. */}}
{{- define "outrigger.adminAddress" -}}
{{- if kindIs "map" .admin }}{{ .admin.address | default "127.0.0.1:9901" }}{{ else }}127.0.0.1:9901{{ end -}}
{{- end }}

{{/*
What tells a command of the program where the daemon beside it is: not the file, which may be that of a
later release by the time a pod ends. Only what stands in no file here is read from it.
*/}}
{{- define "outrigger.whereAdmin" -}}
{{- $v := .Values.outrigger | default .Values -}}
{{- $config := include "outrigger.written" . | fromYaml -}}
{{- $address := include "outrigger.adminAddress" $config -}}
{{- $token := kindIs "map" $config.admin | ternary ($config.admin | default dict) dict | dig "token_file" "" -}}
{{- if or $v.existingConfigMap.name (contains "${" (print $address $token)) -}}
-c, /etc/outrigger/outrigger.yaml
{{- else -}}
--admin, {{ $address | quote }}{{ with $token }}, --token-file, {{ . | quote }}{{ end }}
{{- end -}}
{{- end }}

{{/* What the pod must know: from the values, the configuration and the cluster's version. */}}
{{- define "outrigger.facts" -}}
{{- $v := .Values.outrigger | default .Values -}}
{{- $config := include "outrigger.written" . | fromYaml -}}
{{- $native := $v.native -}}
{{- if eq (toString $v.native) "auto" -}}
{{- $native = semverCompare ">=1.29.0-0" .Capabilities.KubeVersion.Version -}}
{{- end -}}
{{- $inbound := false -}}
{{- $inboundPort := 0 -}}
{{- range $config.listeners -}}
{{- if eq (toString .direction) "inbound" -}}
{{- $inbound = true -}}
{{- $inboundPort = $inboundPort | default (regexFind "[0-9]+$" (toString .address) | int) -}}
{{- end -}}
{{- end -}}
{{- if ne (toString $v.inbound) "auto" }}{{ $inbound = $v.inbound }}{{ end -}}
{{- $port := $v.metricsPort -}}
{{- $metrics := $config.metrics | default dict -}}
{{- if hasKey $metrics "address" -}}
{{- $address := toString $metrics.address -}}
{{- if contains "${" $address -}}{{/* known in the pod only: metricsPort has to fit */}}
{{- else if or (not (regexMatch ":[0-9]+$" $address)) (regexMatch "^(127\\.|localhost:|\\[::1\\]:|unix:)" $address) -}}
{{- fail (printf "outrigger: metrics.address is %q, where neither probes nor Prometheus can ask it (0.0.0.0:%d, or leave it out)" $address (int $port)) -}}
{{- end -}}
{{- $port = regexFind "[0-9]+$" $address | default $port -}}
{{- else if kindIs "string" $v.config -}}
{{- fail (printf "outrigger: config is a text, which is left as it is, but names no metrics.address for the probes: add `metrics: {address: 0.0.0.0:%d}`" (int $port)) -}}
{{- end -}}
{{- $shutdown := $config.shutdown | default dict -}}
{{- $grace := int $v.terminationGracePeriodSeconds -}}
{{- $delay := 5000 -}}
{{- $drain := 20000 -}}
{{- if or (not $grace) $inbound -}}
{{- $delay = include "outrigger.milliseconds" (dict "name" "shutdown.delay" "value" (dig "delay" "5s" $shutdown) "otherwise" (ternary $delay 0 (gt $grace 0))) -}}
{{- end -}}
{{- if not $grace -}}
{{- $drain = include "outrigger.milliseconds" (dict "name" "shutdown.drain_timeout" "value" (dig "drain_timeout" "20s" $shutdown)) -}}
{{- $grace = add (divf (add $delay $drain) 1000 | ceil) 5 -}}
{{- end -}}
native: {{ $native }}
inbound: {{ $inbound }}
inboundPort: {{ $inboundPort }}
admin: {{ not (has (toString (dig "admin" true $config)) (list "false" "off")) }}
adminPort: {{ include "outrigger.adminAddress" $config | regexFind ":[0-9]+$" | trimPrefix ":" | default "0" }}
adminToken: {{ kindIs "map" $config.admin | ternary ($config.admin | default dict) dict | dig "token_file" "" | quote }}
metricsPort: {{ $port }}
delaySeconds: {{ divf $delay 1000 | ceil }}
graceSeconds: {{ $grace }}
graceComputed: {{ not (int $v.terminationGracePeriodSeconds) }}
{{- end }}

{{/*
outrigger.yaml in the ConfigMap. A text is left as it is; a map is completed by what only the chart
knows: who the sidecar is, where probes find it, and that the pod's grace period fits.
*/}}
{{- define "outrigger.configuration" -}}
{{- $v := .Values.outrigger | default .Values -}}
{{- if kindIs "string" $v.config -}}
{{- $_ := include "outrigger.facts" . -}}
{{- $v.config -}}
{{- else -}}
{{- $facts := include "outrigger.facts" . | fromYaml -}}
{{- $config := include "outrigger.written" . | fromYaml -}}
{{- $_ := set $config "node" (merge ($config.node | default dict) (dict "id" "${POD_NAME:-}" "zone" "${ZONE:-}")) -}}
{{- $metrics := $config.metrics | default dict -}}
{{- if not (hasKey $metrics "address") -}}
{{- $_ := set $config "metrics" (set $metrics "address" (printf "0.0.0.0:%d" (int $facts.metricsPort))) -}}
{{- end -}}
{{- if and (not $facts.native) (not $facts.inbound) (not (hasKey ($config.shutdown | default dict) "outbound")) -}}
{{- $_ := set $config "shutdown" (set ($config.shutdown | default dict) "outbound" "until_timeout") -}}
{{- end -}}
{{- if and $facts.graceComputed (gt (int $facts.graceSeconds) 30) -}}
{{- $check := $config.check | default dict -}}
{{- $_ := set $config "check" (set $check "ignore" (append ($check.ignore | default list) "drain-beyond-grace" | uniq)) -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}
{{- end }}

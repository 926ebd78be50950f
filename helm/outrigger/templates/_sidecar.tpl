{{/*
What one adds to the pod of one's own chart: README.md shows where each goes.
*/}}

{{- define "outrigger.name" -}}
{{- $v := .Values.outrigger | default .Values -}}
{{- $v.name | default (printf "%s-outrigger" (.Release.Name | trunc 53 | trimSuffix "-")) -}}
{{- end }}

{{- define "outrigger.labels" -}}
app.kubernetes.io/name: outrigger
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "outrigger.probe" -}}
httpGet:
  path: {{ .probe.path }}
  port: outrigger-prom
{{ omit .probe "path" | toYaml }}
{{- end }}

{{/*
The container, as an item of a list.

A native sidecar gets SIGTERM when the containers of the application have ended, so calls that go out
need no hook. Only what comes in must end while the application still runs: the hook of an init
container runs when the pod's end begins, beside those of the other containers. A plain container
gets SIGTERM together with the application and starts beside it, so it takes two hooks.
*/}}
{{- define "outrigger.sidecar" -}}
{{- $v := .Values.outrigger | default .Values -}}
{{- if $v.enabled -}}
{{- $facts := include "outrigger.facts" . | fromYaml -}}
{{- $program := "/usr/bin/outrigger" -}}
{{- $file := "/etc/outrigger/outrigger.yaml" -}}
{{- $where := include "outrigger.whereAdmin" . -}}
- name: outrigger
  {{- if $v.image.digest }}
  image: {{ printf "%s@%s" $v.image.repository $v.image.digest | quote }}
  {{- else }}
  image: {{ printf "%s:%s" $v.image.repository $v.image.tag | quote }}
  {{- end }}
  imagePullPolicy: {{ $v.image.pullPolicy }}
  {{- if $facts.native }}
  restartPolicy: Always
  {{- end }}
  command: [{{ $program }}]
  args: [run, -c, {{ $file }}{{ if $v.watch }}, --watch{{ end }}]
  env:
    - name: POD_NAME
      valueFrom: {fieldRef: {fieldPath: metadata.name}}
    {{- if $v.zone.value }}
    - name: ZONE
      value: {{ $v.zone.value | quote }}
    {{- else if $v.zone.annotation }}
    - name: ZONE
      valueFrom: {fieldRef: {fieldPath: {{ printf "metadata.annotations['%s']" $v.zone.annotation | quote }}}}
    {{- else if $v.zone.label }}
    - name: ZONE
      valueFrom: {fieldRef: {fieldPath: {{ printf "metadata.labels['%s']" $v.zone.label | quote }}}}
    {{- end }}
    {{- with $v.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  ports:
    - name: outrigger-prom
      containerPort: {{ $facts.metricsPort }}
  startupProbe:
    {{- include "outrigger.probe" (dict "probe" $v.probes.startup) | nindent 4 }}
  readinessProbe:
    {{- include "outrigger.probe" (dict "probe" $v.probes.readiness) | nindent 4 }}
  livenessProbe:
    {{- include "outrigger.probe" (dict "probe" $v.probes.liveness) | nindent 4 }}
  {{- if and $facts.admin $facts.native $facts.inbound }}
  lifecycle:
    preStop:
      exec:
        command: [{{ $program }}, drain, {{ $where }}]
  {{- else if and $facts.admin (not $facts.native) }}
  lifecycle:
    {{- if eq $v.probes.startup.path "/readyz" }}
    postStart:
      exec:
        command: [{{ $program }}, wait-ready, --timeout, 60s, {{ $where }}]
    {{- end }}
    preStop:
      exec:
        command: [{{ $program }}, drain, --wait, --timeout, {{ $facts.graceSeconds }}s, {{ $where }}]
  {{- end }}
  resources:
    {{- toYaml $v.resources | nindent 4 }}
  securityContext:
    {{- toYaml $v.securityContext | nindent 4 }}
  volumeMounts:
    - name: outrigger-config
      mountPath: /etc/outrigger
      readOnly: true
    {{- with $v.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
{{- end }}

{{/* The same, where it is to be an init container; nothing on clusters before 1.29. */}}
{{- define "outrigger.initContainers" -}}
{{- $v := .Values.outrigger | default .Values -}}
{{- if $v.enabled -}}
{{- if (include "outrigger.facts" . | fromYaml).native }}{{ include "outrigger.sidecar" . }}{{ end -}}
{{- end -}}
{{- end }}

{{/* The same, where it is to be a container beside the others; nothing from 1.29 on. */}}
{{- define "outrigger.containers" -}}
{{- $v := .Values.outrigger | default .Values -}}
{{- if $v.enabled -}}
{{- if not (include "outrigger.facts" . | fromYaml).native }}{{ include "outrigger.sidecar" . }}{{ end -}}
{{- end -}}
{{- end }}

{{- define "outrigger.volumes" -}}
{{- $v := .Values.outrigger | default .Values -}}
{{- if $v.enabled -}}
- name: outrigger-config
  configMap:
    name: {{ $v.existingConfigMap.name | default (include "outrigger.name" .) }}
    items:
      - key: {{ ternary $v.existingConfigMap.key "outrigger.yaml" (ne $v.existingConfigMap.name "") }}
        path: outrigger.yaml
{{- with $v.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
{{- end }}

{{/* New pods for a new configuration, where the sidecar does not follow it by itself. */}}
{{- define "outrigger.annotations" -}}
{{- $v := .Values.outrigger | default .Values -}}
{{- if and $v.enabled (not $v.watch) (not $v.existingConfigMap.name) -}}
checksum/outrigger-config: {{ include "outrigger.configuration" . | sha256sum }}
{{- end -}}
{{- end }}

{{/* A number, for spec.terminationGracePeriodSeconds. */}}
{{- define "outrigger.terminationGracePeriodSeconds" -}}
{{- $v := .Values.outrigger | default .Values -}}
{{- if $v.enabled }}{{ (include "outrigger.facts" . | fromYaml).graceSeconds }}{{ else }}30{{ end -}}
{{- end }}

{{/*
`lifecycle` of the application's container, where callers come in through the sidecar: it stays until
the sidecar's inbound listeners have closed, and then ends what it has begun.
*/}}
{{- define "outrigger.applicationLifecycle" -}}
{{- $v := .Values.outrigger | default .Values -}}
{{- if $v.enabled -}}
{{- $facts := include "outrigger.facts" . | fromYaml -}}
{{- if $facts.inbound -}}
preStop:
  {{- if semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version }}
  sleep:
    seconds: {{ add $facts.delaySeconds 1 }}
  {{- else }}
  exec:
    command: [sleep, {{ add $facts.delaySeconds 1 | quote }}]
  {{- end }}
{{- end -}}
{{- end -}}
{{- end }}

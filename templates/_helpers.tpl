{{- /* Labels that every object of the module carries. */ -}}
{{- define "registry.labels" -}}
heritage: deckhouse
module: registry
{{- end -}}

{{- /* One of the module's own images, under the fixed address: nodes have a proven source for it before it is rendered. */ -}}
{{- define "registry.image" -}}
{{- $digest := index .root.Values.global.modulesImages.digests.registry .name | required (printf "global.modulesImages.digests.registry.%s is missing" .name) -}}
registry.d8-system.svc:5001/system/deckhouse@{{ $digest }}
{{- end -}}

{{- define "registry.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: ["ALL"]
{{- end -}}

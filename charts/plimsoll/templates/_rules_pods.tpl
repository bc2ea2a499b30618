{{/* The rights of what scales pods, in the whole cluster. */}}
{{- define "plimsoll.rules.pods" -}}
# What is asked of us.
- apiGroups: ["plimsoll.dev"]
  resources: ["podscalers"]
  verbs: ["list", "watch"]
# Where signals may be asked for.
- apiGroups: ["plimsoll.dev"]
  resources: ["sources", "clustersources"]
  verbs: ["list", "watch"]
# Whether they answer.
- apiGroups: ["plimsoll.dev"]
  resources: ["sources/status", "clustersources/status"]
  verbs: ["patch"]
# What we decided, and why.
- apiGroups: ["plimsoll.dev"]
  resources: ["podscalers/status"]
  verbs: ["patch"]
# Which targets are an HPA's to scale, so that no PodScaler scales them too.
- apiGroups: ["autoscaling"]
  resources: ["horizontalpodautoscalers"]
  verbs: ["list", "watch"]
{{- if eq .Values.hpa.mode "takeover" }}
# What was decided for an HPA, in place of the built-in controller.
- apiGroups: ["autoscaling"]
  resources: ["horizontalpodautoscalers/status"]
  verbs: ["patch"]
{{- end }}
# Which pods of a target are running, starting or ready, and what they request.
- apiGroups: [""]
  resources: ["pods"]
  verbs: ["list", "watch"]
# How many replicas a Deployment or StatefulSet has, and which pods belong to it.
- apiGroups: ["apps"]
  resources: ["deployments", "statefulsets", "replicasets"]
  verbs: ["list", "watch"]
# How many replicas a target has, and how many it should have. Any kind with a /scale subresource can be a
# target, custom resources too; this grants nothing but their replica counts.
- apiGroups: ["*"]
  resources: ["*/scale"]
  verbs: ["get", "patch"]
# What the pods use.
- apiGroups: ["metrics.k8s.io"]
  resources: ["pods"]
  verbs: ["list"]
# Metrics of pods and other objects, from whatever adapter serves them. Resources and names are those of the
# metrics, so they cannot be listed here; all there is to read are numbers.
- apiGroups: ["custom.metrics.k8s.io"]
  resources: ["*"]
  verbs: ["get"]
# Metrics of what is outside the cluster. Each metric is a resource here.
- apiGroups: ["external.metrics.k8s.io"]
  resources: ["*"]
  verbs: ["list"]
# One event per change.
- apiGroups: ["events.k8s.io"]
  resources: ["events"]
  verbs: ["create"]
{{- if .Values.podDeletionCost.enabled }}
# Which pods go first on a scale-down. RBAC cannot bind a patch to one annotation; the ValidatingAdmissionPolicy does.
- apiGroups: [""]
  resources: ["pods"]
  verbs: ["patch"]
{{- end }}
{{- if .Values.serviceGroups.enabled }}
# Which services are to be kept. Before anything of a group is deleted it is read once more.
- apiGroups: ["plimsoll.dev"]
  resources: ["servicegroups"]
  verbs: ["get", "list", "watch"]
# What became of them.
- apiGroups: ["plimsoll.dev"]
  resources: ["servicegroups/status"]
  verbs: ["patch"]
# What runs a service; an apply of what is not there yet is a create too. Binding all of these to what belongs to a
# ServiceGroup is the ValidatingAdmissionPolicy's affair.
- apiGroups: ["apps"]
  resources: ["deployments"]
  verbs: ["get", "create", "patch", "delete"]
# Where it is reached.
- apiGroups: [""]
  resources: ["services"]
  verbs: ["get", "list", "watch", "create", "patch", "delete"]
# How it scales.
- apiGroups: ["plimsoll.dev"]
  resources: ["podscalers"]
  verbs: ["get", "create", "patch", "delete"]
{{- if .Values.nodes.enabled }}
# Whether nodes elsewhere have room for the pods of a lost zone.
- apiGroups: ["plimsoll.dev"]
  resources: ["capacitypools"]
  verbs: ["list", "watch"]
{{- end }}
# Where a group is reached from outside.
- apiGroups: ["networking.k8s.io"]
  resources: ["ingresses"]
  verbs: ["get", "list", "watch", "create", "patch", "delete"]
- apiGroups: ["gateway.networking.k8s.io"]
  resources: ["httproutes"]
  verbs: ["get", "list", "watch", "create", "patch", "delete"]
# Who serves it there, where that is, and what they can do.
- apiGroups: ["networking.k8s.io"]
  resources: ["ingressclasses"]
  verbs: ["list", "watch"]
- apiGroups: ["gateway.networking.k8s.io"]
  resources: ["gateways", "gatewayclasses"]
  verbs: ["list", "watch"]
# Whether there are HTTPRoutes at all, and whether they keep clients with their pods.
- apiGroups: ["apiextensions.k8s.io"]
  resources: ["customresourcedefinitions"]
  resourceNames: ["httproutes.gateway.networking.k8s.io"]
  verbs: ["list", "watch"]
{{- end }}
{{- if or .Values.availability.enabled .Values.serviceGroups.enabled }}
# How many pods of a target may be away, and whether somebody else has said so already. An apply of what is not there yet
# is a create too.
- apiGroups: ["policy"]
  resources: ["poddisruptionbudgets"]
  verbs: [{{ if .Values.serviceGroups.enabled }}"get", {{ end }}"list", "watch", "create", "patch", "delete"]
{{- end }}
{{- if or .Values.podDeletionCost.enabled .Values.availability.enabled .Values.serviceGroups.enabled }}
# Which zone a pod is in, and which zones take pods.
- apiGroups: [""]
  resources: ["nodes"]
  verbs: ["list", "watch"]
{{- end }}
{{- end -}}

{{/*
The rights of what scales nodes, in the whole cluster. What RBAC cannot say (which node, how many replicas, which field of
a pod) the admission policies of nodeguard.yaml do.
*/}}
{{- define "plimsoll.rules.nodes" -}}
# What nodes there may be.
- apiGroups: ["plimsoll.dev"]
  resources: ["capacitypools"]
  verbs: ["list", "watch"]
# What was asked of a provider: written before it is asked, kept by a finalizer, and forgotten at the end.
- apiGroups: ["plimsoll.dev"]
  resources: ["nodeorders"]
  verbs: ["list", "watch", "create", "patch", "delete"]
# What we decided, and why.
- apiGroups: ["plimsoll.dev"]
  resources: ["capacitypools/status", "nodeorders/status"]
  verbs: ["patch"]
# Which nodes there are. The provider kwok makes and deletes them; those of others are marked, tainted and deleted.
- apiGroups: [""]
  resources: ["nodes"]
  verbs: ["get", "list", "watch", "create", "patch", "delete"]
# Which pods need room, and which hold it; which goes when a drain gives a replica back. RBAC cannot bind a patch to one
# annotation; the ValidatingAdmissionPolicy of podguard.yaml does.
- apiGroups: [""]
  resources: ["pods"]
  verbs: ["list", "watch", "patch"]
# Emptying a node. There is no right to delete a pod, so no PodDisruptionBudget is passed by.
- apiGroups: [""]
  resources: ["pods/eviction"]
  verbs: ["create"]
# Where a pod was planned to go.
- apiGroups: [""]
  resources: ["pods/status"]
  verbs: ["patch"]
# Whose labels pod affinity selects, and in which zones volumes are.
- apiGroups: [""]
  resources: ["namespaces", "persistentvolumes", "persistentvolumeclaims"]
  verbs: ["list", "watch"]
- apiGroups: ["storage.k8s.io"]
  resources: ["storageclasses", "csinodes"]
  verbs: ["list", "watch"]
# Whose pods they are, and what new ones will look like.
- apiGroups: [""]
  resources: ["podtemplates"]
  verbs: ["list", "watch"]
- apiGroups: ["apps"]
  resources: ["deployments", "replicasets", "statefulsets", "daemonsets"]
  verbs: ["list", "watch"]
# One replica more before the one on a node goes.
- apiGroups: ["apps"]
  resources: ["deployments/scale"]
  verbs: ["get", "patch"]
# Which pods may go, and which come first.
- apiGroups: ["policy"]
  resources: ["poddisruptionbudgets"]
  verbs: ["list", "watch"]
- apiGroups: ["scheduling.k8s.io"]
  resources: ["priorityclasses"]
  verbs: ["list", "watch"]
# How many pods of any kind there are of which a percentage is kept free; this reads nothing but replica counts.
- apiGroups: ["*"]
  resources: ["*/scale"]
  verbs: ["get"]
# Room that somebody asks to keep free, within what the namespace may have.
- apiGroups: ["autoscaling.x-k8s.io"]
  resources: ["capacitybuffers"]
  verbs: ["list", "watch"]
- apiGroups: [""]
  resources: ["resourcequotas"]
  verbs: ["list", "watch"]
- apiGroups: ["autoscaling.x-k8s.io"]
  resources: ["capacitybuffers/status"]
  verbs: ["patch"]
# One event per change.
- apiGroups: ["events.k8s.io"]
  resources: ["events"]
  verbs: ["create"]
{{- end -}}

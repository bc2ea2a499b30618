use plimsoll_core::cluster::ZONE;
use pretty_assertions::assert_eq;

use super::*;

fn storage() -> Storage {
    let mut storage = Storage::default();
    for class in [
        "{ metadata: { name: late }, provisioner: ebs.csi.aws.com, volumeBindingMode: WaitForFirstConsumer,
           allowedTopologies: [{ matchLabelExpressions: [{ key: topology.kubernetes.io/zone, values: [a, b] }] }] }",
        "{ metadata: { name: local }, provisioner: kubernetes.io/no-provisioner, volumeBindingMode: WaitForFirstConsumer }",
        "{ metadata: { name: at-once }, provisioner: ebs.csi.aws.com }",
    ] {
        storage.apply_class(&serde_saphyr::from_str(class).unwrap());
    }
    for claim in [
        "{ metadata: { namespace: shop, name: bound, annotations: { pv.kubernetes.io/bind-completed: 'yes' } }, spec: { volumeName: pv-1, accessModes: [ReadWriteOncePod] } }",
        "{ metadata: { namespace: shop, name: meant }, spec: { volumeName: pv-1 } }",
        "{ metadata: { namespace: shop, name: late }, spec: { storageClassName: late } }",
        "{ metadata: { namespace: shop, name: waits }, spec: { storageClassName: at-once } }",
        "{ metadata: { namespace: shop, name: local }, spec: { storageClassName: local, accessModes: [ReadWriteOnce],
           resources: { requests: { storage: 2Gi } } } }",
    ] {
        storage.apply_claim(&serde_saphyr::from_str(claim).unwrap());
    }
    for volume in [
        "{ metadata: { name: pv-1, labels: { topology.kubernetes.io/zone: a__b } },
           spec: { csi: { driver: ebs.csi.aws.com, volumeHandle: vol-1 } } }",
        "{ metadata: { name: disk-a }, status: { phase: Available },
           spec: { storageClassName: local, accessModes: [ReadWriteOnce], capacity: { storage: 4Gi },
             nodeAffinity: { required: { nodeSelectorTerms: [
               { matchExpressions: [{ key: kubernetes.io/hostname, operator: In, values: [n1] }] }] } } } }",
        "{ metadata: { name: too-small }, status: { phase: Available },
           spec: { storageClassName: local, accessModes: [ReadWriteOnce], capacity: { storage: 1Gi } } }",
    ] {
        storage.apply_volume(&serde_saphyr::from_str(volume).unwrap());
    }
    storage
}

fn needs(storage: &Storage, claim: &str) -> Result<VolumeNeed, Unplannable> {
    let spec = format!(
        "{{ containers: [], volumes: [{{ name: v, persistentVolumeClaim: {{ claimName: {claim} }} }}] }}"
    );
    let (mut needs, missing) =
        storage.needs(&"shop".into(), "web-0", &serde_saphyr::from_str(&spec).unwrap());
    missing.map_or_else(|| Ok(needs.remove(0)), Err)
}

/// What these volumes of a pod need.
fn needs_of(storage: &Storage, volumes: &str) -> (Vec<VolumeNeed>, Option<Unplannable>) {
    let spec = format!("{{ containers: [], volumes: [{volumes}] }}");
    storage.needs(&"shop".into(), "web-0", &serde_saphyr::from_str(&spec).unwrap())
}

fn apply_claim(storage: &mut Storage, name: &str, spec: &str) {
    let claim = format!("{{ metadata: {{ namespace: shop, name: {name} }}, spec: {{ {spec} }} }}");
    storage.apply_claim(&serde_saphyr::from_str(&claim).unwrap());
}

/// A disk of a node, free for claims of the class `local`.
fn disk(name: &str, node: &str, labels: &str) -> PersistentVolume {
    serde_saphyr::from_str(&format!(
        "{{ metadata: {{ name: {name}, labels: {{ {labels} }} }}, status: {{ phase: Available }},
           spec: {{ storageClassName: local, accessModes: [ReadWriteOnce], capacity: {{ storage: 4Gi }},
             nodeAffinity: {{ required: {{ nodeSelectorTerms: [
               {{ matchExpressions: [{{ key: kubernetes.io/hostname, operator: In, values: [{node}] }}] }}] }} }} }} }}"
    ))
    .unwrap()
}

fn allows(need: &VolumeNeed, labels: &[(&str, &str)]) -> bool {
    let labels: Labels = labels.iter().map(|(key, value)| (Name::from(*key), Name::from(*value))).collect();
    let meets = |term: &NodeTerm| term.labels.iter().all(|requirement| requirement.matches(&labels));
    need.reachable.as_ref().is_none_or(|terms| terms.iter().any(meets))
}

#[test]
fn a_bound_volume_keeps_its_pod_in_its_zones() {
    let need = needs(&storage(), "bound").unwrap();
    assert_eq!((need.id.as_ref(), need.driver.as_deref()), ("vol-1", Some("ebs.csi.aws.com")));
    assert!(need.one_pod && need.bound);
    assert!(allows(&need, &[(ZONE, "a")]) && allows(&need, &[(ZONE, "b")]) && !allows(&need, &[(ZONE, "c")]));
    assert!(allows(&need, &[]), "a node without a zone is not compared");
}

#[test]
fn a_volume_with_the_labels_of_old_is_reached_from_nodes_with_those_that_took_their_place() {
    let mut storage = storage();
    let volume = "{ metadata: { name: pv-1, labels: { failure-domain.beta.kubernetes.io/region: r,
                      failure-domain.beta.kubernetes.io/zone: a } },
                    spec: { csi: { driver: ebs.csi.aws.com, volumeHandle: vol-1 } } }";
    storage.apply_volume(&serde_saphyr::from_str(volume).unwrap());
    let need = needs(&storage, "bound").unwrap();
    let (region, of_old) = ("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone");
    assert!(allows(&need, &[(region, "r"), (ZONE, "a")]));
    assert!(
        allows(&need, &[(region, "r"), (of_old, "a"), (ZONE, "b")]),
        "what the node has of old comes first"
    );
    assert!(!allows(&need, &[(region, "r"), (of_old, "b"), (ZONE, "a")]));
    assert!(!allows(&need, &[(region, "r"), (ZONE, "b")]) && !allows(&need, &[(ZONE, "a")]));
}

#[test]
fn a_volume_of_a_former_plugin_counts_for_the_driver_that_took_it_over() {
    let mut storage = storage();
    let volume =
        "{ metadata: { name: pv-1 }, spec: { awsElasticBlockStore: { volumeID: 'aws://a/vol-7' } } }";
    storage.apply_volume(&serde_saphyr::from_str(volume).unwrap());
    let need = needs(&storage, "bound").unwrap();
    assert_eq!((need.id.as_ref(), need.driver.as_deref()), ("vol-7", Some("ebs.csi.aws.com")));
}

#[test]
fn a_class_of_a_former_plugin_is_one_of_the_driver_that_took_it_over() {
    let mut storage = storage();
    for (provisioner, driver) in [
        ("kubernetes.io/aws-ebs", Some("ebs.csi.aws.com")),
        ("kubernetes.io/azure-disk", Some("disk.csi.azure.com")),
        ("kubernetes.io/azure-file", None),
        ("kubernetes.io/cinder", Some("cinder.csi.openstack.org")),
        ("kubernetes.io/gce-pd", Some("pd.csi.storage.gke.io")),
        ("kubernetes.io/portworx-volume", Some("pxd.portworx.com")),
        ("kubernetes.io/vsphere-volume", None),
        ("disk.example.com", Some("disk.example.com")),
    ] {
        let class = format!(
            "{{ metadata: {{ name: late }}, provisioner: {provisioner}, volumeBindingMode: WaitForFirstConsumer }}"
        );
        storage.apply_class(&serde_saphyr::from_str(&class).unwrap());
        assert_eq!(needs(&storage, "late").unwrap().driver.as_deref(), driver, "{provisioner}");
    }
}

#[test]
fn a_volume_that_a_driver_makes_for_one_pod_is_not_attached() {
    let volumes = "{ name: v, csi: { driver: secrets-store.csi.k8s.io } }";
    assert_eq!(needs_of(&storage(), volumes), (Vec::new(), None));
}

#[test]
fn a_disk_that_a_pod_names_without_a_claim_counts_for_its_driver() {
    let (needs, _) = needs_of(
        &storage(),
        "{ name: a, awsElasticBlockStore: { volumeID: vol-1 } },
         { name: b, azureDisk: { diskName: b, diskURI: /disks/b } },
         { name: c, cinder: { volumeID: c } },
         { name: d, gcePersistentDisk: { pdName: d } },
         { name: e, portworxVolume: { volumeID: e } },
         { name: f, azureFile: { secretName: s, shareName: f } },
         { name: g, vsphereVolume: { volumePath: g } }",
    );
    let found: Vec<_> = needs.iter().map(|need| (&*need.id, need.driver.as_deref().unwrap())).collect();
    assert_eq!(
        found,
        [
            ("/disks/b", "disk.csi.azure.com"),
            ("c", "cinder.csi.openstack.org"),
            ("e", "pxd.portworx.com"),
            ("projects/UNSPECIFIED/zones/UNSPECIFIED/disks/d", "pd.csi.storage.gke.io"),
            ("vol-1", "ebs.csi.aws.com"),
        ]
    );
}

#[test]
fn a_volume_that_waits_for_its_consumer_can_be_made_where_its_class_allows() {
    let need = needs(&storage(), "late").unwrap();
    assert!(!need.bound && allows(&need, &[(ZONE, "b")]) && !allows(&need, &[(ZONE, "c")]));
}

#[test]
fn a_volume_made_by_hand_is_where_one_of_the_right_size_is() {
    let storage = storage();
    let need = needs(&storage, "local").unwrap();
    assert!(allows(&need, &[("kubernetes.io/hostname", "n1")]));
    assert!(!allows(&need, &[("kubernetes.io/hostname", "n2")]));
    let mut none = storage;
    none.remove_volume("disk-a");
    assert_eq!(needs(&none, "local"), Err(Unplannable::Claim("local".into())));
}

#[test]
fn a_volume_made_by_hand_has_the_labels_that_its_claim_selects() {
    let mut storage = storage();
    apply_claim(&mut storage, "picky", "storageClassName: local, selector: { matchLabels: { disk: ssd } }");
    assert_eq!(needs(&storage, "picky"), Err(Unplannable::Claim("picky".into())));
    storage.apply_volume(&disk("disk-b", "n2", "disk: ssd"));
    let need = needs(&storage, "picky").unwrap();
    assert!(allows(&need, &[("kubernetes.io/hostname", "n2")]));
    assert!(!allows(&need, &[("kubernetes.io/hostname", "n1")]));
}

#[test]
fn a_claim_may_have_taken_the_volume_that_another_claim_of_the_pod_selects() {
    let mut storage = storage();
    apply_claim(&mut storage, "picky", "storageClassName: local, selector: { matchLabels: { disk: ssd } }");
    storage.apply_volume(&disk("disk-b", "n1", "disk: ssd"));
    let volumes = "{ name: a, persistentVolumeClaim: { claimName: local } },
                   { name: b, persistentVolumeClaim: { claimName: picky } }";
    assert_eq!(needs_of(&storage, volumes).1, Some(Unplannable::Claim("picky".into())));
    storage.apply_volume(&disk("disk-c", "n1", "disk: ssd"));
    assert_eq!(needs_of(&storage, volumes).1, None, "one is left");
}

#[test]
fn claims_that_select_different_volumes_leave_each_other_theirs() {
    let mut storage = storage();
    for kind in ["ssd", "hdd"] {
        let spec = format!("storageClassName: local, selector: {{ matchLabels: {{ disk: {kind} }} }}");
        apply_claim(&mut storage, kind, &spec);
        storage.apply_volume(&disk(kind, "n1", &format!("disk: {kind}")));
    }
    let volumes = "{ name: a, persistentVolumeClaim: { claimName: ssd } },
                   { name: b, persistentVolumeClaim: { claimName: hdd } }";
    assert_eq!(needs_of(&storage, volumes).1, None);
}

#[test]
fn a_claim_that_is_missing_or_waits_for_its_volume_leaves_its_pod_alone() {
    for claim in ["absent", "waits"] {
        assert_eq!(needs(&storage(), claim), Err(Unplannable::Claim(claim.into())));
    }
}

#[test]
fn a_claim_that_only_names_its_volume_leaves_its_pod_alone() {
    assert_eq!(needs(&storage(), "meant"), Err(Unplannable::Claim("meant".into())));
}

#[test]
fn two_claims_need_two_volumes_in_one_place() {
    let mut storage = storage();
    storage.apply_claim(
        &serde_saphyr::from_str(
            "{ metadata: { namespace: shop, name: second }, spec: { storageClassName: local,
               accessModes: [ReadWriteOnce], resources: { requests: { storage: 2Gi } } } }",
        )
        .unwrap(),
    );
    let spec = serde_saphyr::from_str(
        "{ containers: [], volumes: [
             { name: a, persistentVolumeClaim: { claimName: local } },
             { name: b, persistentVolumeClaim: { claimName: second } }] }",
    )
    .unwrap();
    let (known, missing) = storage.needs(&"shop".into(), "web-0", &spec);
    assert_eq!((known.len(), missing), (1, Some(Unplannable::Claim("second".into()))));
    let mut another: PersistentVolume = serde_saphyr::from_str(
        "{ metadata: { name: disk-b }, status: { phase: Available },
           spec: { storageClassName: local, accessModes: [ReadWriteOnce], capacity: { storage: 4Gi },
             nodeAffinity: { required: { nodeSelectorTerms: [
               { matchExpressions: [{ key: kubernetes.io/hostname, operator: In, values: [n1] }] }] } } } }",
    )
    .unwrap();
    storage.apply_volume(&another);
    let needs = storage.needs(&"shop".into(), "web-0", &spec);
    assert!(
        needs.1.is_none() && needs.0.iter().all(|need| allows(need, &[("kubernetes.io/hostname", "n1")])),
        "{needs:?}"
    );
    another.metadata.name = Some("disk-c".to_owned());
    another.status = None;
    storage.apply_volume(&another);
    assert_eq!(storage.needs(&"shop".into(), "web-0", &spec), needs, "it is not available");
}

#[test]
fn a_change_says_of_which_claims_something_else_may_be_said() {
    let mut storage = storage();
    let claim = |name: &str| BTreeSet::from([(Name::from("shop"), Name::from(name))]);
    let volume = |text: &str| serde_saphyr::from_str::<PersistentVolume>(text).unwrap();
    let of_pv =
        "{ metadata: { name: pv-1 }, spec: { csi: { driver: ebs.csi.aws.com, volumeHandle: vol-1 } } }";
    let both = claim("bound").into_iter().chain(claim("meant")).collect();
    assert_eq!(storage.apply_volume(&volume(of_pv)), both, "those that name it");
    assert_eq!(storage.apply_volume(&volume(of_pv)), BTreeSet::new(), "nothing is new");
    let free =
        volume("{ metadata: { name: b }, status: { phase: Available }, spec: { storageClassName: local } }");
    assert_eq!(storage.apply_volume(&free), claim("local"), "it may be taken");
    let made =
        volume("{ metadata: { name: c }, status: { phase: Bound }, spec: { storageClassName: late } }");
    assert_eq!(storage.apply_volume(&made), BTreeSet::new(), "it is for another");
    assert_eq!(storage.remove_volume("b"), claim("local"));
    assert_eq!(storage.remove_class("late"), claim("late"));
    assert_eq!(storage.remove_claim("shop", "late"), claim("late"));
    assert_eq!(storage.remove_class("late"), BTreeSet::new(), "it is forgotten");
}

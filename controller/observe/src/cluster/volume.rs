//! What volumes say of themselves: the CSI driver that attaches them, and the zones that they can be reached from.
//!
//! Plugins that once were part of Kubernetes have handed their volumes over to drivers. Drivers and handles are those of
//! k8s.io/csi-translation-lib 0.37, for the plugins that kube-scheduler's `NodeVolumeLimits` counts. Volumes of Azure Files
//! and vSphere have drivers too, and are not counted.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{
    AWSElasticBlockStoreVolumeSource, AzureDiskVolumeSource, GCEPersistentDiskVolumeSource, PersistentVolume,
    Volume,
};
use plimsoll_core::cluster::{Name, NodeTerm, Operator, Requirement, ZONE};

use super::requirement::observe_labels;

const AWS_EBS: &str = "ebs.csi.aws.com";
const AZURE_DISK: &str = "disk.csi.azure.com";
const CINDER: &str = "cinder.csi.openstack.org";
const GCE_PD: &str = "pd.csi.storage.gke.io";
const PORTWORX: &str = "pxd.portworx.com";

const REGION: &str = "topology.kubernetes.io/region";
const BETA_REGION: &str = "failure-domain.beta.kubernetes.io/region";
const BETA_ZONE: &str = "failure-domain.beta.kubernetes.io/zone";
/// The labels that `VolumeZone` compares, and those that took their place.
const ZONE_LABELS: [(&str, Option<&str>); 4] =
    [(BETA_REGION, Some(REGION)), (BETA_ZONE, Some(ZONE)), (REGION, None), (ZONE, None)];
/// Stands between the zones of one volume.
const DELIMITER: &str = "__";

/// A volume as its CSI driver knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CsiVolume {
    pub(super) driver: Name,
    pub(super) handle: Name,
}

impl CsiVolume {
    fn new(driver: &str, handle: &str) -> Self {
        Self { driver: driver.into(), handle: handle.into() }
    }
}

/// The driver that makes and attaches the volumes of a class; None where nobody counts them.
pub(super) fn driver_of(provisioner: &str) -> Option<Name> {
    let driver = match provisioner {
        "kubernetes.io/aws-ebs" => AWS_EBS,
        "kubernetes.io/azure-disk" => AZURE_DISK,
        "kubernetes.io/cinder" => CINDER,
        "kubernetes.io/gce-pd" => GCE_PD,
        "kubernetes.io/portworx-volume" => PORTWORX,
        "kubernetes.io/azure-file" | "kubernetes.io/vsphere-volume" => return None,
        driver => driver,
    };
    Some(driver.into())
}

/// A persistent volume as its driver knows it; None where nobody counts it.
pub(super) fn csi_volume(volume: &PersistentVolume) -> Option<CsiVolume> {
    let spec = volume.spec.as_ref()?;
    let csi = spec.csi.as_ref().map(|csi| CsiVolume::new(&csi.driver, &csi.volume_handle));
    let aws = spec.aws_elastic_block_store.as_ref().and_then(aws_ebs);
    let azure = spec.azure_disk.as_ref().and_then(azure_disk);
    let cinder = spec.cinder.as_ref().map(|disk| CsiVolume::new(CINDER, &disk.volume_id));
    let gce = spec.gce_persistent_disk.as_ref().and_then(|disk| gce_pd(disk, zones_of_disk(volume)));
    let portworx = spec.portworx_volume.as_ref().map(|disk| CsiVolume::new(PORTWORX, &disk.volume_id));
    csi.or(aws).or(azure).or(cinder).or(gce).or(portworx)
}

/// A volume that a pod names without a claim, as its driver knows it; None where nobody counts it. What a driver makes for
/// one pod alone (`csi`) is not attached.
pub(super) fn inline_csi_volume(volume: &Volume) -> Option<CsiVolume> {
    let aws = volume.aws_elastic_block_store.as_ref().and_then(aws_ebs);
    let azure = volume.azure_disk.as_ref().and_then(azure_disk);
    let cinder = volume.cinder.as_ref().map(|disk| CsiVolume::new(CINDER, &disk.volume_id));
    let gce = volume.gce_persistent_disk.as_ref().and_then(|disk| gce_pd(disk, ""));
    let portworx = volume.portworx_volume.as_ref().map(|disk| CsiVolume::new(PORTWORX, &disk.volume_id));
    aws.or(azure).or(cinder).or(gce).or(portworx)
}

/// The id stands alone or behind its zone: `aws://eu-west-1a/vol-1`.
fn aws_ebs(disk: &AWSElasticBlockStoreVolumeSource) -> Option<CsiVolume> {
    let Some(address) = disk.volume_id.strip_prefix("aws://") else {
        return Some(CsiVolume::new(AWS_EBS, &disk.volume_id));
    };
    let (_, path) = address.split_once('/')?;
    let id = path.trim_matches('/');
    (id.starts_with("vol-") && !id.contains('/')).then(|| CsiVolume::new(AWS_EBS, id))
}

fn azure_disk(disk: &AzureDiskVolumeSource) -> Option<CsiVolume> {
    let is_managed = disk.kind.as_deref().is_none_or(|kind| kind.eq_ignore_ascii_case("Managed"));
    is_managed.then(|| CsiVolume::new(AZURE_DISK, &disk.disk_uri))
}

/// A disk of several zones is one of their region.
fn gce_pd(disk: &GCEPersistentDiskVolumeSource, zones: &str) -> Option<CsiVolume> {
    let place = match zones {
        "" => "zones/UNSPECIFIED".to_owned(),
        zones if zones.contains(DELIMITER) => format!("regions/{}", gce_region(zones)?),
        zone => format!("zones/{zone}"),
    };
    let name = &disk.pd_name;
    Some(CsiVolume::new(GCE_PD, &format!("projects/UNSPECIFIED/{place}/disks/{name}")))
}

/// The one region of zones with names such as `europe-west1-b`.
fn gce_region(zones: &str) -> Option<&str> {
    let regions = zones.split(DELIMITER).map(|zone| zone.rsplit_once('-').map(|(region, _)| region));
    let mut regions = regions.collect::<Option<BTreeSet<&str>>>()?.into_iter();
    match (regions.next(), regions.next()) {
        (Some(region), None) if region.matches('-').count() == 1 => Some(region),
        _ => None,
    }
}

fn zones_of_disk(volume: &PersistentVolume) -> &str {
    let labels = volume.metadata.labels.as_ref();
    let labelled = |key: &str| labels.and_then(|labels| labels.get(key)).filter(|zones| !zones.is_empty());
    labelled(BETA_ZONE).or_else(|| labelled(ZONE)).map_or("", String::as_str)
}

/// Adds the zones that a volume's labels name. A node without a label of old is compared by the one that took its place, and
/// a node without any label of a zone may have the volume all the same.
pub(super) fn in_its_zone(
    affinity: Option<Vec<NodeTerm>>,
    volume: &PersistentVolume,
) -> Option<Vec<NodeTerm>> {
    let labels = observe_labels(volume.metadata.labels.as_ref());
    if !ZONE_LABELS.iter().any(|(key, _)| labels.contains_key(*key)) {
        return affinity;
    }
    let mut places: Vec<Vec<Requirement>> = vec![Vec::new()];
    for (key, successor) in ZONE_LABELS {
        let Some(zones) = labels.get(key) else { continue };
        let zones: Vec<String> = zones.split(DELIMITER).map(str::to_owned).collect();
        let mut ways = vec![vec![is_in(key, &zones)]];
        ways.extend(successor.map(|successor| vec![is_absent(key), is_in(successor, &zones)]));
        let each = |place: &Vec<Requirement>| {
            let more = |way: &Vec<Requirement>| [place.as_slice(), way.as_slice()].concat();
            ways.iter().map(more).collect::<Vec<_>>()
        };
        places = places.iter().flat_map(each).collect();
    }
    places.push(ZONE_LABELS.iter().map(|(key, _)| is_absent(key)).collect());
    let terms = affinity.unwrap_or_else(|| vec![NodeTerm::default()]);
    let both = terms.iter().flat_map(|term| {
        places.iter().map(move |place| NodeTerm {
            labels: term.labels.iter().chain(place).cloned().collect(),
            fields: term.fields.clone(),
        })
    });
    Some(both.collect())
}

/// That a label has one of these values.
pub(super) fn is_in(key: &str, values: &[String]) -> Requirement {
    let values = values.iter().map(|value| Name::from(value.as_str())).collect();
    Requirement { key: key.into(), operator: Operator::In(values) }
}

fn is_absent(key: &str) -> Requirement {
    Requirement { key: key.into(), operator: Operator::DoesNotExist }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    /// A volume with this source, in zones of this label.
    fn known(source: &str, zones: &str) -> Option<CsiVolume> {
        let volume = format!("{{ metadata: {{ labels: {{ {zones} }} }}, spec: {{ {source} }} }}");
        csi_volume(&serde_saphyr::from_str(&volume).unwrap())
    }

    #[test]
    fn a_volume_of_a_former_plugin_has_the_handle_that_its_driver_gives_it() {
        let gce = "gcePersistentDisk: { pdName: d }";
        for (source, zones, driver, handle) in [
            ("awsElasticBlockStore: { volumeID: vol-1 }", "", AWS_EBS, "vol-1"),
            ("awsElasticBlockStore: { volumeID: 'aws://eu-west-1a/vol-1' }", "", AWS_EBS, "vol-1"),
            ("azureDisk: { diskName: d, diskURI: /disks/d, kind: Managed }", "", AZURE_DISK, "/disks/d"),
            ("cinder: { volumeID: c }", "", CINDER, "c"),
            ("portworxVolume: { volumeID: p }", "", PORTWORX, "p"),
            (gce, "", GCE_PD, "projects/UNSPECIFIED/zones/UNSPECIFIED/disks/d"),
            (
                gce,
                "topology.kubernetes.io/zone: europe-west1-b",
                GCE_PD,
                "projects/UNSPECIFIED/zones/europe-west1-b/disks/d",
            ),
            (
                gce,
                "failure-domain.beta.kubernetes.io/zone: europe-west1-b__europe-west1-c",
                GCE_PD,
                "projects/UNSPECIFIED/regions/europe-west1/disks/d",
            ),
        ] {
            assert_eq!(known(source, zones), Some(CsiVolume::new(driver, handle)), "{source}, {zones}");
        }
    }

    #[test]
    fn a_volume_that_no_driver_attaches_is_not_known_to_one() {
        for (source, zones) in [
            ("awsElasticBlockStore: { volumeID: 'aws://eu-west-1a/disk' }", ""),
            ("azureDisk: { diskName: d, diskURI: /disks/d, kind: Dedicated }", ""),
            ("azureFile: { secretName: s, shareName: f }", ""),
            (
                "gcePersistentDisk: { pdName: d }",
                "topology.kubernetes.io/zone: europe-west1-b__europe-west2-b",
            ),
            ("vsphereVolume: { volumePath: v }", ""),
            ("nfs: { server: s, path: / }", ""),
        ] {
            assert_eq!(known(source, zones), None, "{source}, {zones}");
        }
    }
}

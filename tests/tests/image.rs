//! The operator's image, as `make image` leaves it: what its configuration says, and that the binary in it
//! runs where nothing can be written.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

/// The archive and the root file system of the image in it.
struct Image {
    manifest: Value,
    config: Value,
    reference: String,
    root: PathBuf,
    _unpacked: TempDir,
}

impl Image {
    fn unpack() -> Result<Self> {
        let archive = archive();
        ensure!(archive.is_file(), "{} is missing: run `make image`", archive.display());
        let unpacked = TempDir::new()?;
        let layout = unpacked.path().join("layout");
        untar(&archive, &layout)?;

        let index = json(&layout.join("index.json"))?;
        let entry = &index["manifests"][0];
        let manifest = json(&blob(&layout, &entry["digest"])?)?;
        let config = json(&blob(&layout, &manifest["config"]["digest"])?)?;
        let root = unpacked.path().join("root");
        untar(&blob(&layout, &manifest["layers"][0]["digest"])?, &root)?;
        let reference = text(&entry["annotations"]["io.containerd.image.name"])?.to_owned();
        Ok(Self { manifest, config, reference, root, _unpacked: unpacked })
    }

    /// Runs a script with the image's root at `$root`, mounted read-only, as the image's user.
    fn read_only(&self, script: &str) -> Result<Output> {
        let mounted =
            format!("set -e; mount --bind \"$root\" \"$root\"; mount -o remount,bind,ro \"$root\"; {script}");
        let output = Command::new("unshare")
            .args(["--user", "--map-user=65532", "--map-group=65532", "--keep-caps", "--mount"])
            .args(["sh", "-c", &mounted])
            .env("root", &self.root)
            .output()
            .context("unshare (util-linux) is needed")?;
        let refused = String::from_utf8_lossy(&output.stderr);
        ensure!(
            !refused.starts_with("unshare:"),
            "no user namespace for this user (run as root, or `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`): {refused}"
        );
        Ok(output)
    }
}

#[test]
fn it_is_one_static_binary_on_an_empty_base_and_runs_as_nobody() -> Result<()> {
    let image = Image::unpack()?;

    assert_eq!(image.config["config"]["User"], "65532:65532");
    assert_eq!(image.config["config"]["Entrypoint"], serde_json::json!(["/plimsoll-operator"]));
    assert_eq!(image.config["config"]["Cmd"], Value::Null);
    assert_eq!(image.config["os"], "linux");
    let labels = &image.config["config"]["Labels"];
    assert_eq!(labels["org.opencontainers.image.title"], "plimsoll-operator");
    assert_eq!(labels["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(labels["org.opencontainers.image.licenses"], "Apache-2.0");
    assert!(labels["org.opencontainers.image.revision"].is_string(), "{labels}");

    assert_eq!(image.manifest["layers"].as_array().map(Vec::len), Some(1), "{}", image.manifest);
    let files = fs::read_dir(&image.root)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>>>()?;
    assert_eq!(files, ["plimsoll-operator"]);
    assert!(!asks_for_a_loader(&image.root.join("plimsoll-operator"))?, "dynamically linked");
    Ok(())
}

#[test]
fn the_chart_installs_this_very_name() -> Result<()> {
    let image = Image::unpack()?;
    let chart = testbed::tools::repository().join("charts/plimsoll");
    let read =
        |name: &str| -> Result<Value> { Ok(serde_saphyr::from_str(&fs::read_to_string(chart.join(name))?)?) };
    let (chart, values) = (read("Chart.yaml")?, read("values.yaml")?);
    let installed = format!("{}:{}", text(&values["image"]["repository"])?, text(&chart["appVersion"])?);
    assert_eq!(image.reference, installed);
    Ok(())
}

#[test]
fn it_runs_with_a_read_only_root() -> Result<()> {
    let image = Image::unpack()?;

    let version = image.read_only("exec chroot \"$root\" /plimsoll-operator --version")?;
    assert_eq!(
        String::from_utf8_lossy(&version.stdout),
        format!("plimsoll-operator {}\n", env!("CARGO_PKG_VERSION")),
        "{version:?}"
    );
    let help = image.read_only("exec chroot \"$root\" /plimsoll-operator --help")?;
    assert!(help.status.success(), "{help:?}");
    assert!(String::from_utf8_lossy(&help.stdout).contains("--leader-elect"), "{help:?}");

    let write = image.read_only("! touch \"$root/written\"")?;
    assert!(write.status.success(), "the root was writable: {write:?}");
    assert!(String::from_utf8_lossy(&write.stderr).contains("Read-only file system"), "{write:?}");
    Ok(())
}

fn archive() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| testbed::tools::repository().join("target"), PathBuf::from);
    target.join("image/plimsoll-operator.tar")
}

fn untar(archive: &Path, into: &Path) -> Result<()> {
    fs::create_dir(into)?;
    let status = Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(into).status()?;
    ensure!(status.success(), "tar cannot read {}", archive.display());
    Ok(())
}

fn blob(layout: &Path, digest: &Value) -> Result<PathBuf> {
    let digest = text(digest)?.strip_prefix("sha256:").context("not a sha256 digest")?;
    Ok(layout.join("blobs/sha256").join(digest))
}

fn json(file: &Path) -> Result<Value> {
    let content = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(serde_json::from_str(&content)?)
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("not a string: {value}"))
}

/// Whether a 64-bit little-endian ELF file has a `PT_INTERP` header: the mark of a dynamically linked program.
fn asks_for_a_loader(program: &Path) -> Result<bool> {
    const PT_INTERP: u64 = 3;
    let elf = fs::read(program)?;
    ensure!(elf.starts_with(b"\x7fELF\x02\x01"), "{} is not a 64-bit ELF file", program.display());
    let number = |at: usize, bytes: usize| -> Result<u64> {
        let field = elf.get(at..at + bytes).context("the ELF file ends too early")?;
        Ok(field.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    };
    let (table, size, count) = (number(0x20, 8)?, number(0x36, 2)?, number(0x38, 2)?);
    for header in 0..count {
        if number(usize::try_from(table + header * size)?, 4)? == PT_INTERP {
            return Ok(true);
        }
    }
    Ok(false)
}

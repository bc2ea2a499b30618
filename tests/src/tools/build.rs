//! One build of all tools of a Go module, kept under a name that changes with whatever goes into it.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use super::{cache_dir, go, progress::Progress};

/// A folder with a go.mod whose `tool` lines name what to build, or with tests that are built into one program.
pub(super) struct GoModule<'a> {
    pub(super) what: &'a str,
    pub(super) cold_build: &'a str,
    pub(super) dir: &'a Path,
    pub(super) tags: &'a str,
    pub(super) ldflags: &'a str,
    /// Another module's file of tests: it and the folder's own tests become one program with the folder's name.
    pub(super) test: Option<&'a Path>,
}

impl GoModule<'_> {
    /// The folder with the built programs; builds them when they are not there.
    pub(super) fn ensure(&self) -> Result<PathBuf> {
        let home = cache_dir()?.join("tools");
        let done = home.join(self.fingerprint()?);
        let bin = done.join("bin");
        if bin.is_dir() {
            return Ok(bin);
        }
        fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
        let lock = File::create(done.with_extension("lock"))?;
        lock.lock().context("cannot lock the tools' cache")?;
        // Another process may have built them while we waited for the lock.
        if !bin.is_dir() {
            let unfinished = done.with_extension("building");
            match self.test {
                None => self.build(&unfinished.join("bin"))?,
                Some(test) => self.build_test(&unfinished, test)?,
            }
            fs::rename(&unfinished, &done)?;
        }
        Ok(bin)
    }

    fn build(&self, bin: &Path) -> Result<()> {
        fs::create_dir_all(bin)?;
        let mut progress = Progress::start(self.what, self.cold_build);
        // This also fetches the modules' sources.
        progress.expect(go::count_packages(self.dir, self.tags)?);
        let mut out = bin.as_os_str().to_owned();
        out.push("/");
        let mut command = go::command(self.dir, ["build", "-v", "-trimpath", "-tags", self.tags, "-ldflags"]);
        command.arg(self.ldflags).arg("-o").arg(out).arg("tool");
        self.run(command, progress)
    }

    /// A file of tests cannot be imported, so it is laid beside the folder's own.
    fn build_test(&self, home: &Path, test: &Path) -> Result<()> {
        let (source, bin) = (home.join("source"), home.join("bin"));
        fs::create_dir_all(&source)?;
        fs::create_dir_all(&bin)?;
        let progress = Progress::start(self.what, self.cold_build);
        for path in self.sources()?.into_iter().chain(["go.mod", "go.sum"].map(|name| self.dir.join(name))) {
            fs::copy(&path, source.join(path.file_name().unwrap_or_default()))?;
        }
        fs::copy(test, source.join(test.file_name().unwrap_or_default()))
            .with_context(|| format!("cannot copy {}", test.display()))?;
        let name = self.dir.file_name().unwrap_or_default();
        let mut command = go::command(&source, ["test", "-c", "-trimpath", "-tags", self.tags, "-ldflags"]);
        command.arg(self.ldflags).arg("-o").arg(bin.join(name));
        self.run(command, progress)
    }

    fn run(&self, mut command: Command, mut progress: Progress) -> Result<()> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut last_lines = VecDeque::new();
        if let Some(stderr) = child.stderr.take() {
            // `go build -v` writes one line for each package it compiles.
            for line in BufReader::new(stderr).lines() {
                let line = line?;
                if !line.starts_with("go: ") {
                    progress.compiled(&line);
                }
                last_lines.push_back(line);
                if last_lines.len() > 20 {
                    last_lines.pop_front();
                }
            }
        }
        let status = child.wait()?;
        if !status.success() {
            bail!("building {} failed ({status}):\n{}", self.what, Vec::from(last_lines).join("\n"));
        }
        progress.finish();
        Ok(())
    }

    /// Changes with the pinned modules, the module's own source, the version of Go and the flags.
    fn fingerprint(&self) -> Result<String> {
        let read = |name: &str| {
            let path = self.dir.join(name);
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let (tags, ldflags) = (self.tags.to_owned(), self.ldflags.to_owned());
        let mut parts = vec![read("go.mod")?, read("go.sum")?, go::version_for(self.dir)?, tags, ldflags];
        for source in self.sources()? {
            parts.push(fs::read_to_string(&source)?);
        }
        Ok(format!("{:032x}", fnv1a(parts.join("\0").as_bytes())))
    }

    fn sources(&self) -> Result<Vec<PathBuf>> {
        let mut sources: Vec<PathBuf> =
            fs::read_dir(self.dir)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        sources.retain(|path| path.extension().is_some_and(|extension| extension == "go"));
        sources.sort();
        Ok(sources)
    }
}

/// FNV-1a with 128 bits: the same on every machine and with every compiler, unlike the standard hasher.
fn fnv1a(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash, byte| {
        (hash ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_is_fnv1a() {
        // The published value for "a".
        assert_eq!(fnv1a(b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    }
}

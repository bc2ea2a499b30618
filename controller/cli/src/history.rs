//! Recent decisions: from the operator, or from a file.

use std::{
    fs,
    io::{self, Read as _},
    path::Path,
};

use anyhow::{Context as _, Result, bail};
use plimsoll_core::replicas::Record;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::args::Connection;

/// A decision whose answer is kept as the bytes that were stored.
pub(crate) type Kept = Record<'static, Box<RawValue>>;

/// The recent decisions on one PodScaler.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct History {
    /// The operator's version, whose rules took the decisions.
    pub(crate) version: String,
    /// The PodScaler's namespace.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
    /// When the operator will look again, in milliseconds since 1970, if it knows.
    #[serde(rename = "nextLook", default, skip_serializing_if = "Option::is_none")]
    pub(crate) next_look: Option<plimsoll_core::time::Timestamp>,
    /// Newest first.
    pub(crate) decisions: Vec<Kept>,
}

impl History {
    /// From the operator, with the text as it came. None when the operator keeps none of this PodScaler.
    pub(crate) async fn fetch(
        connection: &Connection,
        namespace: &str,
        name: &str,
    ) -> Result<Option<(Self, String)>> {
        let operator = connection.operator().await?;
        let Some(text) = operator.get(&format!("/decisions/{namespace}/{name}")).await? else {
            return Ok(None);
        };
        let history = Self::parse(&text).context("the operator's answer")?;
        Ok(Some((history, text)))
    }

    /// From a file, or from stdin.
    pub(crate) fn read(file: &Path) -> Result<(Self, String)> {
        let text = read(file)?;
        let history = Self::parse(&text).with_context(|| file.display().to_string())?;
        Ok((history, text))
    }

    fn parse(text: &str) -> Result<Self> {
        let history: Self = serde_json::from_str(text).with_context(|| {
            format!("these are no decisions that plimsoll {} can read", env!("CARGO_PKG_VERSION"))
        })?;
        if history.decisions.is_empty() {
            bail!("there is no decision in it");
        }
        Ok(history)
    }
}

/// A file as text; `-` is stdin.
pub(crate) fn read(file: &Path) -> Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).context("cannot read stdin")?;
        return Ok(text);
    }
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

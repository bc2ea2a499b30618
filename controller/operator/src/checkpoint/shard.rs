//! What is in one shard, and which memory is in which.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
};

use flate2::{Compression, Crc, read::GzDecoder, write::GzEncoder};
use plimsoll_core::{replicas::Memory, time::Timestamp};
use serde::{Deserialize, Serialize};

/// As many as the chart makes. Together they hold eight mebibytes.
pub(crate) const MOST_SHARDS: usize = 8;

/// With more memories than this in each, there are twice as many shards.
const MEMORIES_PER_SHARD: usize = 250;

/// The form that we write. Another one is not read.
const FORM: u32 = 1;

/// More than this does not fit into a `ConfigMap` even if it is compressed a hundredfold.
const MOST_BYTES: u64 = 100 * 1024 * 1024;

/// The memories of one shard by the uid of their `PodScaler`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Contents {
    form: u32,
    /// When it was written.
    pub(super) at: Timestamp,
    /// By uid.
    pub(super) memories: BTreeMap<String, Memory>,
}

/// Why a shard cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    /// It is not gzip, or its check sum is wrong.
    #[error("it does not unpack: {0}")]
    Packed(#[from] std::io::Error),
    /// It is no JSON of ours.
    #[error("it does not decode: {0}")]
    Json(#[from] serde_json::Error),
    /// It was written by another version.
    #[error("it has form {0}, and this version reads form {FORM}")]
    Form(u32),
}

impl Contents {
    pub(super) fn new(at: Timestamp, memories: BTreeMap<String, Memory>) -> Self {
        Self { form: FORM, at, memories }
    }

    /// Packs it: gzip, which has a check sum, around JSON.
    pub(super) fn pack(&self) -> Result<Vec<u8>, Unreadable> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::default());
        packer.write_all(&serde_json::to_vec(self)?)?;
        Ok(packer.finish()?)
    }

    pub(super) fn unpack(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut json = Vec::new();
        GzDecoder::new(bytes).take(MOST_BYTES).read_to_end(&mut json)?;
        let contents: Self = serde_json::from_slice(&json)?;
        if contents.form == FORM { Ok(contents) } else { Err(Unreadable::Form(contents.form)) }
    }
}

/// How many shards this many memories take: a power of two, so that a memory that moves goes to a new shard.
pub(super) fn shards_for(memories: usize) -> usize {
    memories.div_ceil(MEMORIES_PER_SHARD).next_power_of_two().min(MOST_SHARDS)
}

/// The shard of a `PodScaler`. The same in every version of ours, unlike the hashes of the standard library.
pub(super) fn shard_of(uid: &str, shards: usize) -> usize {
    let mut crc = Crc::new();
    crc.update(uid.as_bytes());
    usize::try_from(crc.sum()).unwrap_or_default() % shards.max(1)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    fn contents() -> Contents {
        let memory = serde_json::from_value(json!({ "recs": [[3, 1_000]], "ups": [[2, 900]] })).unwrap();
        Contents::new(Timestamp::from_secs(1), [("uid".to_owned(), memory)].into())
    }

    #[test]
    fn what_was_packed_is_unpacked() {
        assert_eq!(Contents::unpack(&contents().pack().unwrap()).unwrap(), contents());
    }

    #[test]
    fn damage_is_noticed_wherever_it_is() {
        let packed = contents().pack().unwrap();
        for at in 0..packed.len() {
            let mut damaged = packed.clone();
            damaged[at] ^= 0x40;
            // The time and the system in gzip's header mean nothing.
            if !(4..10).contains(&at) {
                assert!(Contents::unpack(&damaged).is_err(), "byte {at}");
            }
        }
        assert!(Contents::unpack(&packed[..packed.len() / 2]).is_err());
        assert!(Contents::unpack(b"").is_err());
    }

    #[test]
    fn another_form_is_not_read() {
        let error = Contents::unpack(&Contents { form: 2, ..contents() }.pack().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "it has form 2, and this version reads form 1");
    }

    #[test]
    fn there_are_more_shards_when_there_is_more_to_remember() {
        for (memories, shards) in
            [(0, 1), (250, 1), (251, 2), (501, 4), (1_000, 4), (1_001, 8), (10_000, 8), (1_000_000, 8)]
        {
            assert_eq!(shards_for(memories), shards, "{memories}");
        }
    }

    /// Growing is safe because of this: new shards are written before the old ones lose anything.
    #[test]
    fn a_memory_stays_or_moves_to_a_new_shard() {
        for number in 0..1000 {
            let uid = format!("00000000-0000-4000-8000-{number:012}");
            for shards in [1, 2, 4] {
                let (before, after) = (shard_of(&uid, shards), shard_of(&uid, shards * 2));
                assert!(after == before || after == before + shards, "{uid}");
            }
        }
    }

    #[test]
    fn shards_are_of_like_size() {
        let uids = (0..8000).map(|number| format!("00000000-0000-4000-8000-{number:012}"));
        let mut sizes = [0; MOST_SHARDS];
        uids.for_each(|uid| sizes[shard_of(&uid, MOST_SHARDS)] += 1);
        assert!(sizes.iter().all(|size| (800..1200).contains(size)), "{sizes:?}");
    }
}

//! The machines of a group.

use std::collections::BTreeMap;

use tokio::time::Instant;

/// How far a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineState {
    /// It boots until then; `None`: for ever.
    Booting(Option<Instant>),
    /// It is there.
    Running,
    /// It is there until the cloud takes it back, and is in no size any more.
    Reclaimed,
    /// It is going, and is in no size any more.
    Leaving,
}

/// A machine, or what stands in for one that does not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Its id, which is also its node's `spec.providerID`.
    pub id: String,
    /// The name of its node.
    pub name: String,
    /// How far it is.
    pub state: MachineState,
    /// Why it will not come.
    pub failure: Option<String>,
}

impl Machine {
    /// Whether it is in the size of its group.
    pub(crate) const fn is_counted(&self) -> bool {
        matches!(self.state, MachineState::Booting(_) | MachineState::Running)
    }

    /// Whether it is there.
    pub(crate) const fn runs(&self) -> bool {
        matches!(self.state, MachineState::Running | MachineState::Reclaimed)
    }
}

/// A group's size and machines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machines {
    pub(crate) target: u32,
    pub(crate) by_id: BTreeMap<String, Machine>,
    /// The size that is still shown, and how often.
    pub(crate) stale: Option<(u32, u32)>,
    /// By how much the size that is said is beyond what it is.
    pub(crate) lied: u32,
}

impl Machines {
    /// The size as it is said, which may lag behind.
    pub(crate) fn said_target(&mut self) -> u32 {
        match self.stale {
            Some((size, reads)) if reads > 0 => {
                self.stale = Some((size, reads - 1));
                size
            }
            _ => {
                self.stale = None;
                self.target
            }
        }
    }
}

//! A program that was started.

use std::{
    ops::{Deref, DerefMut},
    process::Child,
};

/// It ends when this value is dropped.
#[derive(Debug)]
pub(crate) struct Program(Child);

impl From<Child> for Program {
    fn from(child: Child) -> Self {
        Self(child)
    }
}

impl Deref for Program {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Program {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

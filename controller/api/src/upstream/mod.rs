//! Kinds of others that we act on: their group and their fields, with words of our own.

mod capacity_buffer;

pub use capacity_buffer::{
    ACTIVE_CAPACITY, CapacityBuffer, CapacityBufferSpec, CapacityBufferStatus, LocalReference,
    PLIMSOLL_CAPACITY, ScalableReference,
};

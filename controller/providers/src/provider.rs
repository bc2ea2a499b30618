//! The trait that every provider of nodes implements.

use std::{fmt::Debug, time::Duration};

use async_trait::async_trait;

use crate::{
    CreateRequest, Created, InstanceRef, Inventory, Oddity, Offering, OfferingId, ProviderError, Settled,
};

/// What a provider can do beyond what all can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// [`Provider::create`] with one key creates the order once, however often it is called, and instances say which
    /// order they are of. Without it the size is compared instead ([`CreateRequest::size_before`]).
    pub idempotent_create: bool,
    /// Offerings have prices.
    pub has_prices: bool,
    /// Labels, annotations and taints of an order are set when its nodes are made.
    pub sets_labels: bool,
}

/// What a provider offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offerings {
    /// Sorted by id, each id once.
    pub offerings: Vec<Offering>,
    /// What made no sense and was left out.
    pub oddities: Vec<Oddity>,
}

/// Where nodes come from.
///
/// How an order is made so that a crash neither loses nor repeats it:
/// 1. Read [`inventory`](Self::inventory) and record a [`CreateRequest`] with a new key and the size seen.
/// 2. Call [`create`](Self::create) with it.
/// 3. If the answer is lost (a crash, or an error that is not
///    [`nothing_done`](ProviderError::nothing_done)), call [`settle`](Self::settle) with the recorded order. It says
///    how much of it was done and what is too much. What is missing is asked for again: with the same order where
///    [`idempotent_create`](Capabilities::idempotent_create) holds, else in a new one. A surplus that has no instances
///    yet is given back by [`decrease_target`](Self::decrease_target), one that has by [`delete`](Self::delete).
///
/// Where creation is not idempotent, orders for one offering must follow one another: the second is recorded after the
/// first was answered or settled, and nothing is deleted from the offering meanwhile. Two changes at once could not be
/// told apart.
///
/// Each call ends within [`time_out`](Self::time_out), however the provider behaves. No call panics, whatever is
/// answered.
#[async_trait]
pub trait Provider: Send + Sync + Debug {
    /// The kind in labels of metrics and in sentences: `kwok`, `externalGrpc`.
    fn kind(&self) -> &'static str;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// How long one call takes at most. It is started only while the caller may write for as long.
    fn time_out(&self) -> Duration;

    /// What can be asked for. Templates and prices may be some minutes old.
    ///
    /// # Errors
    /// When nothing can be said about any offering. What is wrong with a single one is an [`Oddity`].
    async fn offerings(&self) -> Result<Offerings, ProviderError>;

    /// What there is of ours, now. Costs a few requests per offering, none per node.
    ///
    /// # Errors
    /// When nothing can be said about any offering. An error of a single one stands in its place.
    async fn inventory(&self) -> Result<Inventory, ProviderError>;

    /// Asks for nodes. They come later; the answer says that they were accepted.
    ///
    /// # Errors
    /// All of [`ProviderError`]; [`ProviderError::nothing_done`] says whether the order must be settled.
    async fn create(&self, order: &CreateRequest) -> Result<Created, ProviderError>;

    /// Finds out what became of an order, if need be by reading the size until it has not changed for one time-out.
    ///
    /// # Errors
    /// When it cannot be found out now.
    async fn settle(&self, order: &CreateRequest) -> Result<Settled, ProviderError>;

    /// Deletes exactly the named instances. Those already on their way out count as deleted.
    ///
    /// All are looked up first: if one is unknown or not ours, nothing is deleted.
    ///
    /// # Errors
    /// [`ProviderError::UnknownInstances`], or what happened on the way; the inventory then shows which are left.
    async fn delete(&self, instances: &[InstanceRef]) -> Result<(), ProviderError>;

    /// Takes back `by` requests that have no instance yet ([`Group::unfulfilled`](crate::Group::unfulfilled)); never
    /// deletes one that is there.
    ///
    /// # Errors
    /// [`ProviderError::Invalid`] when there are not so many; all others of [`ProviderError`].
    async fn decrease_target(&self, offering: &OfferingId, by: u32) -> Result<(), ProviderError>;
}

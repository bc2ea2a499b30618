//! What every provider of nodes promises, as one list that is run over each.
//!
//! [`contract!`](crate::contract!) makes a test of each promise.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use plimsoll_core::quantity::Quantity;
use plimsoll_providers::{
    Catalogue, CloudQuota, CreateRequest, Failure, Instance, InstanceRef, InstanceState, InstanceType,
    OfferingId, OrderKey, Provider, ProviderError, Remedy, Rule, Taint,
};
use tokio::time::Instant;

/// Makes a test of each promise. The argument is an async function that gives a new [`Subject`].
#[macro_export]
macro_rules! contract {
    ($subject:path) => {
        $crate::contract!($subject:
            offerings_have_a_type_a_zone_a_price_and_room,
            what_was_created_is_listed,
            an_order_made_twice_is_carried_out_once,
            what_became_of_an_order_can_be_found_out,
            an_order_that_was_never_made_is_not_done,
            what_there_is_outlives_a_restart,
            exactly_what_was_named_is_deleted,
            an_unknown_instance_is_an_error_and_nothing_is_deleted,
            deleting_twice_deletes_nothing_else,
            out_of_capacity_names_the_offering_and_others_still_work,
            a_quota_is_told_from_a_lack_of_capacity,
            bounds_are_kept,
            an_unknown_offering_is_an_error,
            an_order_for_no_nodes_is_invalid,
            what_is_there_is_not_taken_back,
            a_hang_ends_in_the_time_out_and_nothing_was_done,
            orders_side_by_side_do_not_disturb_each_other,
        );
    };
    ($subject:path: $($promise:ident,)*) => {
        $(
            #[tokio::test]
            async fn $promise() -> ::anyhow::Result<()> {
                let subject = $subject().await?;
                $crate::contract::$promise(&subject).await
            }
        )*
    };
}

/// A provider over a cloud of its own, which offers [`catalogue`] and has no nodes yet.
pub trait Subject: Send + Sync {
    /// The provider.
    fn provider(&self) -> &Arc<dyn Provider>;
    /// The same as it is after a restart: another value over the same cloud.
    ///
    /// # Errors
    /// When it cannot be made.
    fn restarted(&self) -> Result<Arc<dyn Provider>>;
    /// An order's key that no other subject uses.
    ///
    /// # Errors
    /// When the name cannot be a part of one.
    fn key(&self, name: &str) -> Result<OrderKey>;
    /// Makes the cloud offer this from now on.
    ///
    /// # Errors
    /// When it makes no sense.
    fn offer(&self, catalogue: Catalogue) -> Result<()>;
    /// What it puts on each of its nodes beyond what the catalogue says, and so has to be offered with it.
    fn taint(&self) -> Option<Taint> {
        None
    }
}

/// What subjects offer: two types in two zones.
pub fn catalogue() -> Catalogue {
    Catalogue {
        zones: ["zone-a", "zone-b"].map(str::to_owned).to_vec(),
        instance_types: vec![InstanceType::plain("small", 2, 4), InstanceType::plain("large", 8, 32)],
        ..Catalogue::default()
    }
}

fn here() -> OfferingId {
    "small.zone-a.on-demand".into()
}

fn there() -> OfferingId {
    "small.zone-b.spot".into()
}

fn with_rule(rule: Rule) -> Catalogue {
    Catalogue { rules: vec![Rule { zone: Some("zone-a".to_owned()), ..rule }], ..catalogue() }
}

impl dyn Subject + '_ {
    async fn order(&self, name: &str, offering: OfferingId, count: u32) -> Result<CreateRequest> {
        let inventory = self.provider().inventory().await?;
        let size = inventory.target(&offering).context("the size cannot be read")?;
        Ok(CreateRequest::new(self.key(name)?, offering, count, size))
    }

    async fn create(&self, name: &str, offering: OfferingId, count: u32) -> Result<CreateRequest> {
        let order = self.order(name, offering, count).await?;
        let created = self.provider().create(&order).await?;
        ensure!((created.found, created.accepted, created.surplus) == (0, count, 0), "{created:?}");
        Ok(order)
    }

    /// Those that are not on their way out.
    async fn live(&self, offering: &OfferingId) -> Result<Vec<InstanceRef>> {
        let inventory = self.provider().inventory().await?;
        let live = inventory.instances().filter(|instance| instance.state != InstanceState::Deleting);
        Ok(live.filter(|instance| instance.offering == *offering).map(Instance::reference).collect())
    }

    async fn size(&self, offering: &OfferingId) -> Result<u32> {
        self.provider().inventory().await?.target(offering).context("the size cannot be read")
    }
}

/// A planner can choose by them.
pub async fn offerings_have_a_type_a_zone_a_price_and_room(subject: &dyn Subject) -> Result<()> {
    let offered = subject.provider().offerings().await?;
    ensure!(offered.oddities.is_empty(), "{:?}", offered.oddities);
    let mut expected: Vec<_> = catalogue().stock()?.into_values().map(|stock| stock.offering).collect();
    for (seen, wanted) in offered.offerings.iter().zip(&mut expected) {
        ensure!(seen.bounds.max > 100, "{:?}", seen.bounds);
        wanted.bounds = seen.bounds;
        wanted.taints.extend(subject.taint());
    }
    ensure!(offered.offerings == expected, "{:#?}", offered.offerings);
    Ok(())
}

/// At once, with an id each.
pub async fn what_was_created_is_listed(subject: &dyn Subject) -> Result<()> {
    let order = subject.create("a", here(), 3).await?;
    let inventory = subject.provider().inventory().await?;
    ensure!(inventory.oddities.is_empty(), "{:?}", inventory.oddities);
    ensure!(inventory.target(&here()) == Some(3) && inventory.target(&there()) == Some(0));
    let ids: BTreeSet<_> = inventory.instances().map(|instance| &instance.id).collect();
    ensure!(ids.len() == 3, "{inventory:?}");
    let by_order = inventory.of_order(&order.order).count();
    let expected = if subject.provider().capabilities().idempotent_create { 3 } else { 0 };
    ensure!(by_order == expected, "{by_order} of the order");
    Ok(())
}

/// As after a crash before the answer was noted.
pub async fn an_order_made_twice_is_carried_out_once(subject: &dyn Subject) -> Result<()> {
    let order = subject.create("a", here(), 2).await?;
    let again = subject.provider().create(&order).await;
    if subject.provider().capabilities().idempotent_create {
        let again = again?;
        ensure!((again.found, again.accepted) == (2, 0), "{again:?}");
    } else {
        let wanted = ProviderError::SizeChanged { offering: here(), before: 0, now: 2 };
        ensure!(again == Err(wanted.clone()), "{again:?}");
        ensure!(wanted.nothing_done() && wanted.remedy() == Remedy::LookAgain);
    }
    ensure!(subject.size(&here()).await? == 2);
    Ok(())
}

/// Whether all of it, or none of what is missing.
pub async fn what_became_of_an_order_can_be_found_out(subject: &dyn Subject) -> Result<()> {
    subject.create("a", here(), 1).await?;
    let order = subject.create("b", here(), 3).await?;
    let settled = subject.restarted()?.settle(&order).await?;
    ensure!((settled.done, settled.surplus, settled.size) == (3, 0, 4), "{settled:?}");
    ensure!(settled.missing(&order) == 0);
    Ok(())
}

/// As after a crash before it was asked for.
pub async fn an_order_that_was_never_made_is_not_done(subject: &dyn Subject) -> Result<()> {
    subject.create("a", here(), 2).await?;
    let order = subject.order("b", here(), 3).await?;
    let settled = subject.restarted()?.settle(&order).await?;
    ensure!((settled.done, settled.surplus, settled.size) == (0, 0, 2), "{settled:?}");
    // And it can still be made.
    let created = subject.provider().create(&order).await?;
    ensure!(created.accepted == 3, "{created:?}");
    Ok(())
}

/// Nothing is kept in the process alone.
pub async fn what_there_is_outlives_a_restart(subject: &dyn Subject) -> Result<()> {
    subject.create("a", here(), 2).await?;
    subject.create("b", there(), 1).await?;
    let before = subject.provider().inventory().await?;
    let after = subject.restarted()?.inventory().await?;
    ensure!(before == after, "{before:?}\n{after:?}");
    Ok(())
}

/// Those and no others, and the size follows.
pub async fn exactly_what_was_named_is_deleted(subject: &dyn Subject) -> Result<()> {
    subject.create("a", here(), 3).await?;
    subject.create("b", there(), 2).await?;
    let (mut kept, mut kept_there) = (subject.live(&here()).await?, subject.live(&there()).await?);
    let going = [kept.remove(1), kept_there.remove(0)];
    subject.provider().delete(&going).await?;
    ensure!(subject.live(&here()).await? == kept);
    ensure!(subject.live(&there()).await? == kept_there);
    ensure!((subject.size(&here()).await?, subject.size(&there()).await?) == (2, 1));
    Ok(())
}

/// Also those that are known, and those of another offering.
pub async fn an_unknown_instance_is_an_error_and_nothing_is_deleted(subject: &dyn Subject) -> Result<()> {
    subject.create("a", here(), 2).await?;
    let live = subject.live(&here()).await?;
    let unknown = InstanceRef { id: "kwok://nowhere".to_owned(), ..live[0].clone() };
    let elsewhere = InstanceRef { offering: there(), ..live[1].clone() };
    for (odd, id) in [(unknown, "kwok://nowhere".to_owned()), (elsewhere, live[1].id.clone())] {
        let error = subject.provider().delete(&[live[0].clone(), odd]).await;
        ensure!(error == Err(ProviderError::UnknownInstances(vec![id])), "{error:?}");
    }
    ensure!(subject.live(&here()).await? == live);
    ensure!(subject.size(&here()).await? == 2);
    Ok(())
}

/// As after a crash before the answer was noted.
pub async fn deleting_twice_deletes_nothing_else(subject: &dyn Subject) -> Result<()> {
    subject.create("a", here(), 3).await?;
    let live = subject.live(&here()).await?;
    // Named twice in one call it goes once, too.
    subject.provider().delete(&[live[0].clone(), live[0].clone()]).await?;
    match subject.provider().delete(&live[..1]).await {
        Ok(()) => {}
        Err(ProviderError::UnknownInstances(ids)) => ensure!(ids == [live[0].id.clone()], "{ids:?}"),
        Err(error) => bail!(error),
    }
    ensure!(subject.live(&here()).await? == live[1..]);
    ensure!(subject.size(&here()).await? == 2);
    Ok(())
}

/// Also when it runs out in the middle.
pub async fn out_of_capacity_names_the_offering_and_others_still_work(subject: &dyn Subject) -> Result<()> {
    subject.offer(with_rule(Rule { capacity: Some(2), ..Rule::default() }))?;
    subject.create("a", here(), 1).await?;
    let order = subject.order("b", here(), 2).await?;
    let error = subject.provider().create(&order).await.err().context("it was made")?;
    ensure!(
        matches!(&error, ProviderError::OutOfCapacity { offering, .. } if *offering == here()),
        "{error:?}"
    );
    ensure!(error.remedy() == Remedy::AvoidOffering && error.nothing_done(), "{error:?}");
    ensure!(subject.size(&here()).await? == 1);
    subject.create("c", there(), 2).await?;
    Ok(())
}

/// Only people can change it.
pub async fn a_quota_is_told_from_a_lack_of_capacity(subject: &dyn Subject) -> Result<()> {
    let cpu = [("cpu".to_owned(), Quantity::parse("9")?)].into();
    let quota = CloudQuota { nodes: None, resources: cpu };
    subject.offer(Catalogue { quota, ..catalogue() })?;
    subject.create("a", here(), 4).await?;
    let order = subject.order("b", there(), 1).await?;
    let error = subject.provider().create(&order).await.err().context("it was made")?;
    ensure!(matches!(error, ProviderError::Quota { .. }), "{error:?}");
    ensure!(error.nothing_done());
    Ok(())
}

/// Neither more than the most nor fewer than the fewest.
pub async fn bounds_are_kept(subject: &dyn Subject) -> Result<()> {
    subject.create("a", here(), 2).await?;
    subject.offer(with_rule(Rule { min_nodes: Some(2), max_nodes: Some(3), ..Rule::default() }))?;
    let order = subject.order("b", here(), 2).await?;
    let error = subject.provider().create(&order).await.err().context("it was made")?;
    ensure!(matches!(&error, ProviderError::Quota { offering: Some(id), .. } if *id == here()), "{error:?}");
    let live = subject.live(&here()).await?;
    let error = subject.provider().delete(&live[..1]).await.err().context("it was deleted")?;
    ensure!(matches!(&error, ProviderError::Quota { offering: Some(id), .. } if *id == here()), "{error:?}");
    ensure!(subject.live(&here()).await? == live);
    Ok(())
}

/// It may have been there a moment ago.
pub async fn an_unknown_offering_is_an_error(subject: &dyn Subject) -> Result<()> {
    let nowhere = OfferingId::from("small.nowhere.spot");
    let order = CreateRequest::new(subject.key("a")?, nowhere.clone(), 1, 0);
    let error = subject.provider().create(&order).await;
    ensure!(error == Err(ProviderError::UnknownOffering(nowhere)), "{error:?}");
    Ok(())
}

/// Nor is one for too many.
pub async fn an_order_for_no_nodes_is_invalid(subject: &dyn Subject) -> Result<()> {
    for count in [0, CreateRequest::MOST + 1, u32::MAX] {
        let order = CreateRequest::new(subject.key("a")?, here(), count, 0);
        let error = subject.provider().create(&order).await;
        ensure!(matches!(&error, Err(ProviderError::Invalid(words)) if words.contains("count")), "{error:?}");
    }
    Ok(())
}

/// Only requests that have no instance yet.
pub async fn what_is_there_is_not_taken_back(subject: &dyn Subject) -> Result<()> {
    subject.create("a", here(), 2).await?;
    let error = subject.provider().decrease_target(&here(), 1).await;
    ensure!(matches!(error, Err(ProviderError::Invalid(_))), "{error:?}");
    subject.provider().decrease_target(&here(), 0).await?;
    ensure!(subject.size(&here()).await? == 2 && subject.live(&here()).await?.len() == 2);
    Ok(())
}

/// And it is known that it may have been done, and found out that it was not.
pub async fn a_hang_ends_in_the_time_out_and_nothing_was_done(subject: &dyn Subject) -> Result<()> {
    subject.offer(with_rule(Rule { failure: Some(Failure::Hangs), ..Rule::default() }))?;
    let order = subject.order("a", here(), 1).await?;
    let started = Instant::now();
    let error = subject.provider().create(&order).await.err().context("it was made")?;
    // Half a minute for the machine to be busy in.
    let most = subject.provider().time_out() + Duration::from_secs(30);
    ensure!(started.elapsed() < most, "{:?}", started.elapsed());
    ensure!(matches!(error, ProviderError::TimedOut { .. }) && !error.nothing_done(), "{error:?}");
    ensure!(error.remedy() == Remedy::RetryLater);
    // It holds up nobody else.
    subject.create("b", there(), 1).await?;
    let settled = subject.provider().settle(&order).await?;
    ensure!((settled.done, settled.missing(&order)) == (0, 1), "{settled:?}");
    subject.offer(catalogue())?;
    subject.provider().create(&order).await?;
    ensure!(subject.size(&here()).await? == 1);
    Ok(())
}

/// Of different offerings.
pub async fn orders_side_by_side_do_not_disturb_each_other(subject: &dyn Subject) -> Result<()> {
    let (a, b) = (subject.order("a", here(), 5).await?, subject.order("b", there(), 7).await?);
    let (a, b) = tokio::try_join!(subject.provider().create(&a), subject.provider().create(&b))?;
    ensure!((a.accepted, a.surplus, b.accepted, b.surplus) == (5, 0, 7, 0), "{a:?} {b:?}");
    ensure!((subject.live(&here()).await?.len(), subject.live(&there()).await?.len()) == (5, 7));
    Ok(())
}

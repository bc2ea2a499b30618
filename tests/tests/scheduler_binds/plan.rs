//! What the operator would plan for what is there, and what it would ask of the provider.

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::Client;
use plimsoll_api::{
    NodeOrder,
    v1alpha1::{self as api, CapacityPoolSpec, NodeOrderSpec, OrderedOffering},
};
use plimsoll_core::{
    audit::{Audit, Audited},
    cluster::{self, OfferingKey},
    nodes::{NodePlan, add, remove::RemovalPlan},
    placement::{Change, View},
    time::Timestamp,
};
use plimsoll_observe::cluster::observe_pool;
use plimsoll_operator::nodes::{kwok_config, offerings, request};
use plimsoll_providers::{KwokProvider, OfferingId, Provider as _};

use crate::generate::Case;

/// A pool with its provider.
pub(crate) struct Pool {
    spec: CapacityPoolSpec,
    provider: KwokProvider,
    ids: BTreeMap<OfferingKey, OfferingId>,
    pub(crate) seen: cluster::Pool,
}

impl Pool {
    pub(crate) async fn new(client: &Client, case: &Case) -> Result<Self> {
        let spec: CapacityPoolSpec = serde_json::from_value(case.pool.clone())?;
        let kwok = spec.provider.kwok.as_ref().context("another provider than kwok")?;
        let config = kwok_config(kwok).map_err(|why| anyhow!(why))?;
        let provider =
            KwokProvider::new(case.name.clone(), client.clone(), "default", "plimsoll-kwok", config)?;
        let offered = offerings(&provider.offerings().await?, |_| true, |_| None);
        let ids = offered.iter().map(|(id, offering)| (offering.key.clone(), id.clone())).collect();
        let all = offered.into_iter().map(|(_, offering)| offering).collect();
        let seen = observe_pool(&case.name, &spec, all);
        Ok(Self { spec, provider, ids, seen })
    }

    /// What the planner makes of it all; or why the audit would not let it be carried out.
    pub(crate) fn plan(&self, mut changes: Vec<Change>) -> Result<NodePlan, String> {
        changes.push(Change::Pool(self.seen.clone()));
        let (mut view, mut audit) = (View::default(), Audit::default());
        for change in changes {
            audit.apply(&change);
            view.apply(change);
        }
        let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
        let plan = add::plan(&view, &add::Settings::default(), now);
        let removing = RemovalPlan::default();
        let checked = audit.check(&Audited { adding: &plan, removing: &removing, most_nodes: None, now });
        checked.map(|()| plan).map_err(|breach| breach.to_string())
    }

    /// Has nodes made, as the operator has.
    pub(crate) async fn order(&self, name: &str, offering: &OfferingKey, count: u32) -> Result<()> {
        let id = self.ids.get(offering).context("an offering that nobody offers")?;
        let spec = NodeOrderSpec {
            pool: self.seen.name.to_string(),
            offering: OrderedOffering {
                instance_type: offering.instance_type.to_string(),
                zone: offering.zone.to_string(),
                capacity_type: api::CapacityType::OnDemand,
                price: Quantity("0".to_owned()),
                node_group: Some(id.0.clone()),
            },
            count: i32::try_from(count)?,
            names: None,
            reason: "a test".to_owned(),
            fencing_token: 0,
            created_for: Vec::new(),
        };
        let order = NodeOrder::new(name, spec);
        let request = request(&order, &self.spec, 0).context("an order that cannot be asked for")?;
        self.provider.create(&request).await?;
        Ok(())
    }
}

//! What operators ask for, and what they are told: the same, whether a running agent does it or the command itself.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::execution::Execution;
use crate::decide::{InstanceReport, Observation, Order, OrderOutcome, Report};
use crate::domain::{Base, Feature, Instance, IteratorExt as _, Version, printable};

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What.
    pub order: Order,
    /// For which feature or instance; none means all features that are to be owned by kube.
    pub feature: Option<Feature>,
}

impl Request {
    /// Reads a request.
    ///
    /// # Errors
    /// If it is none: why, in words for people, whatever it holds.
    pub fn read(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line)
            .map_err(|error| format!("the request is not understood: {}", printable(&error.to_string())))
    }
}

/// What came of a request for one instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "generate", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The instance: the feature's name, on a multi-ASIC switch followed by the ASIC's number.
    pub instance: String,
    /// It is done.
    pub done: bool,
    /// The version that `latest` is now, where it is done.
    pub version: Option<String>,
    /// Why it is not done.
    pub reason: Option<String>,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reply {
    /// This, for each instance.
    Answers(Vec<Answer>),
    /// It could not even be tried.
    Refused(String),
}

/// There is no such feature on this switch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no feature \"{name}\" on this switch; there are: {known}")]
pub struct UnknownFeature {
    name: String,
    known: String,
}

/// The feature or instance of that name, if it is one of `instances`.
///
/// # Errors
/// If it is none of them.
pub(crate) fn known<'a>(
    name: &str,
    instances: impl IntoIterator<Item = &'a Instance> + Clone,
) -> Result<Feature, UnknownFeature> {
    let feature = name.parse::<Feature>().ok();
    let is_known = |feature: &Feature| instances.clone().into_iter().any(|instance| instance.answers_to(feature));
    feature.filter(is_known).ok_or_else(|| {
        let known: Vec<String> = instances.into_iter().map(ToString::to_string).collect();
        let known = if known.is_empty() { "none (no FEATURE rows)".to_owned() } else { known.join(", ") };
        UnknownFeature { name: printable(name), known }
    })
}

/// A request that is being carried out.
#[derive(Debug)]
pub(super) struct Ordered {
    pub(super) request: Request,
    /// The features that it is about.
    features: BTreeSet<Feature>,
}

impl Ordered {
    /// Finds out which features a request is about.
    ///
    /// # Errors
    /// If there is no such feature.
    pub(super) fn new(request: Request, instances: &[Instance], of_kube: &[Instance]) -> Result<Self, UnknownFeature> {
        let feature_of = |instance: &Instance| instance.feature.clone();
        let features: BTreeSet<Feature> = match &request.feature {
            None => of_kube.iter().map(feature_of).ordered(),
            Some(named) => {
                known(named.as_str(), instances)?;
                instances.iter().filter(|instance| instance.answers_to(named)).map(feature_of).ordered()
            }
        };
        Ok(Self { request, features })
    }

    /// Tells the next decisions of it.
    pub(super) fn put_into(&self, observation: &mut Observation) {
        observation.orders =
            self.features.iter().map(|feature| (feature.clone(), self.request.order.clone())).ordered();
    }

    /// The units that it is about.
    pub(super) fn bases(&self, report: &Report) -> BTreeSet<Base> {
        self.instances(report).filter_map(|(_, told)| told.base.clone()).ordered()
    }

    /// What the decision says to it.
    pub(super) fn told(&self, report: &Report) -> Told {
        let told = self.instances(report).map(|(instance, told)| {
            let unit = told.base.as_ref().and_then(|base| report.units.get(base));
            let answer = match unit.and_then(|unit| unit.order.as_ref()) {
                Some(OrderOutcome::Accepted(obeyed) | OrderOutcome::AlreadySo(obeyed)) => {
                    Answer::done(instance, &obeyed.version)
                }
                Some(OrderOutcome::Refused(reason)) => Answer::refused(instance, reason.to_string()),
                None => Answer::refused(instance, told.reason.to_string()),
            };
            (told.base.clone(), answer)
        });
        Told(told.collect())
    }

    /// The instances that it is about.
    fn instances<'a>(&self, report: &'a Report) -> impl Iterator<Item = (&'a Instance, &'a InstanceReport)> {
        report.instances.iter().filter(|(instance, _)| self.features.contains(&instance.feature))
    }
}

/// What a decision says to an order: it is so already or will be when the plan is carried out, or it cannot be.
#[derive(Debug)]
pub(super) struct Told(Vec<(Option<Base>, Answer)>);

impl Told {
    /// The answers, where nothing had to be done.
    pub(super) fn answers(self) -> Vec<Answer> {
        self.0.into_iter().map(|(_, answer)| answer).collect()
    }

    /// The answers, after the plan was carried out.
    pub(super) fn after(self, execution: &Execution) -> Vec<Answer> {
        let after = |(base, answer): (Option<Base>, Answer)| {
            let base = base.filter(|_| answer.done);
            let failed = base.as_ref().and_then(|base| execution.failed.get(base));
            let failed = failed.filter(|(purpose, _)| purpose.is_required());
            let failed = failed.map(|(purpose, why)| format!("could not {purpose}: {why}"));
            let skipped = || base.as_ref().and_then(|base| execution.skipped.get(base)).cloned();
            match failed.or_else(skipped) {
                Some(why) => Answer { done: false, version: None, reason: Some(why), ..answer },
                None => answer,
            }
        };
        self.0.into_iter().map(after).collect()
    }
}

impl Answer {
    fn done(instance: &Instance, version: &Version) -> Self {
        Self { instance: instance.to_string(), done: true, version: Some(version.to_string()), reason: None }
    }

    fn refused(instance: &Instance, reason: String) -> Self {
        Self { instance: instance.to_string(), done: false, version: None, reason: Some(reason) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Namespace;

    #[test]
    fn a_request_names_a_feature_or_an_instance_or_all_of_kubes() {
        let instance = |feature: &str, namespace| Instance { feature: feature.parse().unwrap(), namespace };
        let snmp = instance("snmp", Namespace::Host);
        let known = [instance("bgp", Namespace::Asic(0)), instance("bgp", Namespace::Asic(1)), snmp.clone()];
        let features = |named: Option<&str>, known: &[Instance]| {
            let request = Request { order: Order::Promote, feature: named.map(|name| name.parse().unwrap()) };
            let ordered =
                Ordered::new(request, known, std::slice::from_ref(&snmp)).map_err(|error| error.to_string())?;
            Ok(ordered.features.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        };
        for (named, expected) in [(Some("bgp"), "bgp"), (Some("bgp1"), "bgp"), (Some("snmp"), "snmp"), (None, "snmp")] {
            assert_eq!(features(named, &known), Ok(expected.to_owned()), "{named:?}");
        }
        for (known, said) in [(&known[..], "there are: bgp0, bgp1, snmp"), (&[], "there are: none (no FEATURE rows)")] {
            let refusal: String = features(Some("bgp2"), known).unwrap_err();
            assert_eq!(refusal, format!("no feature \"bgp2\" on this switch; {said}"));
        }
    }
}

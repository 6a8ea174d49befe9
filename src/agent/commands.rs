//! What operators ask for, and what they are told: the same, whether a running agent does it or the command itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::controller::CommandAnswer;
use crate::domain::{Feature, Instance, printable};
use crate::planner::{Command, Memory, Snapshot};

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What.
    pub command: Command,
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
    /// Why it is not done; or, where it is, what else there is to say.
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

impl Request {
    /// The features that it is about: those of kube, where it names none.
    ///
    /// # Errors
    /// If there is no such feature.
    pub(super) fn features(&self, snapshot: &Snapshot, memory: &Memory) -> Result<BTreeSet<Feature>, UnknownFeature> {
        self.features_among(&snapshot.instances(memory), &snapshot.instances_of_kube(memory))
    }

    fn features_among(&self, all: &[Instance], of_kube: &[Instance]) -> Result<BTreeSet<Feature>, UnknownFeature> {
        let feature_of = |instance: &Instance| instance.feature.clone();
        let Some(named) = &self.feature else { return Ok(of_kube.iter().map(feature_of).collect()) };
        known(named.as_str(), all)?;
        Ok(all.iter().filter(|instance| instance.answers_to(named)).map(feature_of).collect())
    }
}

impl Reply {
    /// What came of it for each instance.
    pub(super) fn answers(answers: BTreeMap<Instance, CommandAnswer>) -> Self {
        let answer = |(instance, answer): (Instance, CommandAnswer)| {
            let instance = instance.to_string();
            match answer {
                Ok((version, reason)) => Answer { instance, done: true, version: Some(version.to_string()), reason },
                Err(reason) => Answer { instance, done: false, version: None, reason: Some(reason) },
            }
        };
        Self::Answers(answers.into_iter().map(answer).collect())
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
            let request = Request { command: Command::Promote, feature: named.map(|name| name.parse().unwrap()) };
            let features =
                request.features_among(known, std::slice::from_ref(&snmp)).map_err(|error| error.to_string())?;
            Ok(features.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
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

//! Words that a newer engine may use, and that this agent does not know: one container with such a word is unknown, the
//! others are not.

use imgmgrd_test_support::kubelet::KubeContainer;
use serde_json::{Value, json};

use crate::fleet::{Fleet, SNMP, TELEMETRY};
use crate::story::NEW;

/// The agent starts where both have been taken over, and the engine tells of one of the containers in unknown words.
fn one_is_told_of_with(word: fn(&mut Value)) -> (Fleet, KubeContainer) {
    let mut fleet = Fleet::of(&[SNMP, TELEMETRY]);
    fleet.stable_time(1);
    let [broken, sound] = [SNMP, TELEMETRY].map(|feature| fleet.deploy(feature, NEW));
    let id = broken.id.clone();
    // The list, and the container itself.
    fleet.proxy.rewrite("GET /containers/json", move |list| {
        let listed = list.as_array_mut().into_iter().flatten();
        listed.filter(|one| one["Id"] == id.as_str()).for_each(word);
    });
    fleet.proxy.rewrite(&format!("GET /containers/{}/json", broken.id), word);
    fleet.start_agent();
    fleet.is_promoted_in_time(TELEMETRY, &sound);
    (fleet, broken)
}

/// It is not promoted, and says so; in words that are known it is.
#[track_caller]
fn is_unknown((fleet, broken): (Fleet, KubeContainer)) {
    fleet.until("it says why", || fleet.published(SNMP, "reason").contains(broken.short_id()));
    assert_ne!(fleet.latest(SNMP), Some(broken.image_id.clone()));
    fleet.proxy.heal();
    // Nothing but an event tells the agent that the engine uses other words now.
    fleet.switch.engine().restart_container(&broken.id);
    fleet.until("it is promoted", || fleet.latest(SNMP) == Some(broken.image_id.clone()));
}

#[test]
fn a_state() {
    is_unknown(one_is_told_of_with(|container| match &mut container["State"] {
        Value::Object(state) => {
            state.insert("Status".to_owned(), json!("foo"));
            // Nobody knows whether such a state is one that runs.
            state.remove("Running");
        }
        state => *state = json!("foo"),
    }));
}

#[test]
fn a_health() {
    is_unknown(one_is_told_of_with(|container| {
        let health = json!({ "Status": "bar", "FailingStreak": 0 });
        match &mut container["State"] {
            Value::Object(state) => drop(state.insert("Health".to_owned(), health)),
            // As the list has it since API 1.52.
            _ => container["Health"] = health,
        }
    }));
}

#[test]
fn a_type_of_port() {
    // The agent has no use for ports: nothing about this container is unknown.
    let (fleet, broken) = one_is_told_of_with(|container| {
        if container["Ports"].is_array() {
            container["Ports"] = json!([{ "PrivatePort": 161, "Type": "quic" }]);
        }
    });
    fleet.until("it is promoted as well", || fleet.boots(SNMP, &broken));
}

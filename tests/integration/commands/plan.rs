//! `plan` says exactly what is then done.

use serde_json::Value;

use super::{NEW, OLD, answer, json};
use crate::evidence::{everything, writes};
use crate::scene::{SOON, binary, deploy, local_switch, wait_for_stability};

#[test]
fn what_is_planned_before_a_promotion_is_then_done_step_by_step() {
    let switch = local_switch("telemetry", "docker-sonic-telemetry", OLD, 0);
    switch.engine().import_image("docker-sonic-telemetry:20201231.05", Some("20201231.05"), &[], "");
    deploy(&switch, "telemetry", "docker-sonic-telemetry", NEW);
    let (before, written) = (everything(&switch), writes(&switch));
    let plan = json(&switch, &["plan", "telemetry"]);
    let text = answer(&switch, &["plan"]);
    assert_eq!((everything(&switch), writes(&switch)), (before, written), "a plan changes nothing");
    let planned: Vec<String> = steps(&plan);
    assert!(planned.len() >= 5, "{planned:?}");
    assert!(planned.iter().all(|step| text.contains(step)), "{text}");

    let mut agent = switch.agent(binary());
    wait_for_stability(&switch, &mut agent, "telemetry", "stable");
    agent.wait_until("the clean-up", SOON, || agent.log().contains("remove 20201231.05"));
    let log = agent.log();
    let done: Vec<String> = log
        .lines()
        .filter_map(|line| line.split_once(" steps=\"")?.1.strip_suffix('"'))
        .flat_map(|steps| steps.split("; ").map(str::to_owned))
        .collect();
    assert_eq!(done, planned, "{log}");
    assert_eq!(steps(&json(&switch, &["plan", "telemetry"])), [""; 0], "nothing is left");
}

fn steps(plan: &[Value]) -> Vec<String> {
    let actions = plan.iter().flat_map(|unit| unit["actions"].as_array().expect("actions"));
    let steps = actions.flat_map(|action| action["steps"].as_array().expect("steps"));
    steps.map(|step| step.as_str().expect("a text").to_owned()).collect()
}

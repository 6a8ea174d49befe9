//! A counterexample in words: each action, and what changed by it.

use std::fmt::Write;
use std::sync::Arc;

use imgmgrd_planner::ContainerStatus;
use imgmgrd_planner::domain::{Base, Instance};
use stateright::Path;

use crate::action::{Action, Doing};
use crate::property::Broken;
use crate::state::State;

/// The way to a state, action by action.
///
/// `trouble` says what is wrong with what comes of a state.
pub(crate) fn of(
    path: Path<State, Action>,
    instances: &[(Instance, Base)],
    trouble: impl Fn(&State) -> Option<Arc<Broken>>,
) -> String {
    let mut text = String::new();
    let mut shown: Vec<String> = Vec::new();
    let steps = path.into_vec();
    let last = steps.len() - 1;
    for (number, (state, action)) in steps.into_iter().enumerate() {
        let facts = facts(&state);
        let gone = shown.iter().filter(|fact| !facts.contains(fact));
        gone.for_each(|fact| text.push_str(&format!("        - {fact}\n")));
        let new = facts.iter().filter(|fact| !shown.contains(fact));
        new.for_each(|fact| text.push_str(&format!("        + {fact}\n")));
        shown = facts;
        if let Some(action) = action {
            write!(text, "{:4}. {}", number + 1, action.words(instances)).unwrap_or_default();
            if let Action::Agent(Doing::Step(base) | Doing::StepFails(base) | Doing::StepUnanswered(base)) = &action {
                let step = state.site.agent.steps.get(base).map(ToString::to_string).unwrap_or_default();
                write!(text, ": {}", labelled(&state, &step)).unwrap_or_default();
            }
            text.push('\n');
        }
        if number == last {
            let trouble = trouble(&state).map(|trouble| format!("from here: {trouble}"));
            let what = state.broken.as_ref().map(ToString::to_string).or(trouble).unwrap_or_default();
            writeln!(text, "      => {}", labelled(&state, &what)).unwrap_or_default();
        }
    }
    text
}

/// What a person needs to know of a state, a line each.
fn facts(state: &State) -> Vec<String> {
    let switch = &state.site.switch;
    let seen = &switch.snapshot;
    let mut facts = Vec::new();
    for (id, image) in seen.images.iter() {
        let names: Vec<String> =
            image.references.iter().filter(|name| name.tag().is_some()).map(ToString::to_string).collect();
        let names = if names.is_empty() { "no tag".to_owned() } else { names.join(", ") };
        facts.push(format!("image {}: {names}", switch.labels.of(id)));
    }
    for (id, container) in seen.containers.iter() {
        let status = match (container.status, &container.details) {
            (ContainerStatus::Running, Some(details)) => {
                let at = details.started_at.as_str().trim_start_matches("2026-11-21T");
                let health = if details.unhealthy { ", unhealthy" } else { "" };
                format!("runs since {at}{health}")
            }
            (status, _) => format!("{status:?}").to_lowercase(),
        };
        let image = switch.labels.of(&container.image);
        facts.push(format!("container {} ({}) of {image}: {status}", container.name, id.short()));
    }
    for (key, row) in &seen.state {
        let place = if seen.asics.is_empty() { String::new() } else { format!("{} ", key.namespace) };
        let container = row.container_id.get().map_or(String::new(), |id| format!("{id:?}"));
        facts.push(format!(
            "row {place}{}: owner {}, remote {}, {}, version {}, stable {}, last {}, container {container}",
            key.key,
            word(row.current_owner.get()),
            word(row.remote_state.get()),
            word(row.system_state.get()),
            word(row.container_version.get()),
            word(row.stable_version.get()),
            word(row.last_version.get()),
        ));
    }
    if !seen.config_initialized {
        facts.push("CONFIG_DB is being loaded".to_owned());
    }
    for (base, group) in &state.site.agent.controller.memory().groups {
        let image = |image: &imgmgrd_planner::domain::ImageId| switch.labels.of(image);
        let of = |promotion: &Option<imgmgrd_planner::Promotion>| {
            promotion.as_ref().map_or_else(|| "-".to_owned(), |promotion| image(&promotion.image))
        };
        let previous: Vec<_> = group.previous.iter().map(|proven| image(&proven.image)).collect();
        facts.push(format!(
            "memory {base}: intends {}, promoted {}{}, before {previous:?}, rolled back from {}",
            of(&group.intention),
            of(&group.promoted),
            if group.finished { " (finished)" } else { "" },
            group.rolled_back.iter().map(image).collect::<Vec<_>>().join(", "),
        ));
        let known: Vec<_> = group.images.iter().map(|(id, arrival)| format!("{} {arrival:?}", image(id))).collect();
        facts.push(format!("memory {base}: images {}", known.join(", ")));
    }
    for (instance, memory) in &state.site.agent.controller.memory().instances {
        let takeover = memory.takeover.as_ref().map_or_else(
            || "none".to_owned(),
            |takeover| {
                let mark = imgmgrd_planner::Mark::Takeover(takeover.mark(instance));
                let stamps = state.site.agent.controller.stamps();
                let age = stamps.get(&mark).map(|at| (state.site.now() - *at).as_secs());
                let age = age.map_or_else(|| "old".to_owned(), |age| format!("{age} s"));
                format!("{} ({}), since {age}", takeover.version, takeover.container.short())
            },
        );
        let failed = memory.failed.as_ref().map_or_else(String::new, |failed| format!(", failed {}", failed.version));
        facts.push(format!("memory {}: takeover {takeover}{failed}", instance.container_name()));
    }
    let agent = &state.site.agent;
    for (base, step) in &agent.steps {
        facts.push(format!("agent has called for {base}: {}", labelled(state, &step.to_string())));
    }
    for (base, actions) in &agent.controller.plan().groups {
        for action in actions {
            let steps: Vec<String> = action.steps.iter().map(|step| labelled(state, &step.to_string())).collect();
            facts.push(format!("plan {base}: {}: {}", action.purpose, steps.join("; ")));
        }
    }
    facts.extend(agent.reads.keys().map(|base| format!("agent reads {base} again")));
    facts.extend(agent.wants_lists.then(|| "agent waits for the engine's lists".to_owned()));
    facts.extend(agent.disk_is_full.then(|| "the agent's disk is full".to_owned()));
    facts.extend(agent.redis_refuses.then(|| "Redis refuses writes".to_owned()));
    facts.extend(agent.controller.failures().map(|(base, why)| format!("error {base}: {}", labelled(state, why))));
    facts
}

fn word<T: ToString>(value: Option<&T>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}

/// Labels in place of image ids.
fn labelled(state: &State, text: &str) -> String {
    state.site.switch.labels.iter().fold(text.to_owned(), |text, (id, label)| {
        text.replace(&id.to_string(), &format!("<{label}>")).replace(&format!("{id:.19}"), &format!("<{label}>"))
    })
}

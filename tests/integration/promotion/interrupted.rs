//! A container that is restarted, crashes, sickens or is replaced inside its window starts over.

use std::time::Duration;

use imgmgrd_test_support::Signal;
use imgmgrd_test_support::container::ContainerSpec;
use imgmgrd_test_support::kubelet::KubeContainer;

use crate::story::{LOCAL, NEW, Story};

/// A takeover that is observed for longer than `stable_time` of others, then is disturbed.
fn observed_and(adjust: fn(ContainerSpec) -> ContainerSpec, disturb: impl Fn(&mut Story, &KubeContainer)) -> Disturbed {
    let mut story = Story::telemetry();
    let local = story.latest();
    story.switch.rows().feature_policy("telemetry", &[("stable_time", "600")]);
    let container = story.deploy_with(NEW, adjust);
    story.becomes("observing");
    let since = story.rows().published("observing_since");
    story.let_it_pass();
    disturb(&mut story, &container);
    Disturbed { story, local, since }
}

struct Disturbed {
    story: Story,
    local: String,
    since: String,
}

impl Disturbed {
    /// It is observed anew: the time before does not count.
    #[track_caller]
    fn starts_over(mut self, how: &str) -> Story {
        let Self { story, since, local } = &mut self;
        story.until(&format!("it failed: {how}"), |story| failed(story, how));
        story.until("it is observed anew", |story| {
            let row = story.rows().image_row().unwrap_or_default();
            row["stability"] == "observing" && row["observing_since"] > *since
        });
        let since = story.rows().published("observing_since");
        story.switch.rows().feature_policy("telemetry", &[("stable_time", "1")]);
        story.nothing_was_promoted(local);
        story.is_promoted(NEW);
        assert_eq!(story.rows().published("observing_since"), since);
        assert!(story.rows().published("stable_since") > since, "a whole window passed");
        self.story
    }

    /// It stays failed, and is never promoted.
    #[track_caller]
    fn fails(mut self, how: &str) -> Story {
        let Self { story, local, .. } = &mut self;
        story.until(&format!("it failed: {how}"), |story| failed(story, how));
        story.is("failed", how);
        story.switch.rows().feature_policy("telemetry", &[("stable_time", "1")]);
        story.let_it_pass();
        story.is("failed", how);
        story.nothing_was_promoted(local);
        assert!(story.engine().container("telemetry").is_some(), "the local container stays");
        self.story
    }
}

fn failed(story: &Story, how: &str) -> bool {
    story.history("failed").iter().any(|row| row["version"] == NEW && row["detail"].contains(how))
}

#[test]
fn restarted() {
    observed_and(|spec| spec, |story, container| story.engine().restart_container(&container.id))
        .starts_over("the container");
}

#[test]
fn restarted_while_the_agent_did_not_look() {
    let unseen = |story: &mut Story, container: &KubeContainer| {
        story.agent.signal(Signal::STOP);
        story.engine().restart_container(&container.id);
        story.agent.signal(Signal::CONT);
    };
    observed_and(|spec| spec, unseen).starts_over("the container was restarted");
}

#[test]
fn crashed_and_started_again_by_the_engine() {
    // What is seen of it first may be its end or its new start.
    observed_and(ContainerSpec::restart_always, |story, container| story.engine().crash_container(&container.id))
        .starts_over("the container");
}

#[test]
fn killed() {
    observed_and(|spec| spec, |story, container| story.engine().kill_container(&container.id))
        .fails("the container exited");
}

#[test]
fn removed() {
    observed_and(|spec| spec, |story, container| story.switch.kubelet().remove(container)).fails("the container");
}

#[test]
fn drained_as_the_rows_tell() {
    observed_and(|spec| spec, |story, _| story.rows().goes_away()).fails("current_owner is no longer kube");
}

#[test]
fn a_process_of_it_killed_for_lack_of_memory() {
    let greedy = |spec: ContainerSpec| spec.memory(16 << 20);
    let script = ["/bin/busybox", "sh", "-c", "x=0123456789abcdef; while :; do x=$x$x; done"];
    // The container itself goes on: only the event tells.
    observed_and(greedy, |story, container| {
        story.engine().exec(&container.id, &script);
    })
    .starts_over("killed for lack of memory");
}

#[test]
fn unhealthy_and_healthy_again() {
    let checked = |spec: ContainerSpec| {
        spec.healthy_while_file(Duration::from_millis(200))
            .script("touch /healthy; trap 'exit 0' TERM; while :; do /bin/busybox sleep 3600 & wait $!; done")
    };
    let busybox = |story: &Story, container: &KubeContainer, word| {
        assert_eq!(story.engine().exec(&container.id, &["/bin/busybox", word, "/healthy"]), 0);
    };
    let sickens = |story: &mut Story, container: &KubeContainer| {
        busybox(story, container, "rm");
        let told = || failed(story, "the health check says unhealthy");
        imgmgrd_test_support::wait::wait_until("it is told to be unhealthy", crate::scene::SOON, told);
        busybox(story, container, "touch");
    };
    observed_and(checked, sickens).starts_over("the health check says unhealthy");
}

#[test]
fn replaced_by_another_container_of_the_same_version() {
    observed_and(
        |spec| spec,
        |story, _| {
            let other = story.switch.kubelet().deploy(&story.deployment(NEW));
            story.rows().takeover(other.short_id(), NEW);
        },
    )
    .starts_over("another container took over");
}

#[test]
fn paused_and_resumed() {
    observed_and(
        |spec| spec,
        |story, container| {
            for word in ["pause", "unpause"] {
                let answer =
                    crate::story::ask_engine(&story.switch, "POST", &format!("/containers/{}/{word}", container.id));
                assert!(answer.starts_with("HTTP/1.0 204"), "{answer}");
                let told = || word == "unpause" || failed(story, "the container was paused");
                imgmgrd_test_support::wait::wait_until("it is seen", crate::scene::SOON, told);
            }
        },
    )
    .starts_over("the container was paused");
}

#[test]
fn crashing_again_and_again() {
    let mut story = Story::telemetry();
    let local = story.latest();
    story.policy("stable_time", "2");
    story.deploy_with(NEW, |spec| spec.restart_always().script("/bin/busybox sleep 0.5; exit 1"));
    story.let_it_pass();
    story.let_it_pass();
    story.nothing_was_promoted(&local);
    assert!(!story.history("failed").is_empty());
}

#[test]
fn killed_for_lack_of_memory_again_and_again() {
    let mut story = Story::telemetry();
    let local = story.latest();
    story.policy("stable_time", "2");
    story.deploy_with(NEW, |spec| spec.restart_always().out_of_memory());
    story.let_it_pass();
    story.nothing_was_promoted(&local);
}

#[test]
fn flapping_between_two_containers() {
    let mut story = Story::telemetry();
    let local = story.latest();
    story.policy("stable_time", "2");
    let first = story.deploy(NEW);
    let second = story.switch.kubelet().deploy(&story.deployment(NEW));
    // While another feature takes over and is promoted, this one changes its container more often than every two seconds.
    let (switch, agent) = (&story.switch, &story.agent);
    switch.rows().config_feature("lldp", "kube", false, true);
    let image = switch.engine().import_image("registry.example/docker-lldp:1", Some("1"), &[], "lldp");
    let lldp = imgmgrd_test_support::kubelet::Deployment::new("lldp", "docker-lldp", "1").without_sandbox();
    let witness = switch.kubelet().run(&lldp, &image);
    switch.feature("lldp").takeover(witness.short_id(), "1");
    let mut turn = [&first, &second].into_iter().cycle();
    agent.wait_until("the other one is promoted", crate::scene::SOON, || {
        switch.feature("telemetry").takeover(turn.next()?.short_id(), NEW);
        (switch.feature("lldp").stability() == "stable").then_some(())
    });
    story.nothing_was_promoted(&local);
    story.is_promoted(NEW);
    assert_eq!(story.history("promoted").len(), 1);
    assert_ne!(story.latest(), local);
    assert_eq!(story.rows().feature_row().expect("the row")["container_last_version"], LOCAL);
}

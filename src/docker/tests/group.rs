//! What is read again of one group.

use std::collections::BTreeSet;

use serde_json::json;

use super::fake::{Fake, Reply, digits, inspected_container, inspected_image};
use super::fixture::{Rig, reference};
use crate::docker::{EngineError, GroupRequest, Reader};
use crate::planner::ContainerStatus;

#[tokio::test]
async fn all_that_was_asked_for_is_read_at_once() {
    let rig = Rig::new();
    let (old, new) = (rig.image("docker-snmp:latest"), rig.image("r.example/docker-snmp:2"));
    let kube = rig.kube("snmp", &new);
    let local = rig.stopped("snmp", "docker-snmp:latest");
    let other = rig.stopped("other", "docker-snmp:latest");
    let gone = digits(7).parse().unwrap();
    let (latest, missing) = (reference("docker-snmp:latest"), reference("docker-snmp:3"));
    let request = GroupRequest {
        containers: [kube, gone].into(),
        names: ["snmp", "bgp", "sn", &other.short()].map(Into::into).into(),
        references: [latest.clone(), missing.clone()].into(),
        all_containers: false,
    };
    let reader = Reader::new(rig.engine.clone());
    let group = tokio::spawn(reader.read_group(request.clone())).await.unwrap().unwrap();
    assert_eq!(group.containers.keys().copied().collect::<BTreeSet<_>>(), [kube, local].into(), "an id is no name");
    assert!(group.containers[&kube].details.is_some() && group.containers[&kube].kubelet.is_some());
    assert_eq!((group.containers[&local].status, group.containers[&local].image), (ContainerStatus::Stopped, old));
    assert_eq!(group.references, [(latest, Some(old)), (missing, None)].into());
    assert!(reader.versions().contains_key(&old), "what was seen of an image is known");

    let group = reader.read_group(GroupRequest { all_containers: true, ..request }).await.unwrap();
    assert_eq!(group.containers.len(), 3);
    assert_eq!(group.containers[&other].status, ContainerStatus::Stopped);
}

#[tokio::test]
async fn what_cannot_be_read_of_a_group_is_an_error() {
    let fake = Fake::new(|asked| match asked.split('?').next()? {
        asked if asked.contains(&digits(1)) => Some(Reply::Json(200, inspected_container(1, "snmp"))),
        asked if asked.contains(&digits(2)) => Some(Reply::Json(500, json!({ "message": "no" }))),
        "/images/docker-snmp:latest/json" => Some(Reply::Json(200, inspected_image(1, "1"))),
        _ => None,
    });
    let reader = Reader::new(fake.engine.clone());
    let read = |n: u32| GroupRequest {
        containers: [digits(n).parse().unwrap()].into(),
        references: [reference("docker-snmp:latest")].into(),
        ..GroupRequest::default()
    };
    assert!(reader.read_group(read(1)).await.is_ok());
    let error = reader.read_group(read(2)).await.unwrap_err();
    assert!(matches!(error, EngineError::Refused { status: 500, .. }) && !error.is_unreachable(), "{error}");
}

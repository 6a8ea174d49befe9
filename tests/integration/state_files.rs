//! Files of the state directory that another version of the agent has written: what is not understood is kept, and the rest
//! is used.

use serde_json::{Value, json};

use crate::scene::{binary, command};
use crate::story::{NEW, NEWER, Story};

#[test]
fn an_unknown_field_forgets_nothing_and_stays() {
    let mut story = Story::telemetry();
    story.policy("stable_time", "0");
    let first = story.promote(NEW);
    story.upgrade(&first, NEWER);
    story.is_promoted(NEWER);
    assert_eq!(command(&story.switch, &["rollback", "telemetry"]).0, Some(0));
    story.becomes("held");

    // A newer version of the agent was here, and is downgraded.
    let path = story.switch.file("state/memory.json");
    let read = || -> Value {
        let text = std::fs::read_to_string(&path).expect("the memory");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    let ended = std::mem::replace(&mut story.agent, story.switch.agent_with(binary(), &["--version"], &[]));
    assert!(ended.terminate().0.success());
    let mut memory = read();
    memory["of_the_future"] = json!({ "is": "kept" });
    memory["units"]["docker-sonic-telemetry"]["of_the_future"] = json!(["sha256:0"]);
    std::fs::write(&path, memory.to_string()).expect("the memory can be written");
    story.agent = story.switch.agent(binary());
    story.has_reconciled("snmp");
    story.is("held", NEWER);
    assert_eq!(story.latest(), first.image_id);

    // It writes the file itself: a person promotes it after all.
    assert_eq!(command(&story.switch, &["promote", "telemetry"]).0, Some(0));
    story.is_promoted(NEWER);
    let memory = read();
    assert_eq!(memory["of_the_future"], json!({ "is": "kept" }), "{memory}");
    assert_eq!(memory["units"]["docker-sonic-telemetry"]["of_the_future"], json!(["sha256:0"]), "{memory}");
    assert!(!story.switch.file("state/memory.json.corrupt").exists());
}

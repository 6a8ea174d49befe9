//! The YANG model, the JSON Schemas and the agent's own reader of its policy: what each takes and refuses, and that it
//! is the same.
//!
//! | module | idea |
//! | --- | --- |
//! | `cases` | fragments of config_db.json, and what is to be said of each |
//! | `judges` | the three that say it |
//! | `model`, `translation` | from config_db.json to the JSON of YANG, as `sonic-yang-mgmt` does it |
//! | `yanglint` | runs it |
//! | `documents` | what the documents show |
//! | `files` | what else is in `schema/` |

// Helpers of tests are test code as well, which clippy tells by `#[test]` only: they may panic and start processes.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods)]

mod cases;
mod documents;
mod files;
mod judges;
mod model;
mod translation;
mod yanglint;

use cases::Expected;

#[test]
fn all_three_say_of_each_fragment_what_is_expected() {
    let cases = cases::all();
    assert!(cases.len() > 150, "{}", cases.len());
    let wrong: Vec<String> = cases.iter().filter_map(|case| wrong(&case.fragment, &case.expected).err()).collect();
    assert!(wrong.is_empty(), "{} of {} fragments:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// What is not as expected.
fn wrong(fragment: &serde_json::Value, expected: &Expected) -> Result<(), String> {
    let said = |who: &str, retention: Result<(), String>, expected: Option<&str>| match (retention, expected) {
        (Ok(()), None) => Ok(()),
        (Err(complaint), Some(expected)) if complaint.contains(expected) => Ok(()),
        (retention, expected) => Err(format!("{fragment}\n    {who} says {retention:?}\n    expected: {expected:?}")),
    };
    said("YANG", judges::yang(fragment), expected.yang)?;
    said("the agent", judges::agent(fragment), expected.agent)?;
    said("the schema", judges::schema(fragment), expected.schema.then_some(""))
}

#[test]
fn where_they_differ_the_model_says_why() {
    let text = std::fs::read_to_string(yanglint::MODEL).expect("the model");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for case in cases::all() {
        let Expected { yang, schema, agent, why } = case.expected;
        assert_eq!(
            why.is_some(),
            yang.is_some() != agent.is_some() || schema != agent.is_some(),
            "a reason where they differ, and only there: {}",
            case.fragment
        );
        if let Some(why) = why {
            assert!(text.contains(why), "the model does not say \"{why}\": {}", case.fragment);
        }
    }
}

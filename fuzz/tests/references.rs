//! Image references, generated from the grammar itself: most random bytes are none.

use proptest::prelude::*;
use proptest::string::string_regex;

/// The productions of the distribution project's grammar, with the words that Docker treats in a way of their own.
fn grammatical() -> impl Strategy<Value = String> {
    let domain = prop_oneof![
        Just(String::new()),
        "(docker\\.io|index\\.docker\\.io|localhost|library|LOCALHOST)/",
        "[a-zA-Z0-9]{1,3}(-[a-z0-9]{1,2})?(\\.[a-zA-Z0-9]{1,4}){0,3}(:[0-9]{1,5})?/",
        "\\[[a-fA-F0-9:]{1,12}\\](:[0-9]{1,5})?/",
    ];
    let component = "[a-z0-9]{1,4}((\\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}";
    let folders = prop_oneof![
        4 => Just(String::new()),
        2 => string_regex(&format!("({component}/){{1,3}}")).expect("a pattern"),
        1 => Just("library/".to_owned()),
        1 => Just("docker.io/".to_owned()),
    ];
    let tag =
        prop_oneof![2 => Just(String::new()), 3 => ":[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", 1 => ":[A-Za-z0-9_]{120,130}"];
    let digest = prop_oneof![
        4 => Just(String::new()),
        2 => "@sha256:[a-f0-9]{64}",
        1 => "@[a-z][a-z0-9]{0,4}([+._-][a-z][a-z0-9]{0,2}){0,2}:[a-f0-9]{30,40}",
        1 => "@sha512:[a-fA-F0-9]{128}",
    ];
    (domain, folders, component, tag, digest)
        .prop_map(|(domain, folders, last, tag, digest)| format!("{domain}{folders}{last}{tag}{digest}"))
}

/// Something that is nearly a reference: one character is another one, or gone.
fn nearly() -> impl Strategy<Value = String> {
    (grammatical(), any::<prop::sample::Index>(), prop::option::of("[a-zA-Z0-9/:@._\\-\\[\\] é\\n\u{0}]")).prop_map(
        |(text, at, other)| {
            let at = at.index(text.chars().count());
            let other = other.unwrap_or_default();
            text.chars().enumerate().map(|(n, c)| if n == at { other.clone() } else { c.to_string() }).collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn references_of_the_grammar(text in grammatical()) {
        imgmgrd_fuzz::reference(text.as_bytes());
    }

    /// They are put into the paths of requests to the engine as they are.
    #[test]
    fn references_need_no_encoding(text in prop_oneof![grammatical(), nearly(), any::<String>()]) {
        let Ok(reference) = text.parse::<imgmgrd::domain::Reference>() else { return Ok(()) };
        let shown = reference.to_string();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-:/@[]+".contains(c);
        prop_assert!(shown.chars().all(is_plain), "{shown}");
        prop_assert!(shown.split('/').all(|part| !["", ".", ".."].contains(&part)), "{shown}");
    }

    #[test]
    fn references_that_are_nearly_right(text in nearly()) {
        imgmgrd_fuzz::reference(text.as_bytes());
    }

    #[test]
    fn words_of_the_grammars_letters(text in "[a-cA-B0-1/:@._\\-\\[\\]]{0,40}") {
        imgmgrd_fuzz::reference(text.as_bytes());
    }

    #[test]
    fn long_references(length in 100_usize..700, domain in prop::option::of(1_usize..300), tag in any::<bool>()) {
        let domain = domain.map(|length| format!("{}/", "d.".repeat(length / 2) + "d")).unwrap_or_default();
        let tag = if tag { ":1" } else { "" };
        for name in ["a".repeat(length), "a/".repeat(length / 2) + "b"] {
            imgmgrd_fuzz::reference(format!("{domain}{name}{tag}").as_bytes());
        }
    }
}

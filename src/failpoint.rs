//! Places where tests let something go wrong, compiled in by the feature `failpoints` only.
//!
//! | place | where |
//! | --- | --- |
//! | `before-save`, `after-save` | the memory, saved with each decision |
//! | `before-step`, `after-step` | each step of a plan, the engine's and Redis's |
//! | `before-publish`, `after-publish` | the agent's own rows |
//!
//! The variable `FAILPOINTS` takes what is to happen there as the value of `return`: `kill` ends the process as a crash
//! would, `stop` stops it until it is continued, `fail` is a server that answers with an error, and `lost` an answer that
//! never arrives; the last two mean something at steps only. Counts select a step: `after-step=2*off->1*return(kill)`
//! crashes after the third.

/// Before a step's preconditions are checked.
pub(crate) const BEFORE_STEP: &str = "before-step";

/// After a step was carried out.
pub(crate) const AFTER_STEP: &str = "after-step";

/// Before the memory is saved.
pub(crate) const BEFORE_SAVE: &str = "before-save";

/// After the memory was saved.
pub(crate) const AFTER_SAVE: &str = "after-save";

/// Before rows are published.
pub(crate) const BEFORE_PUBLISH: &str = "before-publish";

/// After rows were published.
pub(crate) const AFTER_PUBLISH: &str = "after-publish";

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "failpoints"), expect(dead_code, reason = "nothing goes wrong on purpose"))]
pub(crate) enum Fault {
    /// The server answers with an error.
    Refused,
    /// The answer never arrives.
    Lost,
}

/// What goes wrong at a place.
#[cfg(feature = "failpoints")]
pub(crate) fn reach(place: &str) -> Option<Fault> {
    match fail::eval(place, Option::unwrap_or_default).as_deref() {
        Some("kill") => std::process::abort(),
        Some("stop") => {
            // Whoever asked for it waits for the stop, and would wait in vain were it not sent.
            if rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP).is_err() {
                std::process::abort();
            }
            None
        }
        Some("fail") => Some(Fault::Refused),
        Some("lost") => Some(Fault::Lost),
        _ => None,
    }
}

/// What goes wrong at a place: nothing, but in tests.
#[cfg(not(feature = "failpoints"))]
pub(crate) const fn reach(_place: &str) -> Option<Fault> {
    None
}

#[cfg(all(test, feature = "failpoints"))]
mod tests {
    use super::*;

    #[test]
    fn a_place_fails_as_it_is_told() {
        assert_eq!(reach("test-step"), None);
        fail::cfg("test-step", "1*off->1*return(fail)->1*return(lost)->off").unwrap();
        assert_eq!([(); 4].map(|()| reach("test-step")), [None, Some(Fault::Refused), Some(Fault::Lost), None]);
        fail::remove("test-step");
    }
}

//! Places where tests let a step go wrong, compiled in by the feature `failpoints` only.
//!
//! `before-step` and `after-step` take what is to happen as the value of `return`: `kill` ends the process as a crash
//! would, `fail` is an engine that answers 500, and `lost` an answer that never arrives. Counts select a step:
//! `after-step=2*off->1*return(kill)` crashes after the third.

use super::error::EngineError;
use crate::decide::Step;

/// Before the step is looked at.
pub(super) const BEFORE: &str = "before-step";

/// After the step was carried out.
pub(super) const AFTER: &str = "after-step";

/// A place where a step may go wrong.
#[cfg(feature = "failpoints")]
pub(super) fn pass(place: &str, step: &Step) -> Result<(), EngineError> {
    let what = || format!("{step} (failpoint {place})");
    match fail::eval(place, Option::unwrap_or_default).as_deref() {
        Some("kill") => std::process::abort(),
        Some("fail") => {
            Err(EngineError::Refused { what: what(), status: 500, message: "so that a test can see it".to_owned() })
        }
        Some("lost") => Err(EngineError::TimedOut {
            what: what(),
            host: "a failpoint".to_owned(),
            after: super::client::READ_DEADLINE,
        }),
        _ => Ok(()),
    }
}

/// A place where a step may go wrong, in tests.
#[cfg(not(feature = "failpoints"))]
#[expect(clippy::unnecessary_wraps, reason = "as with the feature")]
pub(super) const fn pass(_place: &str, _step: &Step) -> Result<(), EngineError> {
    Ok(())
}

#[cfg(all(test, feature = "failpoints"))]
mod tests {
    use super::*;

    #[test]
    fn a_place_fails_as_it_is_told() {
        let image = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
        let step = Step::RemoveImage { image };
        assert!(pass("test-step", &step).is_ok());
        fail::cfg("test-step", "1*off->1*return(fail)->1*return(lost)->off").unwrap();
        assert!(pass("test-step", &step).is_ok());
        assert!(matches!(pass("test-step", &step), Err(EngineError::Refused { status: 500, .. })));
        assert!(matches!(pass("test-step", &step), Err(EngineError::TimedOut { .. })));
        assert!(pass("test-step", &step).is_ok());
        fail::remove("test-step");
    }
}

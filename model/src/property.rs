//! The properties that hold in every state, by name.

use std::fmt;

/// What must never happen, and what must always come to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Promise {
    /// 1: `latest` never vanishes.
    Latest,
    /// 2: what a container uses is never removed, and what runs is never touched.
    InUse,
    /// 3: only the feature's own repositories are touched.
    Own,
    /// 4: the promoted version and the one before it stay.
    Fallback,
    /// 4: what has not proven stable, or was rolled back from, is never promoted.
    Proven,
    /// 5: a crash changes nothing in the end.
    Crash,
    /// 6: no lost update, no resurrected row.
    Rows,
    /// 7, and liveness: left alone, the agent comes to the desired state and rests.
    Rest,
    /// While something forbids it, nothing is begun.
    HeldBack,
    /// The check of the promises agrees with every plan.
    SecondOpinion,
    /// 8: what it says is so.
    Says,
    /// 9: what hangs or cannot be read holds up only itself.
    Bulkheads,
    /// What an action rests on holds when it begins.
    Fresh,
    /// No image is removed while a promotion is due.
    PromotionsFirst,
    /// What has to be remembered is on the disk before it is done.
    Saved,
    /// Left alone, STATE_DB says what the report says.
    Published,
}

impl Promise {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Latest,
        Self::InUse,
        Self::Own,
        Self::Fallback,
        Self::Proven,
        Self::Crash,
        Self::Rows,
        Self::Rest,
        Self::HeldBack,
        Self::SecondOpinion,
        Self::Says,
        Self::Bulkheads,
        Self::Fresh,
        Self::PromotionsFirst,
        Self::Saved,
        Self::Published,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Latest => "promise 1: latest never vanishes",
            Self::InUse => "promise 2: what is in use stays, what runs is not touched",
            Self::Own => "promise 3: only the feature's own repositories are touched",
            Self::Fallback => "promise 4: the promoted version and the one before it stay",
            Self::Proven => "promise 4: only what has proven stable is promoted",
            Self::Crash => "promise 5: a crash changes nothing in the end",
            Self::Rows => "promise 6: no lost update, no resurrected row",
            Self::Rest => "promise 7 and liveness: left alone, it reaches the desired state and rests",
            Self::HeldBack => "while something forbids it, nothing is begun",
            Self::SecondOpinion => "the check of the promises agrees with every plan",
            Self::Says => "promise 8: what it answers is so",
            Self::Bulkheads => "promise 9: what hangs holds up only itself",
            Self::Fresh => "what an action rests on holds when it begins",
            Self::PromotionsFirst => "no image is removed while a promotion is due",
            Self::Saved => "what has to be remembered is on the disk before it is done",
            Self::Published => "left alone, STATE_DB says what the report says",
        }
    }
}

/// A promise that was broken, and how.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Broken {
    /// Which.
    pub promise: Promise,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise.name(), self.what)
    }
}

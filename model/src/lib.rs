//! The real decision among all other actors of a switch, explored exhaustively within bounds.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`scenario`], [`scenarios`], [`bounds`] | which switch, which actors, and how often each may act |
//! | [`state`], [`site`] | a state: the switch, where each actor is, what happened, what may still happen |
//! | [`action`] | one thing that an actor does: one write, one call |
//! | `actors` | the kubelet, the container scripts, systemd, operators, the databases; and what they do next |
//! | [`agent`], [`driver`] | the agent: the real controller, and what turns its effects into calls |
//! | [`conduct`] | where a bug can be put in |
//! | [`history`], [`property`], [`properties`] | what happened, and the properties judged by it |
//! | [`quiet`] | liveness: what the agent alone makes of a state |
//! | [`explore`] | the model for stateright, and what an exploration found |
//! | [`trace`] | a counterexample in words |

pub mod action;
mod actors;
pub mod agent;
pub mod bounds;
pub mod conduct;
pub mod driver;
pub mod explore;
pub mod history;
pub mod properties;
pub mod property;
pub mod quiet;
pub mod scenario;
pub mod scenarios;
pub mod site;
pub mod state;
pub mod trace;

//! The real decision among all other actors of a switch, explored exhaustively within bounds.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`scenario`] | which switch, which actors, and how often each may act: the bounds |
//! | [`state`] | a state: the switch, where each actor is, what really happened, what may still happen |
//! | [`action`] | one thing that an actor does: one write, one call |
//! | `actors` | the kubelet, the container scripts, systemd, operators, the databases; and what they do next |
//! | [`agent`] | the agent: the real controller, driven; [`conduct`]: where a bug can be put in |
//! | [`history`], [`promises`] | what really happened, and the promises judged by it |
//! | [`quiet`] | liveness: what the agent alone makes of a state |
//! | [`explore`] | the model for stateright, and what an exploration found |
//! | [`trace`] | a counterexample in words |

pub mod action;
mod actors;
pub mod agent;
pub mod conduct;
pub mod explore;
pub mod history;
pub mod promises;
pub mod quiet;
pub mod scenario;
pub mod scenarios;
pub mod state;
pub mod trace;

//! The agent on a real switch: redis-server, dockerd and docker-registry, each test on its own.

mod commands;
mod evidence;
mod killed;
mod process;
mod promotion;
mod restarts;
mod scene;

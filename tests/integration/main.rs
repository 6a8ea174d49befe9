//! The agent on a real switch: redis-server, dockerd and docker-registry, each test on its own.

mod promotion;
mod scene;

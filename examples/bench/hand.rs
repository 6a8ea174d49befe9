//! The calls of a promotion with clean-up, done by hand: bare requests over the socket, or docker commands.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

/// One call to the engine.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    /// Point a local or remote tag at an image.
    Tag { image: String, repository: String, tag: String },
    /// Remove a container.
    RemoveContainer(String),
    /// Remove an image by reference or id.
    RemoveImage(String),
}

impl Call {
    /// As a request, on a connection of its own, waiting for its answer.
    pub(crate) fn request(&self, socket: &Path) {
        let (method, path) = match self {
            Self::Tag { image, repository, tag } => {
                ("POST", format!("/images/{image}/tag?repo={repository}&tag={tag}"))
            }
            Self::RemoveContainer(name) => ("DELETE", format!("/containers/{name}")),
            Self::RemoveImage(name) => ("DELETE", format!("/images/{name}?noprune=1")),
        };
        let mut stream = UnixStream::connect(socket).expect("the engine listens");
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("the engine reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the engine answers");
        assert!(answer.starts_with("HTTP/1.1 2"), "{method} {path}: {answer}");
    }

    /// As a docker command, the way of ctrmgrd.
    pub(crate) fn command(&self, socket: &Path) {
        let mut command = Command::new("docker");
        command.env("DOCKER_HOST", format!("unix://{}", socket.display())).stdout(Stdio::null());
        match self {
            Self::Tag { image, repository, tag } => command.arg("tag").arg(image).arg(format!("{repository}:{tag}")),
            Self::RemoveContainer(name) => command.arg("rm").arg(name),
            Self::RemoveImage(name) => command.arg("rmi").arg("--no-prune").arg(name),
        };
        assert!(command.status().expect("docker can be started").success(), "docker: {self:?}");
    }
}

/// Whether there is a docker command.
pub(crate) fn has_docker() -> bool {
    Command::new("docker").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

//! Calls to the engine by hand: bare requests over its socket.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

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
    fn method_and_path(&self) -> (&'static str, String) {
        match self {
            Self::Tag { image, repository, tag } => {
                ("POST", format!("/images/{image}/tag?repo={repository}&tag={tag}"))
            }
            Self::RemoveContainer(name) => ("DELETE", format!("/containers/{name}")),
            Self::RemoveImage(name) => ("DELETE", format!("/images/{name}?noprune=1")),
        }
    }

    /// As a request, on a connection of its own, waiting for its answer.
    pub(crate) fn request(&self, socket: &Path) {
        let (method, path) = self.method_and_path();
        let answer = request(socket, method, &path);
        assert!(answer.starts_with("HTTP/1.1 2"), "{method} {path}: {answer}");
    }
}

/// Sends a bare request, and waits for its answer.
pub(crate) fn request(socket: &Path, method: &str, path: &str) -> String {
    let mut stream = UnixStream::connect(socket).expect("the engine listens");
    let request = format!("{method} {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the engine reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the engine answers");
    answer
}

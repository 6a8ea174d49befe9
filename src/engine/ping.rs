//! The first contact: which API version the engine speaks.
//!
//! `GET /_ping` answers with the header `Api-Version` (API reference, "SystemPing"). It takes the engine a
//! millisecond, where `GET /version` takes ten to twenty: an engine 20.10 runs `runc --version` for it. The client
//! library gives no access to headers, so this one request is spoken by hand.

use std::io;

use tokio::net::{TcpStream, UnixStream};

use super::host::Host;

/// No answer's headers are longer.
const LONGEST_HEAD: usize = 16 * 1024;

/// An API version, `1.41` with an engine 20.10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ApiVersion {
    /// What comes before the dot.
    pub(super) major: u16,
    /// What comes after it.
    pub(super) minor: u16,
}

impl ApiVersion {
    /// Reads `1.41`.
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once('.')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

/// A connection to the engine.
enum Connection {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Connection {
    async fn open(host: &Host) -> io::Result<Self> {
        match host {
            Host::Unix(path) => UnixStream::connect(path).await.map(Self::Unix),
            Host::Tcp(address) => TcpStream::connect(address).await.map(Self::Tcp),
        }
    }

    /// Writes a request so short that an empty socket buffer takes it as a whole.
    async fn write(&self, request: &[u8]) -> io::Result<()> {
        let written = match self {
            Self::Unix(stream) => stream.writable().await.and_then(|()| stream.try_write(request)),
            Self::Tcp(stream) => stream.writable().await.and_then(|()| stream.try_write(request)),
        }?;
        if written == request.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// Reads what has arrived.
    async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match self {
                Self::Unix(stream) => stream.readable().await.and_then(|()| stream.try_read(buffer)),
                Self::Tcp(stream) => stream.readable().await.and_then(|()| stream.try_read(buffer)),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }
}

/// Asks the engine for its newest API version; none if it does not say.
pub(super) async fn ping(host: &Host) -> io::Result<Option<ApiVersion>> {
    let connection = Connection::open(host).await?;
    connection.write(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n").await?;
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let length = connection.read(&mut buffer).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if head.len() > LONGEST_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        head.extend_from_slice(buffer.get(..length).unwrap_or_default());
    }
    Ok(api_version(&head))
}

/// The header `Api-Version`.
fn api_version(head: &[u8]) -> Option<ApiVersion> {
    let head = String::from_utf8_lossy(head);
    let mut headers = head.lines().filter_map(|line| line.split_once(':'));
    headers.find(|(name, _)| name.eq_ignore_ascii_case("api-version")).and_then(|(_, text)| ApiVersion::parse(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_in_the_headers() {
        let head = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nServer: Docker/20.10.24 (linux)\r\n\r\n";
        assert_eq!(api_version(head), Some(ApiVersion { major: 1, minor: 41 }));
        assert_eq!(api_version(b"HTTP/1.1 200 OK\r\napi-version:1.5\r\n\r\n"), Some(ApiVersion { major: 1, minor: 5 }));
        assert_eq!(api_version(b"HTTP/1.1 500 Oops\r\nServer: 1.41\r\n\r\n"), None);
        assert_eq!(api_version(b"HTTP/1.1 200 OK\r\nApi-Version: new\r\n\r\n"), None);
    }
}

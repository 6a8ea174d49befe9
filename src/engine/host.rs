//! Where the engine listens.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::error::EngineError;
use crate::domain::printable;

/// Where the engine listens, as `DOCKER_HOST` and `engine.host` say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// A unix socket, the only way on a switch.
    Unix(PathBuf),
    /// `host:port`, without encryption.
    Tcp(String),
}

impl FromStr for Host {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || EngineError::InvalidHost { host: printable(text) };
        let path = text.strip_prefix("unix://").or_else(|| text.starts_with('/').then_some(text));
        if let Some(path) = path {
            return if path.starts_with('/') { Ok(Self::Unix(path.into())) } else { Err(invalid()) };
        }
        let address = text.strip_prefix("tcp://").or_else(|| text.strip_prefix("http://")).ok_or_else(invalid)?;
        let address = address.trim_end_matches('/');
        let is_address = address.rsplit_once(':').is_some_and(|(host, port)| {
            let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']');
            !host.is_empty() && host.bytes().all(is_host) && port.parse::<u16>().is_ok()
        });
        if is_address { Ok(Self::Tcp(address.to_owned())) } else { Err(invalid()) }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Tcp(address) => f.write_str(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_and_addresses() {
        for (text, shown) in [
            ("unix:///var/run/docker.sock", "/var/run/docker.sock"),
            ("/var/run/docker.sock", "/var/run/docker.sock"),
            ("tcp://10.1.0.1:2375", "10.1.0.1:2375"),
            ("http://localhost:2375/", "localhost:2375"),
            ("tcp://[fd00::1]:2375", "[fd00::1]:2375"),
        ] {
            assert_eq!(text.parse::<Host>().unwrap().to_string(), shown, "{text}");
        }
        for text in
            ["", "docker.sock", "unix://docker.sock", "tcp://", "tcp://:1", "tcp://h", "ssh://h:1", "tcp://a/b:1"]
        {
            assert!(text.parse::<Host>().is_err(), "{text}");
        }
    }
}

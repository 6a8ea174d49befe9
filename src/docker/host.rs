//! Where the engine listens.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::domain::printable;

/// The engine's address, as `engine.host` and `DOCKER_HOST` say it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub enum EngineHost {
    /// `unix://PATH`: a unix socket, the only way on a switch.
    Unix(PathBuf),
    /// `tcp://HOST:PORT`, without TLS; `http://` means the same. An IPv6 address is in brackets.
    Tcp(String),
}

/// An address that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no engine that can be reached: give unix:///PATH or tcp://HOST:PORT")]
pub struct InvalidHost(String);

impl EngineHost {
    /// The local engine's socket.
    pub const DEFAULT: &str = "unix:///var/run/docker.sock";
}

impl TryFrom<String> for EngineHost {
    type Error = InvalidHost;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for EngineHost {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = text.strip_prefix("unix://").filter(|path| path.starts_with('/') && !path.ends_with('/'));
        let address = text.strip_prefix("tcp://").or_else(|| text.strip_prefix("http://"));
        let address = address.map(|address| address.strip_suffix('/').unwrap_or(address));
        path.map(|path| Self::Unix(path.into()))
            .or_else(|| address.filter(|address| is_address(address)).map(|address| Self::Tcp(address.to_owned())))
            .ok_or_else(|| InvalidHost(printable(text)))
    }
}

/// Whether this is a host's name or address, and a port.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)),
    };
    is_host && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

impl fmt::Display for EngineHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_and_addresses() {
        for (text, shown) in [
            (EngineHost::DEFAULT, "unix:///var/run/docker.sock"),
            ("tcp://10.1.0.1:2375", "tcp://10.1.0.1:2375"),
            ("http://localhost:2375/", "tcp://localhost:2375"),
            ("tcp://[fd00::1]:2375", "tcp://[fd00::1]:2375"),
        ] {
            assert_eq!(text.parse::<EngineHost>().unwrap().to_string(), shown, "{text}");
        }
        for text in [
            "",
            "docker.sock",
            "/var/run/docker.sock",
            "unix://",
            "unix://docker.sock",
            "unix:///run/",
            "tcp://",
            "tcp://:1",
            "tcp://h",
            "tcp://h:",
            "tcp://h:0",
            "tcp://h:65536",
            "tcp://h:+1",
            "tcp://fd00::1:2375",
            "tcp://[::1:2375",
            "tcp://a b:1",
            "tcp://a/b:1",
            "ssh://h:1",
            "npipe://x",
        ] {
            assert!(text.parse::<EngineHost>().is_err(), "{text}");
        }
    }
}

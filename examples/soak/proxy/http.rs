//! As much of HTTP/1.1 as it takes to know what is asked for, and to read a whole answer of a server that then hangs up.

use std::io::{self, Read};

/// No request's head of the agent's is longer.
const LONGEST_HEAD: usize = 64 * 1024;

/// A request without a body: the agent sends no others.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// `GET`, `POST`, `DELETE`.
    pub(crate) method: String,
    /// The path without the API's version and without its query, unescaped: `/images/docker-snmp:latest/json`.
    pub(crate) path: String,
    /// The query's names and values, unescaped.
    pub(crate) query: Vec<(String, String)>,
    head: String,
}

impl Request {
    /// Reads one; none if the connection ends first.
    pub(crate) fn read(mut stream: impl Read) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        let mut byte = [0];
        while !bytes.ends_with(b"\r\n\r\n") {
            if stream.read(&mut byte)? == 0 {
                return Ok(None);
            }
            bytes.push(byte[0]);
            if bytes.len() > LONGEST_HEAD {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        let head = String::from_utf8_lossy(&bytes).into_owned();
        let mut words = head.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let query = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Ok(Some(Self {
            method: method.to_owned(),
            path: unescape(without_version(path)),
            query: query.map(|(name, value)| (unescape(name), unescape(value))).collect(),
            head,
        }))
    }

    /// The head, with the wish that the connection ends after the answer: so there is one request per connection.
    pub(crate) fn head(&self) -> String {
        let lines = self.head.trim_end().lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
        lines.chain(["Connection: close", "", ""]).collect::<Vec<_>>().join("\r\n")
    }

    /// A value of the query.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// What is between these in the path.
    pub(crate) fn object(&self, begin: &str, end: &str) -> Option<&str> {
        self.path.strip_prefix(begin)?.strip_suffix(end).filter(|object| !object.is_empty())
    }

    /// Whether it may change something.
    pub(crate) fn is_change(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD")
    }
}

impl std::fmt::Display for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        for (number, (name, value)) in self.query.iter().enumerate() {
            write!(f, "{}{name}={value}", if number == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

/// The status code of an answer.
pub(crate) fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\r').next()?;
    String::from_utf8_lossy(line).split(' ').nth(1)?.parse().ok()
}

/// `/v1.41/images/json` without `/v1.41`.
fn without_version(path: &str) -> &str {
    let rest = path.strip_prefix("/v").and_then(|rest| rest.split_once('/'));
    match rest {
        Some((version, _)) if version.chars().all(|letter| letter.is_ascii_digit() || letter == '.') => {
            &path[version.len() + 2..]
        }
        _ => path,
    }
}

fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = if byte == b'%' { text.get(at + 1..at + 3) } else { None };
        let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        plain.push(value.unwrap_or(byte));
        at += if value.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&plain).into_owned()
}

//! Reading the bodies of answers, as much of them as may be.

use std::future::poll_fn;
use std::pin::Pin;

use hyper::body::{Body as _, Bytes, Incoming};
use serde::Deserialize;

use super::error::Failure;
use super::splitter::{Entry, Splitter};
use super::transport::Answer;

/// The most bytes of an inspection that are read. Many are read at once.
const MOST_BYTES: usize = 512 << 10;

/// The most bytes that are read of what the engine says about a failure.
const MOST_WORDS: usize = 16 << 10;

/// The most bytes that are kept of a whole list: ten times what 2,000 images take.
const MOST_KEPT: usize = 8 << 20;

/// The answer, if the engine did not refuse.
pub(super) async fn accepted(answer: Answer) -> Result<Answer, Failure> {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status = answer.status().as_u16();
    let words = match whole(answer, MOST_WORDS).await {
        Ok(body) => serde_json::from_slice(&body)
            .map_or_else(|_| String::from_utf8_lossy(&body).into_owned(), |Refusal { message }| message),
        Err(Failure::TooLong) => "in more words than are read".to_owned(),
        Err(error) => return Err(error),
    };
    Err(Failure::Status(status, words))
}

/// All of an answer.
pub(super) async fn body(answer: Answer) -> Result<Vec<u8>, Failure> {
    whole(answer, MOST_BYTES).await
}

async fn whole(answer: Answer, most: usize) -> Result<Vec<u8>, Failure> {
    let mut body = answer.into_body();
    let mut bytes = Vec::new();
    while let Some(data) = data(&mut body).await? {
        if bytes.len() + data.len() > most {
            return Err(Failure::TooLong);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// Reads a list value by value. `keep` says how many bytes it keeps of each.
pub(super) async fn list(answer: Answer, mut keep: impl FnMut(Entry<'_>) -> usize) -> Result<(), Failure> {
    let mut body = answer.into_body();
    let mut splitter = Splitter::list();
    let mut kept = 0_usize;
    while let Some(data) = data(&mut body).await? {
        let no_list = |_| Failure::NotUnderstood("it is no list".to_owned());
        splitter.push(&data, |entry| kept = kept.saturating_add(keep(entry))).map_err(no_list)?;
        if kept > MOST_KEPT {
            return Err(Failure::TooLong);
        }
    }
    if splitter.has_ended() { Ok(()) } else { Err(Failure::NotUnderstood("it is no whole list".to_owned())) }
}

/// The next bytes of a body; none at its end. Nothing is lost if this is not waited for to the end.
pub(super) async fn data(body: &mut Incoming) -> Result<Option<Bytes>, hyper::Error> {
    loop {
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await.transpose()?;
        match frame.map(hyper::body::Frame::into_data) {
            Some(Ok(data)) => return Ok(Some(data)),
            // Trailers say nothing.
            Some(Err(_)) => {}
            None => return Ok(None),
        }
    }
}

//! How much a server may answer at once.
//!
//! The client of Redis reads an answer as a whole before it looks at it. A row of half a gigabyte would cost as much memory
//! here, and with that the agent.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is left to be read of an answer. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Allowance {
    left: Arc<AtomicUsize>,
    is_exceeded: Arc<AtomicBool>,
    whole: usize,
}

impl Allowance {
    /// So many bytes for each answer.
    pub(crate) fn new(whole: usize) -> Self {
        Self { left: Arc::new(AtomicUsize::new(whole)), is_exceeded: Arc::default(), whole }
    }

    /// What comes next is another answer.
    pub(crate) fn renew(&self) {
        self.left.store(self.whole, Ordering::Relaxed);
    }

    /// Whether an answer was larger. Clients do not all pass on why a connection ended.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.is_exceeded.load(Ordering::Relaxed)
    }

    /// Takes note of what was read.
    fn spend(&self, read: usize) -> io::Result<()> {
        let spent = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(read));
        if spent.is_err() {
            self.is_exceeded.store(true, Ordering::Relaxed);
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(())
    }
}

/// A connection to a server, which ends with an error when an answer is too large. What is asked renews the allowance.
#[derive(Debug)]
pub(crate) struct Allowed<S> {
    stream: S,
    allowance: Allowance,
}

impl<S> Allowed<S> {
    pub(crate) fn new(stream: S, allowance: Allowance) -> Self {
        Self { stream, allowance }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Allowed<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        Poll::Ready(this.allowance.spend(buffer.filled().len().saturating_sub(before)))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Allowed<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.allowance.renew();
        Pin::new(&mut this.stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn an_answer_ends_where_the_allowance_does_and_a_question_renews_it() {
        let (mut server, client) = duplex(64);
        let allowance = Allowance::new(4);
        let mut client = Allowed::new(client, allowance.clone());
        let mut answer = [0; 4];
        for _ in 0..3 {
            client.write_all(b"?").await.unwrap();
            server.write_all(b"1234").await.unwrap();
            client.read_exact(&mut answer).await.unwrap();
        }
        allowance.renew();
        server.write_all(b"1234").await.unwrap();
        client.read_exact(&mut answer).await.unwrap();
        server.write_all(b"5").await.unwrap();
        let error = client.read_exact(&mut answer).await.unwrap_err();
        assert!(error.kind() == io::ErrorKind::FileTooLarge && allowance.is_exceeded());
    }
}

//! A connection that loses requests and answers, in front of any API server.

#![allow(dead_code, reason = "every test crate uses another part of it")]

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt as _, pending};
use http::{Request, Response};
use http_body_util::{Either, Full};
use kube::client::Body;
use tower::{Layer, Service};

/// Makes about one request in `every` go wrong, in one way or another.
#[derive(Clone)]
pub(crate) struct Faults {
    every: Arc<AtomicU64>,
    seen: Arc<AtomicU64>,
}

impl Faults {
    pub(crate) fn one_in(every: u64) -> Self {
        Self { every: Arc::new(AtomicU64::new(every)), seen: Arc::default() }
    }

    /// No request goes wrong any more.
    pub(crate) fn heal(&self) {
        self.every.store(u64::MAX, Ordering::SeqCst);
    }

    fn next(&self) -> Option<Fault> {
        let (turn, every) = (self.seen.fetch_add(1, Ordering::SeqCst), self.every.load(Ordering::SeqCst));
        // The same in every run, but with no rhythm that the requests could have too.
        let dice = BuildHasherDefault::<DefaultHasher>::default().hash_one(turn);
        dice.is_multiple_of(every).then(|| FAULTS[(dice / every) as usize % FAULTS.len()])
    }
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Overload,
    Broken,
    NoConnection,
    Hang,
    LostAnswer,
}

const FAULTS: [Fault; 5] = [Fault::Overload, Fault::Broken, Fault::NoConnection, Fault::Hang, Fault::LostAnswer];

impl<S> Layer<S> for Faults {
    type Service = Faulty<S>;

    fn layer(&self, inner: S) -> Faulty<S> {
        Faulty { inner, faults: self.clone() }
    }
}

pub(crate) struct Faulty<S> {
    inner: S,
    faults: Faults,
}

type Answer<B> = Response<Either<B, Full<Bytes>>>;
type Failure = Box<dyn std::error::Error + Send + Sync>;

impl<S, B> Service<Request<Body>> for Faulty<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<Failure>,
    S::Future: Send + 'static,
    B: Send + 'static,
{
    type Response = Answer<B>;
    type Error = Failure;
    type Future = BoxFuture<'static, Result<Answer<B>, Failure>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self.faults.next() {
            Some(Fault::Overload) => refuse(429),
            Some(Fault::Broken) => refuse(503),
            Some(Fault::NoConnection) => async { Err("connection reset by peer".into()) }.boxed(),
            Some(Fault::Hang) => pending().boxed(),
            Some(Fault::LostAnswer) => {
                let answer = self.inner.call(request);
                async move { answer.then(|_| refuse(504)).await }.boxed()
            }
            None => {
                let answer = self.inner.call(request);
                async move { Ok(answer.await.map_err(Into::into)?.map(Either::Left)) }.boxed()
            }
        }
    }
}

fn refuse<B: Send + 'static>(code: u16) -> BoxFuture<'static, Result<Answer<B>, Failure>> {
    let answer = Response::builder().status(code).header("Retry-After", "0").body(Either::Right(Full::default()));
    async move { answer.map_err(Into::into) }.boxed()
}

//! The process in one pod: it listens at the pod's address, answers so many requests at a time, and ends as a well-behaved
//! server does.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use axum::body::Body;
use http::{Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Semaphore, TryAcquireError, watch},
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use super::pods::About;

/// Connections that wait until they are accepted.
const BACKLOG: u32 = 1024;
/// How long a new pod may wait for an address that the pod before it still holds.
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// What a process is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Go on.
    Serve,
    /// Stop accepting at the first moment, be gone at the second.
    End { accept_until: Instant, gone_at: Instant },
    /// Be gone now.
    Go,
}

/// What a process has done.
#[derive(Debug)]
pub(super) struct Work {
    about: About,
    slots: Semaphore,
    /// Of those who are served or wait.
    places: Semaphore,
    busy_micros: AtomicU64,
}

impl Work {
    pub(super) fn new(about: About) -> Self {
        let (slots, places) =
            (Semaphore::new(about.concurrency), Semaphore::new(about.concurrency + about.queue));
        Self { about, slots, places, busy_micros: AtomicU64::new(0) }
    }

    pub(super) fn about(&self) -> &About {
        &self.about
    }

    /// Cpu time used so far: a pod that is busy with as many requests as it can uses what it requests.
    pub(super) fn cpu_seconds(&self) -> f64 {
        let busy = Duration::from_micros(self.busy_micros.load(Ordering::Relaxed)).as_secs_f64();
        #[allow(clippy::cast_precision_loss)] // Small numbers.
        let (concurrency, cores) = (self.about.concurrency as f64, self.about.cpu_milli as f64 / 1000.0);
        busy / concurrency * cores
    }

    /// Waits for its turn and takes as long as a request does; at once and in vain when too many wait. A client that gives up
    /// leaves wherever it waits.
    async fn take_turn(&self) -> Result<(), TryAcquireError> {
        let place = self.places.try_acquire()?;
        let slot = self.slots.acquire().await;
        let busy = Busy { work: self, since: Instant::now() };
        sleep(self.about.service_time).await;
        drop((busy, slot, place));
        Ok(())
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        if self.take_turn().await.is_err() {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "too many requests are waiting");
        }
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let body = json!({
            "service": self.about.service, "pod": self.about.name, "zone": self.about.zone,
            "method": request.method().as_str(), "path": request.uri().path(),
            "forwardedProto": header("x-forwarded-proto"), "host": header("host"),
        });
        let mut response = plain(StatusCode::OK, &body.to_string());
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        response
    }
}

/// A request under way. What was done of it counts, also when the client gives up: a service of which all clients do so is as
/// busy as can be.
struct Busy<'w> {
    work: &'w Work,
    since: Instant,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        // On a busy machine a sleep is longer than it was to be.
        let done = self.since.elapsed().min(self.work.about.service_time);
        let micros = u64::try_from(done.as_micros()).unwrap_or(u64::MAX);
        self.work.busy_micros.fetch_add(micros, Ordering::Relaxed);
    }
}

/// Serves until it is told to end.
pub(super) async fn serve(work: Arc<Work>, mut orders: watch::Receiver<Order>) {
    let mut until_gone = orders.clone();
    let listener = tokio::select! {
        listener = listen(work.about.address) => listener,
        () = gone(&mut until_gone) => return,
    };
    let (finish, finishing) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut closed = pin!(no_longer_accepting(&mut orders));
    loop {
        tokio::select! {
            () = &mut closed => break,
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(connection(Arc::clone(&work), stream, finishing.clone()));
            },
            Some(_) = connections.join_next() => {}
        }
    }
    // From now on the kernel refuses connections.
    drop(listener);
    finish.send_replace(true);
    tokio::select! {
        () = async { while connections.join_next().await.is_some() {} } => {}
        // Whatever is under way is cut off.
        () = gone(&mut until_gone) => {}
    }
}

async fn listen(address: SocketAddr) -> TcpListener {
    let bind = || -> Result<TcpListener> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket.listen(BACKLOG)?)
    };
    loop {
        match bind() {
            Ok(listener) => return listener,
            Err(_) => sleep(BETWEEN_TRIES).await,
        }
    }
}

/// Requests of one connection, until the client has enough of it or the process finishes.
async fn connection(work: Arc<Work>, stream: TcpStream, mut finishing: watch::Receiver<bool>) {
    let service = service_fn(|request| {
        let work = Arc::clone(&work);
        async move { Ok::<_, Infallible>(work.answer(request).await) }
    });
    let mut serving = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // A client that hangs up is no matter of ours.
        _ = serving.as_mut() => return,
        _ = finishing.wait_for(|finishing| *finishing) => serving.as_mut().graceful_shutdown(),
    }
    let _ = serving.await;
}

async fn no_longer_accepting(orders: &mut watch::Receiver<Order>) {
    by(orders, |order| match order {
        Order::Serve => None,
        Order::End { accept_until, .. } => Some(accept_until),
        Order::Go => Some(Instant::now()),
    })
    .await;
}

async fn gone(orders: &mut watch::Receiver<Order>) {
    by(orders, |order| match order {
        Order::Serve => None,
        Order::End { gone_at, .. } => Some(gone_at),
        Order::Go => Some(Instant::now()),
    })
    .await;
}

/// Waits for the moment that the last order names.
async fn by(orders: &mut watch::Receiver<Order>, moment: impl Fn(Order) -> Option<Instant>) {
    loop {
        let moment = moment(*orders.borrow_and_update());
        let wait = async {
            match moment {
                Some(moment) => sleep_until(moment).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = wait => return,
            changed = orders.changed() => if changed.is_err() { return },
        }
    }
}

fn plain(status: StatusCode, body: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_owned()));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use futures::poll;
    use tokio::time::advance;

    use super::*;

    /// Two requests at a time, each of which takes four seconds, and one that waits.
    fn work() -> Work {
        Work::new(About {
            namespace: String::new(),
            name: String::new(),
            container: String::new(),
            service: String::new(),
            node: String::new(),
            zone: String::new(),
            address: SocketAddr::from(([127, 0, 0, 1], 8080)),
            service_time: Duration::from_secs(4),
            concurrency: 2,
            queue: 1,
            cpu_milli: 1000,
            started: jiff::Timestamp::UNIX_EPOCH,
        })
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_done_for_a_client_that_gave_up_counts() {
        let work = work();
        let mut given_up = Box::pin(work.take_turn());
        assert!(poll!(&mut given_up).is_pending());
        advance(Duration::from_secs(1)).await;
        drop(given_up);
        // One second on one half of a pod that uses a core when it is busy.
        assert_eq!(work.cpu_seconds().to_string(), "0.5");
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_place_in_the_queue_is_refused() {
        let work = work();
        let mut turns = [(); 3].map(|()| Box::pin(work.take_turn()));
        for turn in &mut turns {
            assert!(poll!(turn).is_pending());
        }
        assert!(work.take_turn().await.is_err());
        for turn in turns {
            turn.await.unwrap();
        }
        assert_eq!(work.cpu_seconds().to_string(), "6", "three times four seconds of half a pod");
    }
}

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
    sync::{Semaphore, watch},
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
    queue: Semaphore,
    busy_micros: AtomicU64,
}

impl Work {
    pub(super) fn new(about: About) -> Self {
        // Whoever is answered at once passes through it too.
        let (slots, queue) = (Semaphore::new(about.concurrency), Semaphore::new(about.queue + 1));
        Self { about, slots, queue, busy_micros: AtomicU64::new(0) }
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

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        // A client that gives up leaves both, wherever it waits.
        let Ok(place) = self.queue.try_acquire() else {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "too many requests are waiting");
        };
        let slot = self.slots.acquire().await;
        drop(place);
        sleep(self.about.service_time).await;
        drop(slot);
        let micros = u64::try_from(self.about.service_time.as_micros()).unwrap_or(u64::MAX);
        self.busy_micros.fetch_add(micros, Ordering::Relaxed);
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

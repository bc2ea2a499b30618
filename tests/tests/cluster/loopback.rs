//! A small HTTP server on this machine: a fake endpoint where a test decides every byte.

use std::{net::IpAddr, sync::Arc};

use anyhow::Result;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

/// What a request is answered with.
pub(crate) enum Answer {
    /// Status, content type and body.
    Body(u16, &'static str, String),
    /// Nothing, and the connection stays open.
    Silence,
}

impl Answer {
    /// A scalar, as Prometheus answers a query.
    pub(crate) fn scalar(value: f64) -> Self {
        let now = jiff::Timestamp::now().as_second();
        Self::result("scalar", &format!("[{now},\"{value}\"]"))
    }

    /// A result of any type.
    pub(crate) fn result(kind: &str, result: &str) -> Self {
        let body = format!(r#"{{"status":"success","data":{{"resultType":"{kind}","result":{result}}}}}"#);
        Self::Body(200, "application/json", body)
    }
}

/// A server. It ends when this value is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Answers each request, whose head and body are one text, by `answer`. Port 0 is any that is free.
    pub(crate) async fn start(
        address: impl Into<IpAddr>,
        port: u16,
        answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind((address.into(), port)).await?;
        let port = listener.local_addr()?.port();
        let answer = Arc::new(answer);
        let accepting = tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let answer = Arc::clone(&answer);
                tokio::spawn(async move {
                    let mut request = vec![0; 16 * 1024];
                    // Requests of the operator are small: they come in one piece.
                    let Ok(read) = connection.read(&mut request).await else { return };
                    match answer(&String::from_utf8_lossy(&request[..read])) {
                        Answer::Body(status, kind, body) => {
                            let length = body.len();
                            let head = format!(
                                "HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
                            );
                            // Whoever asked may have gone.
                            let _ = connection.write_all(head.as_bytes()).await;
                            let _ = connection.write_all(body.as_bytes()).await;
                        }
                        Answer::Silence => {
                            let _ = connection.read(&mut request).await;
                        }
                    }
                });
            }
        });
        Ok(Self { port, accepting })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
